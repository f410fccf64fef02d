/* A data source is a table. Its rows are samples, and its columns are fields with a name, a type
 * and a shape. A reader (reader.h) says what a source holds, and reads it. Nothing beyond the
 * readers knows of pictures, sounds or labels. Every table also has the field `index`, the number
 * of a row, which is stored nowhere. */
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
    /* The split, such as "train", for readers whose first argument it is; it lies in the folder
     * `path`. NULL for other readers. */
    const char *split;
    /* The settings that were given. The others have the standard values of readers.def. */
    const CoupletSetting *settings;
    int setting_count;
    /* The codes of words in the source that was trained on (word_codes.h), which hold for this
     * source in place of `like`; NULL: there are none. */
    const char *codes;
    /* The names that its classes had when it was trained on (kept.h); NULL: nothing is said. */
    const char *classes;
    /* The file whose folder relative paths of settings start at; NULL: `path`. */
    const char *beside;
    /* Fields that the spec claims: they are compared, and choose types where the file leaves a
     * choice. */
    const CoupletField *claim;
    int claim_count; /* 0: the spec claims nothing */
    /* The samples are new ones for a trained method, so they need no labels: a file that would say
     * them may be missing, and files need lie in no class folder. */
    bool unlabelled;
} CoupletRequest;

typedef struct CoupletTable {
    char name[160];                /* for messages: "photos/train" */
    char path[COUPLET_PATH_BYTES]; /* from the root of the disk */
    const CoupletReader *reader;
    int64_t held;         /* rows that the source has, at most INT32_MAX */
    CoupletField *fields; /* [field_count]; the table owns them with their names */
    int field_count;
    /* The hash of the names and stamps of its files, and of its settings. It tells which
     * packed copy is of this source. */
    uint64_t key;
    int64_t changed; /* the newest time of change among its files (stamp.h); 0 without */
    /* The reader, its split and its settings as a text: "images, size = 64, grey = 0". A file that
     * is packed from the source has it too. */
    char choices[256];
    /* The hash of the choices and the path. Packed copies that agree in it are of one source,
     * earlier or later. */
    uint64_t asked;
    uint64_t hash;  /* the hash of the content; 0 before couplet_table_load */
    char note[400]; /* what a run says ahead of it: values that are not as the file has them; "" */

    /* After couplet_table_load. Rows that skip_bad leaves out are zeros in the columns, and
     * `origin` does without them. */
    /* [field_count] columns, each [held, shape of the field], row by row, aligned to 64 bytes. They
     * are in memory or mapped from a file. */
    const void **columns;
    void *storage; /* belongs to whoever made the columns */
    void (*release)(void *storage);
    bool mapped; /* the columns lie in a file, so that couplet_table_prefetch is worth its while */

    /* After a selection. */
    int64_t count; /* the number of chosen rows; `held` before */
    /* [count] ascending: the source's row that each chosen row is; NULL: all are. */
    int32_t *origin;

    /* [held] of a packed file in the place of its source: the hashes of the names that the rows had
     * there. NULL: the table is no such file. */
    uint64_t *row_hashes;
    void *state; /* the reader's own */
    /* [field_count]: what its classes were called when it was trained on; NULL: nobody said. */
    CoupletKept *kept;
} CoupletTable;

/* Opens a table: fields, their shapes and the number of rows, from names and headers alone. The
 * claim is compared. If the path is a file that couplet_pack_write made of a source with the same
 * choices, that file is read in its place. False with a sentence that says what was found in which
 * file, and what was expected; nothing is then owned by the caller. */
bool couplet_table_open(const CoupletRequest *request, CoupletTable *out, char *error,
                        size_t error_bytes);

/* True if the table has the fields of a claim, with their types, shapes and numbers of classes (0:
 * any). False with a sentence that lists what there is. */
bool couplet_table_claims(const CoupletTable *table, const CoupletField *claim, int count,
                          char *error, size_t error_bytes);

/* The ways in which columns come into memory. */
typedef struct CoupletLoading {
    int threads;       /* the threads that decode; 0: as many as there are cores */
    int64_t skip_bad;  /* the most rows that are left out because they cannot be decoded */
    const char *cache; /* the folder of packed copies; NULL: the standard one */
    /* Hears now and then how many rows are done, from one thread at a time. NULL: nobody is
     * told. */
    void (*progress)(void *context, int64_t done, int64_t rows);
    /* Hears of a row that is left out; the sentence names its file. */
    void (*skipped)(void *context, const char *sentence);
    /* Hears what is worth a line: that another process packs the same source, how large the copy
     * is. NULL: nobody is told. */
    void (*said)(void *context, const char *sentence);
    /* Ends loading, with a sentence, when a signal sets it; or NULL. */
    const volatile sig_atomic_t *stop;
    void *context;
} CoupletLoading;

/* Brings the columns. Those that lie in their file as they are needed are mapped, and small ones
 * are read. What must be decoded is decoded once, on all cores, into a packed copy that is mapped
 * from then on (pack.h). False with a sentence; the table is then as it was. */
bool couplet_table_load(CoupletTable *table, const CoupletLoading *loading, char *error,
                        size_t error_bytes);

/* The values of an int field of rank 0 for all rows, where the reader knows them without a look at
 * the samples. False with an empty sentence: it does not; false with a sentence: what is there is
 * wrong. */
bool couplet_table_column(const CoupletTable *table, int field, int32_t *out, char *error,
                          size_t error_bytes);

/* Asks the disk for rows of the source that are copied soon, all fields of each, and does not wait.
 * Whoever gathers batches calls it as early as the rows are known. Does nothing if the columns are
 * not mapped. */
void couplet_table_prefetch(const CoupletTable *table, const int32_t *rows, int64_t count);

/* Closes a table. Does nothing with one that is all zeros. */
void couplet_table_close(CoupletTable *table);

/* The field of this name, and its number unless `number` is NULL. NULL: there is none. */
const CoupletField *couplet_table_field(const CoupletTable *table, const char *name, int *number);
/* The name of an entry of a field with one axis, such as a column of a table; NULL: it has none. */
const char *couplet_table_entry(const CoupletTable *table, int field, int64_t entry);
/* The elements and the bytes of one sample. */
int64_t couplet_field_elements(const CoupletField *field);
int64_t couplet_field_bytes(const CoupletField *field);
/* True for what looks like pictures with their channels in the last axis, as in [32, 32, 3]. The
 * language has channels first, [3, 32, 32], and reads such a field as 32 narrow channels. */
bool couplet_field_ends_in_channels(const CoupletField *field);
/* Goes on with a hash by the names of the field's classes, which are what its codes mean. */
uint64_t couplet_field_hash(uint64_t hash, const CoupletField *field);
/* True if the codes of two fields mean the same: neither has names of classes, or both have the
 * same names in the same order. *code is the first code that differs. */
bool couplet_field_same_classes(const CoupletField *a, const CoupletField *b, int64_t *code);
/* Writes type and shape: "real[16000]", "int", "u8[3, 64, 64]". Returns `out`; 128 bytes are
 * enough. */
const char *couplet_field_text(const CoupletField *field, char *out, size_t bytes);
/* The row of the source that a chosen row is. */
static inline int64_t couplet_table_origin(const CoupletTable *table, int64_t row) {
    return table->origin ? table->origin[row] : row;
}

#endif
