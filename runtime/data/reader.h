/* A reader knows one kind of source: arrays, folders of pictures, tables, sounds. A new reader is a
 * file with these functions, its rows in readers.def, and its page in docs/data.
 *
 * A reader with a large library is in a shared object of its own, libcouplet_MODULE.so, which is
 * loaded when a spec names it. Such an object exports couplet_reader_module, which finds its
 * readers by name. The other readers are in the runtime itself, and need libc, libm and zlib
 * alone. */
#ifndef COUPLET_RUNTIME_DATA_READER_H
#define COUPLET_RUNTIME_DATA_READER_H

#include "runtime/data/table.h"

#include <stdio.h>

struct CoupletReader {
    const char *name; /* the name in readers.def */
    /* Fills in the table's name, path, held, fields, key and state, and `reader` if another reader
     * is to continue with the table. Reads names and headers but no rows, since `couplet check`
     * calls it. Trusts no file: a length is compared with the file before it is used. Returns false
     * with a sentence; the table then owns nothing. */
    bool (*open)(const CoupletRequest *request, CoupletTable *out, char *error, size_t error_bytes);
    /* Fills in columns[field_count], for which there is room, the hash of the content, `storage`
     * and `release`. For arrays that are mapped or small. NULL: rows are read one by one. */
    bool (*load)(CoupletTable *table, char *error, size_t error_bytes);
    /* Reads row `row` of the source. fields[f] has room for field f. Several threads may call it at
     * the same time for one table. NULL if there is `load`. Returns false with a sentence that
     * names the file (or the line) and what is wrong. */
    bool (*read)(const CoupletTable *table, int64_t row, void *const *fields, char *error,
                 size_t error_bytes);
    /* Returns the values of an int field of rank 0 for all rows, if they are known without looking
     * at the samples, such as classes by folders. A selection by them then decodes nothing. Returns
     * false with an empty sentence if they are not known, and with a sentence if something is
     * wrong. NULL: no field is known so. */
    bool (*column)(const CoupletTable *table, int field, int32_t *out, char *error,
                   size_t error_bytes);
    /* Writes the name of a row for messages: its file, or "adult.csv, line 17". The setting `part =
     * ..` chooses rows by this name, without the table's path or name at its beginning, so a row
     * stays in its part if other rows are added. NULL: rows are called "row 16". */
    void (*name_row)(const CoupletTable *table, int64_t row, char *out, size_t bytes);
    /* Returns the name of an entry of a field with one axis, such as the column of a table, or
     * NULL. The member may be NULL: no entry has a name. */
    const char *(*name_entry)(const CoupletTable *table, int field, int64_t entry);
    /* Writes how the table turns words into codes, for `codes` of a later request. NULL: the reader
     * has no words. */
    void (*codes)(const CoupletTable *table, FILE *out);
    /* Frees `state`. The reader does not free fields and columns. */
    void (*close)(CoupletTable *table);
};

/* The interface that a program and a module must agree on. The first number is raised when a member
 * or a function changes its meaning. The layout of the structs counts too, so a module of another
 * build is refused and never called. */
enum {
    COUPLET_READER_MEANING = 5,
    COUPLET_READER_LAYOUT = (sizeof(CoupletTable) * 8191 + sizeof(CoupletRequest) * 127 +
                             sizeof(CoupletReader) * 31 + sizeof(CoupletField)) %
                            1000000,
    COUPLET_READER_VERSION = COUPLET_READER_MEANING * 1000000 + COUPLET_READER_LAYOUT
};

/* Returns the value of a setting: the given one, or the standard one of readers.def. */
double couplet_request_number(const CoupletRequest *request, const char *name);
const char *couplet_request_text(const CoupletRequest *request, const char *name);
bool couplet_reader_has_setting(const char *reader, const char *name);
/* True if the setting was given. False if it has its standard value because none was given. */
bool couplet_request_gives(const CoupletRequest *request, const char *name);
/* Returns the field that the spec claims under this name, or NULL. A reader asks if its file leaves
 * the type open; couplet_table_open compares the rest. */
const CoupletField *couplet_request_claim(const CoupletRequest *request, const char *name);

/* Adds a field, which is zero except for its name, type and shape. `shape` may be NULL for rank 0.
 * Returns NULL if memory is out. */
CoupletField *couplet_table_add(CoupletTable *table, const char *name, CoupletType type, int rank,
                                const int64_t *shape);
/* Writes a name of the data in a form that the language allows. Characters other than letters,
 * digits and underscores become underscores. An underscore is put before a digit at the beginning,
 * and behind `index` and `all`, which every source has. */
void couplet_field_name(const char *name, char *out, size_t bytes);
/* Gives the classes 0 .. count - 1 of the field their names, which are copied. */
bool couplet_field_classes(CoupletField *field, const char *const *names, int64_t count);

/* Returns the reader of this name. Returns NULL with a sentence, which says what package and what
 * target are missing if the reader's module was not built. */
const CoupletReader *couplet_reader_find(const char *name, char *error, size_t error_bytes);

/* Writes the folder of a reader's module, as an absolute path, into out[COUPLET_PATH_BYTES].
 * Returns false if the reader is in no module, or if the module is missing. */
bool couplet_reader_folder(const char *name, char *out);
/* Sets the last folder in which modules are looked for: the one that was beside the compiler when a
 * program was built. The text must remain. NULL: there is none. */
void couplet_reader_modules_at(const char *folder);

/* Returns a symbol of the module libcouplet_MODULE.so, which is loaded and stays. Returns NULL with
 * a sentence, which says what packages are missing if the module was not built. `what` begins that
 * sentence, as in "data.images is". */
void *couplet_module_find(const char *module, const char *symbol, const char *what, char *error,
                          size_t error_bytes);

/* The function that a module exports under the name couplet_reader_module. It returns NULL if the
 * module was made for another version, or has no such reader. */
typedef const CoupletReader *CoupletReaderModule(const char *name, int version);

#endif
