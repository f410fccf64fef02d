/* The layout of a table's columns in a safetensors file. Each field has an array, at a multiple of
 * 64 bytes. The format allows no gaps, so small arrays whose names begin with two underscores fill
 * the space behind a column. */
#ifndef COUPLET_RUNTIME_DATA_PACK_LAYOUT_H
#define COUPLET_RUNTIME_DATA_PACK_LAYOUT_H

#include "runtime/data/table.h"
#include "runtime/safetensors.h"

enum { COUPLET_PACK_ALIGNMENT = 64 };

typedef struct CoupletPackLayout {
    int64_t rows;
    /* [count]: the columns, each with the array that fills the space behind it. */
    CoupletTensorEntry *entries;
    int count;
    int64_t *columns; /* by field: where its column begins in the file */
    /* The length of the header with its length field; the first column begins behind it. */
    size_t head_bytes;
    int64_t data_bytes; /* the bytes of all columns and fillings */
    void *texts;        /* an array of jansson's that owns the metadata of the fields */
    /* [pair_count]: the classes of the fields, with room for more pairs. */
    CoupletTensorPair *pairs;
    int pair_count;
} CoupletPackLayout;

/* Makes the layout for `rows` rows of the table's fields, with room for `extra` more bytes in the
 * header. Returns false with a sentence if the fields are too large or have too many axes, or if
 * memory is out; there is then nothing to free. */
bool couplet_pack_layout(const CoupletTable *table, int64_t rows, size_t extra,
                         CoupletPackLayout *out, char *error, size_t error_bytes);
/* Makes the header for the layout's columns, for the arrays `after` behind them, and for the pairs
 * `more` beside those of the fields. It is from malloc, and head_bytes long. Returns NULL if memory
 * is out. */
char *couplet_pack_head(const CoupletPackLayout *layout, const CoupletTensorEntry *after,
                        int after_count, const CoupletTensorPair *more, int more_count);
void couplet_pack_layout_free(CoupletPackLayout *layout);

/* Writes all bytes at a position of the file. Returns false with errno. */
bool couplet_pack_put(int file, const void *bytes, size_t length, int64_t place);
/* Reserves the file's blocks on the disk before anything is written. Returns false with a sentence
 * that says how many bytes are needed and how many are free. */
bool couplet_pack_reserve(int file, const char *path, const char *of, int64_t bytes, char *error,
                          size_t error_bytes);
/* Writes a number of bytes with three digits, as in "614 MB". 32 bytes are enough. Returns
 * `out`. */
const char *couplet_bytes_text(int64_t count, char *out, size_t bytes);

#endif
