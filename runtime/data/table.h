/* A data source is a table. Its rows are samples, and its columns are fields with a name, a type
 * and a shape. A reader (reader.h) finds what a source holds, and reads it. Nothing but the readers
 * knows of pictures, sounds or labels. Every table also has the field `index`, the number of a row,
 * which is not stored. */
#ifndef COUPLET_RUNTIME_DATA_TABLE_H
#define COUPLET_RUNTIME_DATA_TABLE_H

#include "runtime/abi.h"
#include "runtime/files.h"

#include <signal.h>

typedef struct CoupletReader CoupletReader;
typedef struct CoupletKept CoupletKept; /* kept.h */

/* A request to open a table. */
typedef struct CoupletRequest {
    const char *reader; /* a row of readers.def */
    /* The path of the source, ready to be opened. NULL: the standard place of a preset such as
     * fashion_mnist. */
    const char *path;
    /* For readers whose first argument is a split: the split, such as "train", in the folder
     * `path`. NULL for other readers. */
    const char *split;
    /* The settings that are given. The others have the standard values of readers.def. */
    const CoupletSetting *settings;
    int setting_count;
    /* The codes of words in the source that was trained on (word_codes.h), which hold for this
     * source in place of `like`. NULL: there are none. */
    const char *codes;
    /* The names that its classes had in the training (kept.h). NULL: not known. */
    const char *classes;
    /* The file from whose folder relative paths of settings start. NULL: from that of `path`. */
    const char *beside;
    /* Fields that the spec claims. They are compared with the data, and decide types that the file
     * leaves open. */
    const CoupletField *claim;
    int claim_count; /* 0: the spec claims nothing */
    /* The samples are new ones for a trained method and need no labels. A file with labels may be
     * missing, and files need not be in class folders. */
    bool unlabelled;
} CoupletRequest;

typedef struct CoupletTable {
    char name[160];                /* the name for messages, such as "photos/train" */
    char path[COUPLET_PATH_BYTES]; /* the absolute path */
    const CoupletReader *reader;
    int64_t held;         /* the number of rows in the source, at most INT32_MAX */
    CoupletField *fields; /* [field_count]; the table owns the fields and their names */
    int field_count;
    /* The hash of the names and stamps of its files, and of its settings. It finds the packed copy
     * of this source. */
    uint64_t key;
    int64_t changed; /* the latest change among its files (stamp.h); 0: no files */
    /* The reader, its split and its settings as a text, such as "images, size = 64, grey = 0". A
     * file that is packed from the source has it too. */
    char choices[256];
    /* The hash of the choices and the path. Packed copies with the same value are of one source, at
     * different times. */
    uint64_t asked;
    uint64_t hash; /* the hash of the content; 0 before couplet_table_load */
    /* A note that a run prints: values that differ from those in the file; "": none. */
    char note[400];

    /* After couplet_table_load. Rows that skip_bad leaves out are zeros in the columns, and are not
     * in `origin`. */
    /* [field_count]: columns, each [held, shape of the field], row by row, aligned to 64 bytes.
     * They are in memory, or mapped from a file. */
    const void **columns;
    void *storage; /* owned by whoever made the columns */
    void (*release)(void *storage);
    bool mapped; /* the columns are in a file, so couplet_table_prefetch is useful */

    /* After a selection. */
    int64_t count; /* the number of chosen rows; equals `held` before a selection */
    /* [count], ascending: the row of the source for each chosen row. NULL: all rows are chosen. */
    int32_t *origin;

    /* [held], for a packed file in place of its source: the hashes of the names that the rows had
     * in the source. NULL: the table is no such file. */
    uint64_t *row_hashes;
    void *state; /* the reader's own */
    /* [field_count]: the names that classes had in the training. NULL: not known. */
    CoupletKept *kept;
} CoupletTable;

/* Opens a table: finds its fields, their shapes and the number of rows, from names and headers
 * alone. Compares the claim. If the path is a file that couplet_pack_write made of a source with
 * the same choices, that file is read instead. Returns false with a sentence that says what was
 * found in which file, and what was expected; there is then nothing to free. */
