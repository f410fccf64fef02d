/* The shared part of the fuzz targets of readers: an input as a file, and a table that is opened on
 * it and read. */
#ifndef COUPLET_TESTS_RUNTIME_FUZZ_TABLE_H
#define COUPLET_TESTS_RUNTIME_FUZZ_TABLE_H

#include "runtime/data/reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char fuzz_path[64];

static void remove_fuzz_file(void) {
    unlink(fuzz_path);
}

/* Writes the bytes to a file, which is the same one each time, and returns its path. */
static const char *fuzz_file(const uint8_t *data, size_t size) {
    if (!*fuzz_path) {
        snprintf(fuzz_path, sizeof fuzz_path, "%s/couplet-fuzz-%ld",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
        atexit(remove_fuzz_file);
    }
    FILE *file = fopen(fuzz_path, "wb");
    assert(file && fwrite(data, 1, size, file) == size);
    fclose(file);
    return fuzz_path;
}

static inline void fuzz_free_fields(CoupletTable *table) {
    for (int i = 0; i < table->field_count; i++) {
        free((void *)(uintptr_t)table->fields[i].name);
        free((void *)(uintptr_t)table->fields[i].class_names);
    }
    free(table->fields);
}

/* Opens the file as a table, and reads or loads all rows. */
static inline void fuzz_table(const CoupletReader *reader, const uint8_t *data, size_t size,
                              const CoupletSetting *settings, int setting_count) {
    enum { MOST_FIELDS = 16 };
    char error[4096], name[4096];
    const CoupletRequest request = {.reader = reader->name,
                                    .path = fuzz_file(data, size),
                                    .settings = settings,
                                    .setting_count = setting_count};
    CoupletTable table = {.reader = reader};
    if (reader->open(&request, &table, error, sizeof error)) {
        const void *columns[MOST_FIELDS];
        void *cells[MOST_FIELDS];
        assert(table.held > 0 && table.field_count <= MOST_FIELDS);
        table.columns = columns;
        if (reader->load && reader->load(&table, error, sizeof error)) table.release(table.storage);
        for (int f = 0; f < table.field_count; f++)
            cells[f] = malloc((size_t)couplet_field_bytes(&table.fields[f]));
        for (int64_t row = 0; row < table.held; row++) {
            if (reader->read) reader->read(&table, row, cells, error, sizeof error);
            if (reader->name_row) reader->name_row(&table, row, name, sizeof name);
        }
        for (int f = 0; f < table.field_count; f++)
            free(cells[f]);
        reader->close(&table);
    }
    fuzz_free_fields(&table);
}

#endif
