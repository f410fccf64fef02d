/* A data source is a table: its rows are samples, its columns are fields with a name, a type and a shape. A reader (reader.h) says what a source holds and reads
 * it; nothing beyond the readers knows of pictures, sounds or labels. Every table has the field `index` besides, the number of a row, which is stored nowhere. */
#ifndef COUPLET_RUNTIME_DATA_TABLE_H
#define COUPLET_RUNTIME_DATA_TABLE_H

#include "runtime/abi.h"
#include "runtime/files.h"

#include <signal.h>

typedef struct CoupletReader CoupletReader;
typedef struct CoupletKept CoupletKept; /* kept.h */

/* What a table is opened from. */
typedef struct CoupletRequest {
    const char *reader;             /* a row of readers.def */
    const char *path;               /* of the source, ready to be opened; NULL: the standard place of a preset like fashion_mnist */
    const char *split;              /* "train": of readers whose first argument is a split, which lies in the folder `path`; NULL for the others */
    const CoupletSetting *settings; /* those that were given; the others have the standard values of readers.def */
    int setting_count;
    const char *codes;              /* how the source that was trained on turns words into codes (codes.h), which holds for this one in place of `like`; NULL: nothing is said */
    const char *classes;            /* the names that its classes had when it was trained on (kept.h); NULL: nothing is said */
    const char *beside;             /* the file whose folder relative paths of settings start at; NULL: `path` */
    const CoupletField *claim;      /* fields that the spec claims: they are compared, and choose types where the file leaves a choice */
    int claim_count;                /* 0: the spec claims nothing */
} CoupletRequest;

typedef struct CoupletTable {
    char name[160];                /* for messages: "photos/train" */
    char path[COUPLET_PATH_BYTES]; /* from the root of the disk */
    const CoupletReader *reader;
    int64_t held;                  /* rows that the source has, at most INT32_MAX */
    CoupletField *fields;          /* [field_count]; the table owns them with their names */
    int field_count;
    uint64_t key;                  /* of names, sizes and times of its files and of its settings: which packed copy is of this source */
    char choices[256];             /* the reader, its split and its settings, as a text: "images, size = 64, grey = 0"; a file packed from it has them too */
    uint64_t asked;                /* of the choices and the path: packed copies that agree in it are of one source, earlier or later */
    uint64_t hash;                 /* of the content; 0 before couplet_table_load */

    /* After couplet_table_load. Rows that skip_bad leaves out are zeros in the columns, and `origin` does without them. */
    const void **columns;          /* [field_count], each [held, shape of the field], row by row, aligned to 64 bytes; in memory or mapped from a file */
    void *storage;                 /* of whoever made the columns */
    void (*release)(void *storage);
    bool mapped;                   /* the columns lie in a file: couplet_table_prefetch is worth its while */

    /* After a selection. */
    int64_t count;                 /* rows that are chosen; `held` before */
    int32_t *origin;               /* [count] ascending: the row of the source that each is; NULL: all */

    uint64_t *row_hashes;          /* [held]: of a packed file in the place of its source: of the names that the rows had there; NULL: it is none */
    void *state;                   /* the reader's own */
    CoupletKept *kept;             /* [field_count]: what its classes were called when it was trained on; NULL: nobody said */
} CoupletTable;

/* Fields, their shapes and the number of rows, from names and headers alone; the claim is compared. Where the path is a file that couplet_pack_write made of a source
 * with the same choices, that file is read in its place. False with a sentence that names file, found and expected;
 * nothing is then owned by the caller. */
bool couplet_table_open(const CoupletRequest *request, CoupletTable *out, char *error, size_t error_bytes);

/* Whether the table has the fields of a claim, with their types, shapes and numbers of classes (0: any). False with a sentence that lists what there is. */
bool couplet_table_claims(const CoupletTable *table, const CoupletField *claim, int count, char *error, size_t error_bytes);

/* How the columns come into memory. */
typedef struct CoupletLoading {
    int threads;          /* that decode; 0: all cores */
    int64_t skip_bad;     /* rows that cannot be decoded are left out, up to so many */
    const char *cache;    /* the folder of packed copies; NULL: the standard one */
    void (*progress)(void *context, int64_t done, int64_t rows); /* now and then, from one thread at a time; NULL: nobody is told */
    /* A row that is left out, by skip_bad; the sentence names its file. */
    void (*skipped)(void *context, const char *sentence);
    /* What is worth a line: that another process packs the same source, how large the copy is. NULL: nobody is told. */
    void (*said)(void *context, const char *sentence);
    const volatile sig_atomic_t *stop; /* a signal came: loading ends, with a sentence; NULL: nothing ends it */
    void *context;
} CoupletLoading;

/* Brings the columns: those that lie in their file as they are needed are mapped, small ones are read, what must be decoded is decoded once, on all cores,
 * into a packed copy that is mapped from then on (pack.h). False with a sentence; the table is then as it was. */
bool couplet_table_load(CoupletTable *table, const CoupletLoading *loading, char *error, size_t error_bytes);

/* The values of an int field of rank 0 for all rows, where the reader knows them without a look at
 * the samples. False with an empty sentence: it does not; false with a sentence: what is there is
 * wrong. */
bool couplet_table_column(const CoupletTable *table, int field, int32_t *out, char *error,
                          size_t error_bytes);

/* Asks for rows of the source that are copied soon, all fields of each, and does not wait for the disk: for whoever gathers batches, as early as the rows are
 * known. Does nothing where the columns are not mapped. */
void couplet_table_prefetch(const CoupletTable *table, const int32_t *rows, int64_t count);

void couplet_table_close(CoupletTable *table); /* of a table that is all zeros: does nothing */

const CoupletField *couplet_table_field(const CoupletTable *table, const char *name, int *number); /* NULL: there is none. `number` may be NULL */
int64_t couplet_field_elements(const CoupletField *field); /* of one sample */
int64_t couplet_field_bytes(const CoupletField *field);    /* of one sample */
/* Goes on with a hash by the names of the field's classes: what its codes mean. */
uint64_t couplet_field_hash(uint64_t hash, const CoupletField *field);
/* Whether the codes of two fields mean the same: neither has names of classes, or they are the same names in the same order. *code is the first that differs. */
bool couplet_field_same_classes(const CoupletField *a, const CoupletField *b, int64_t *code);
/* "real[16000]", "int", "u8[3, 64, 64]". Returns `out`; 128 bytes are enough. */
const char *couplet_field_text(const CoupletField *field, char *out, size_t bytes);
/* The row of the source that row `row` of the chosen ones is. */
static inline int64_t couplet_table_origin(const CoupletTable *table, int64_t row) { return table->origin ? table->origin[row] : row; }

#endif