bool couplet_table_open(const CoupletRequest *request, CoupletTable *out, char *error,
                        size_t error_bytes);

/* True if the table has the fields of a claim, with their types, shapes and numbers of classes (0:
 * any). Returns false with a sentence that lists the fields. */
bool couplet_table_claims(const CoupletTable *table, const CoupletField *claim, int count,
                          char *error, size_t error_bytes);

/* How columns come into memory. */
typedef struct CoupletLoading {
    int threads;       /* the threads that decode; 0: one for each core */
    int64_t skip_bad;  /* the most rows that may be left out because they cannot be decoded */
    const char *cache; /* the folder of packed copies; NULL: the standard one */
    /* Is told from time to time how many rows are done, by one thread at a time. NULL: nobody is
     * told. */
    void (*progress)(void *context, int64_t done, int64_t rows);
    /* Is told of a row that is left out. The sentence names its file. */
    void (*skipped)(void *context, const char *sentence);
    /* Is told what is worth a line: that another process packs the same source, or how large the
     * copy is. NULL: nobody is told. */
    void (*said)(void *context, const char *sentence);
    /* A signal sets it, and loading ends with a sentence. NULL: nothing ends it. */
    const volatile sig_atomic_t *stop;
    void *context;
} CoupletLoading;

/* Loads the columns. Columns that are stored in the needed form are mapped, and small ones are
 * read. What must be decoded is decoded once, on all cores, into a packed copy, which is mapped
 * from then on (pack.h). Returns false with a sentence; the table is then unchanged. */
bool couplet_table_load(CoupletTable *table, const CoupletLoading *loading, char *error,
                        size_t error_bytes);

/* Returns the values of an int field of rank 0 for all rows, if the reader knows them without
 * looking at the samples. Returns false with an empty sentence if it does not, and with a sentence
 * if something is wrong. */
bool couplet_table_column(const CoupletTable *table, int field, int32_t *out, char *error,
                          size_t error_bytes);

/* Asks the disk for rows of the source that will be copied soon, with all their fields, and does
 * not wait. The loader calls it as early as the rows are known. Does nothing if the columns are not
 * mapped. */
void couplet_table_prefetch(const CoupletTable *table, const int32_t *rows, int64_t count);

/* Closes a table. Does nothing with a table of zeros. */
void couplet_table_close(CoupletTable *table);

/* Returns the field of this name, and its number unless `number` is NULL. Returns NULL if there is
 * none. */
const CoupletField *couplet_table_field(const CoupletTable *table, const char *name, int *number);
/* Returns the name of an entry of a field with one axis, such as a column of a table, or NULL. */
const char *couplet_table_entry(const CoupletTable *table, int field, int64_t entry);
/* Return the elements and the bytes of one sample. */
int64_t couplet_field_elements(const CoupletField *field);
int64_t couplet_field_bytes(const CoupletField *field);
/* True for a field that looks like pictures with their channels in the last axis, as in [32, 32,
 * 3]. The language has channels first, [3, 32, 32], and would read such a field as 32 narrow
 * channels. */
bool couplet_field_ends_in_channels(const CoupletField *field);
/* Continues a hash with the names of the field's classes, which are the meaning of its codes. */
uint64_t couplet_field_hash(uint64_t hash, const CoupletField *field);
/* True if the codes of two fields mean the same: neither has names of classes, or both have the
 * same names in the same order. If false, *code is the first code that differs. */
bool couplet_field_same_classes(const CoupletField *a, const CoupletField *b, int64_t *code);
/* Writes type and shape, as in "real[16000]", "int" or "u8[3, 64, 64]". 128 bytes are enough.
 * Returns `out`. */
const char *couplet_field_text(const CoupletField *field, char *out, size_t bytes);
/* Returns the row of the source for a chosen row. */
static inline int64_t couplet_table_origin(const CoupletTable *table, int64_t row) {
    return table->origin ? table->origin[row] : row;
}

#endif
