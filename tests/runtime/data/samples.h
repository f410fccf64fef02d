/* A folder of samples for a test of a reader, and a table that is opened from it. */
#ifndef COUPLET_TESTS_RUNTIME_DATA_SAMPLES_H
#define COUPLET_TESTS_RUNTIME_DATA_SAMPLES_H

#include "runtime/data/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char samples[64]; /* the folder; samples_begin makes it, and samples_end removes it */
static char said[1024];  /* what the last call that failed said */

static inline void run_command(const char *format, ...) {
    char command[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    if (system(command) != 0) fail_msg("this command failed: %s", command);
}

static int samples_begin(void **state) {
    (void)state;
    strcpy(samples, "/tmp/couplet_samples_XXXXXX");
    return mkdtemp(samples) ? 0 : 1;
}

static int samples_end(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", samples);
    return system(command);
}

/* Returns the whole path of a sample and makes its folder. Two texts are kept, so one is good until
 * the next call but one. */
static const char *sample_path(const char *name) {
    static char paths[2][512];
    static int turn;
    char *path = paths[turn ^= 1];
    snprintf(path, sizeof paths[0], "%s/%s", samples, name);
    for (char *slash = strchr(path + strlen(samples) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
    return path;
}

static void write_sample(const char *name, const void *bytes, size_t length) {
    FILE *file = fopen(sample_path(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *name, const char *text) {
    write_sample(name, text, strlen(text));
}

static bool open_samples(const char *reader, const char *name, const CoupletSetting *settings,
                         int count, CoupletTable *out) {
    const CoupletRequest request = {
        .reader = reader, .path = sample_path(name), .settings = settings, .setting_count = count};
    return couplet_table_open(&request, out, said, sizeof said);
}

/* Reads the field of a row into memory that the caller frees. Returns NULL with a sentence in
 * `said`. */
static void *read_sample(const CoupletTable *table, int64_t row, const char *field) {
    void **fields = calloc((size_t)table->field_count, sizeof *fields);
    void *found = NULL;
    for (int f = 0; f < table->field_count; f++)
        fields[f] = malloc((size_t)couplet_field_bytes(&table->fields[f]));
    const bool is_read = table->reader->read(table, row, fields, said, sizeof said);
    for (int f = 0; f < table->field_count; f++)
        if (is_read && strcmp(table->fields[f].name, field) == 0)
            found = fields[f];
        else
            free(fields[f]);
    if (is_read && !found) fail_msg("there is no field %s", field);
    free(fields);
    return found;
}

/* Reads one file as a source of its own, and returns its field. */
static void *read_file(const char *reader, const char *name, const CoupletSetting *settings,
                       int count, const char *field) {
    CoupletTable table;
    if (!open_samples(reader, name, settings, count, &table)) return NULL;
    void *found = read_sample(&table, 0, field);
    couplet_table_close(&table);
    return found;
}

/* Asserts that the file is not read, and that the sentence names it and says `words`. */
static inline void refuses(const char *reader, const char *name, const CoupletSetting *settings,
                           int count, const char *field, const char *words) {
    void *found = read_file(reader, name, settings, count, field);
    if (found) fail_msg("%s was read, and `%s` was expected", name, words);
    if (!strstr(said, words) || !strstr(said, name))
        fail_msg("%s: lacks `%s` or the file's name", said, words);
    for (const char *at = said; *at; at++)
        assert_in_range(*at, ' ', '~');
}

#endif
