/* A reader knows one kind of source: arrays, folders of pictures, tables, sounds. To add one is a file with these functions, its rows in readers.def, and its page in docs/data.
 *
 * A reader whose library is large lies in a shared object of its own, libcouplet_MODULE.so, that is loaded when a spec names it: such an object exports
 * couplet_reader_module, which finds its readers by name. The others are in the runtime itself and need libc, libm and zlib alone. */
#ifndef COUPLET_RUNTIME_DATA_READER_H
#define COUPLET_RUNTIME_DATA_READER_H

#include "runtime/data/table.h"

#include <stdio.h>

enum { COUPLET_READER_VERSION = 3 };

struct CoupletReader {
    const char *name; /* as in readers.def */
    /* Fills the table's name, path, held, fields, key and state, and `reader` where another reader is to go on with the table. Reads names and headers, and no row: `couplet check` calls it. False with a sentence; the table then
     * owns nothing. Never trusts a file: a length is compared with what is there before it is used. */
    bool (*open)(const CoupletRequest *request, CoupletTable *out, char *error, size_t error_bytes);
    /* Fills columns[field_count], which there is room for, the content's hash, `storage` and `release` at once, for arrays that are mapped or small. NULL: rows
     * are read one by one. */
    bool (*load)(CoupletTable *table, char *error, size_t error_bytes);
    /* Reads row `row`, of the source's rows: fields[f] has room for field f. Several threads call it at once, for the same table. NULL where there is `load`. False
     * with a sentence that names the file (or the line) and what is wrong with it. */
    bool (*read)(const CoupletTable *table, int64_t row, void *const *fields, char *error, size_t error_bytes);
    /* The values of an int field of rank 0, for all rows, where they are known without a look at the samples, such as classes that are folders: a selection by
     * them then decodes nothing. False with an empty sentence: they are not known so; false with a sentence: what is there is wrong. NULL: none is. */
    bool (*column)(const CoupletTable *table, int field, int32_t *out, char *error, size_t error_bytes);
    /* What messages call a row: its file, or "adult.csv, line 17". NULL: "row 16". `part = ..` of a source goes by this name, without the table's path or name at
     * its beginning, so that a row stays in its part when others come. */
    void (*name_row)(const CoupletTable *table, int64_t row, char *out, size_t bytes);
    /* What entry `entry` of a field with one axis is called, such as the column of a table; NULL: it has no name. NULL: none has. */
    const char *(*name_entry)(const CoupletTable *table, int field, int64_t entry);
    /* Writes how the table turns words into codes, as a later request has it in `codes`. NULL: there are no words. */
    void (*codes)(const CoupletTable *table, FILE *out);
    void (*close)(CoupletTable *table); /* frees `state`; fields and columns are not the reader's to free */
};

/* The value of a setting: the one that was given, or the standard one of readers.def. */
double couplet_request_number(const CoupletRequest *request, const char *name);
const char *couplet_request_text(const CoupletRequest *request, const char *name);
bool couplet_reader_has_setting(const char *reader, const char *name);
bool couplet_request_gives(const CoupletRequest *request, const char *name); /* it does not have its standard value for want of another */
/* The field that the spec claims under this name; NULL: none. A reader asks where its file leaves the type open; couplet_table_open compares the rest. */
const CoupletField *couplet_request_claim(const CoupletRequest *request, const char *name);

/* Makes room for one more field: *field is zero but for its name, type and shape, `shape` may be NULL for rank 0. NULL when memory is out. */
CoupletField *couplet_table_add(CoupletTable *table, const char *name, CoupletType type, int rank, const int64_t *shape);
/* A name that data has, as the language can write it: what is no letter, digit or underscore becomes an underscore, a digit at the beginning gets one before it, and
 * the names of every source, `index` and `all`, get one behind. */
void couplet_field_name(const char *name, char *out, size_t bytes);
/* Names of the classes 0 .. count - 1 of the field: copied. */
bool couplet_field_classes(CoupletField *field, const char *const *names, int64_t count);

/* The reader of this name; NULL with a sentence, which says which package and which target are missing when its module was not built. */
const CoupletReader *couplet_reader_find(const char *name, char *error, size_t error_bytes);

/* The folder of the module that a reader lies in, from the root of the disk, into out[COUPLET_PATH_BYTES]. False: it lies in none, or the module is not there. */
bool couplet_reader_folder(const char *name, char *out);
/* A folder where modules are looked for last: the one that was beside the compiler when a program was built. The text is kept. NULL: none. */
void couplet_reader_modules_at(const char *folder);

/* A symbol of the module libcouplet_MODULE.so, which is loaded and stays. NULL with a sentence, which says which packages are missing when it was not built; `what`
 * begins that sentence: "data.images is". */
void *couplet_module_find(const char *module, const char *symbol, const char *what, char *error, size_t error_bytes);

/* What a module exports, under the name couplet_reader_module. NULL when it was made for another version, or has no such reader. */
typedef const CoupletReader *CoupletReaderModule(const char *name, int version);

#endif
