/* A reader knows one kind of source: arrays, folders of pictures, tables, sounds. A new reader is a
 * file with these functions, its rows in readers.def, and its page in docs/data.
 *
 * A reader whose library is large lies in a shared object of its own, libcouplet_MODULE.so, which
 * is loaded when a spec names it. Such an object exports couplet_reader_module, which finds its
 * readers by name. The other readers are in the runtime itself and need libc, libm and zlib
 * alone. */
#ifndef COUPLET_RUNTIME_DATA_READER_H
#define COUPLET_RUNTIME_DATA_READER_H

#include "runtime/data/table.h"

#include <stdio.h>

struct CoupletReader {
    const char *name; /* the name in readers.def */
    /* Fills the table's name, path, held, fields, key and state, and `reader` if another reader is
     * to go on with the table. It reads names and headers and no row, since `couplet check` calls
     * it. It never trusts a file: a length is compared with what is there before it is used. False
     * with a sentence; the table then owns nothing. */
    bool (*open)(const CoupletRequest *request, CoupletTable *out, char *error, size_t error_bytes);
    /* Fills columns[field_count], for which there is room, the hash of the content, `storage` and
     * `release`. This is for arrays that are mapped or small. NULL: rows are read one by one. */
    bool (*load)(CoupletTable *table, char *error, size_t error_bytes);
    /* Reads row `row` of the source's rows. fields[f] has room for field f. Several threads call it
     * at once for the same table. NULL if there is `load`. False with a sentence that names the
     * file (or the line) and what is wrong with it. */
    bool (*read)(const CoupletTable *table, int64_t row, void *const *fields, char *error,
                 size_t error_bytes);
    /* Gives the values of an int field of rank 0 for all rows, if they are known without a look at
     * the samples, such as classes that are folders. A selection by them then decodes nothing.
     * False with an empty sentence when they are not known so, and with a sentence when what is
     * there is wrong. NULL: no field is known so. */
    bool (*column)(const CoupletTable *table, int field, int32_t *out, char *error,
                   size_t error_bytes);
    /* Writes what messages call a row: its file, or "adult.csv, line 17". `part = ..` of a source
     * goes by this name, without the table's path or name at its beginning, so that a row stays in
     * its part when others come. NULL: rows are called "row 16". */
    void (*name_row)(const CoupletTable *table, int64_t row, char *out, size_t bytes);
    /* Returns the name of an entry of a field with one axis, such as the column of a table, or
     * NULL. NULL: no entry has a name. */
    const char *(*name_entry)(const CoupletTable *table, int field, int64_t entry);
    /* Writes how the table turns words into codes, as a later request has it in `codes`. NULL: the
     * reader has no words. */
    void (*codes)(const CoupletTable *table, FILE *out);
    /* Frees `state`; fields and columns are not the reader's to free. */
    void (*close)(CoupletTable *table);
};

/* What a program and a module must agree on. The first number is raised where a member or a
 * function changes its meaning; the layout of what they hand to each other counts by itself, so
 * that a module of another build is refused and not called. */
enum {
    COUPLET_READER_MEANING = 5,
    COUPLET_READER_LAYOUT = (sizeof(CoupletTable) * 8191 + sizeof(CoupletRequest) * 127 +
                             sizeof(CoupletReader) * 31 + sizeof(CoupletField)) %
                            1000000,
    COUPLET_READER_VERSION = COUPLET_READER_MEANING * 1000000 + COUPLET_READER_LAYOUT
};

/* The value of a setting: the one that was given, or the standard one of readers.def. */
double couplet_request_number(const CoupletRequest *request, const char *name);
const char *couplet_request_text(const CoupletRequest *request, const char *name);
bool couplet_reader_has_setting(const char *reader, const char *name);
/* True if the setting was given, and does not have its standard value for want of another. */
bool couplet_request_gives(const CoupletRequest *request, const char *name);
/* The field that the spec claims under this name; NULL: there is none. A reader asks if its file
 * leaves the type open; couplet_table_open compares the rest. */
const CoupletField *couplet_request_claim(const CoupletRequest *request, const char *name);

/* Adds a field, which is zero but for its name, type and shape. `shape` may be NULL for rank 0.
 * NULL when memory is out. */
CoupletField *couplet_table_add(CoupletTable *table, const char *name, CoupletType type, int rank,
                                const int64_t *shape);
/* Writes a name that data has as the language can write it. What is no letter, digit or underscore
 * becomes an underscore. A digit at the beginning gets an underscore before it. `index` and `all`,
 * which every source has, get one behind. */
void couplet_field_name(const char *name, char *out, size_t bytes);
/* Gives the classes 0 .. count - 1 of the field names, which are copied. */
bool couplet_field_classes(CoupletField *field, const char *const *names, int64_t count);

/* The reader of this name; NULL with a sentence, which says which package and which target are
 * missing when its module was not built. */
const CoupletReader *couplet_reader_find(const char *name, char *error, size_t error_bytes);

/* Writes the folder of the module that a reader lies in, from the root of the disk, into
 * out[COUPLET_PATH_BYTES]. False: the reader lies in no module, or the module is not there. */
bool couplet_reader_folder(const char *name, char *out);
/* Sets the folder where modules are looked for last: the one that was beside the compiler when a
 * program was built. The text is kept. NULL: there is none. */
void couplet_reader_modules_at(const char *folder);

/* Finds a symbol of the module libcouplet_MODULE.so, which is loaded and stays. NULL with a
 * sentence, which says which packages are missing if the module was not built. `what` begins that
 * sentence: "data.images is". */
void *couplet_module_find(const char *module, const char *symbol, const char *what, char *error,
                          size_t error_bytes);

/* The function that a module exports under the name couplet_reader_module. It returns NULL when the
 * module was made for another version, or has no such reader. */
typedef const CoupletReader *CoupletReaderModule(const char *name, int version);

#endif
