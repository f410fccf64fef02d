/* The layout of a table's columns in a file of the safetensors format. Each field has an array, at
 * a multiple of 64 bytes. The format knows no gaps, so small arrays whose names begin with two
 * underscores fill the space behind a column. */
#ifndef COUPLET_RUNTIME_DATA_PACK_LAYOUT_H
#define COUPLET_RUNTIME_DATA_PACK_LAYOUT_H

#include "runtime/data/table.h"
#include "runtime/safetensors.h"

enum { COUPLET_PACK_ALIGNMENT = 64 };

typedef struct CoupletPackLayout {
    int64_t rows;
    CoupletTensorEntry *entries; /* [count]: the columns with what fills up behind each */
    int count;
    int64_t *columns;   /* by field: where its column begins in the file */
    size_t head_bytes;  /* the header with its length; the first column begins behind it */
    int64_t data_bytes; /* all columns with what fills up */
    void *texts;        /* an array of jansson's that owns the metadata of the fields */
    /* [pair_count]: the classes of the fields, with room behind them. */
    CoupletTensorPair *pairs;
    int pair_count;
} CoupletPackLayout;

/* Makes the layout of `rows` rows of the table's fields, with room for `extra` bytes more in the
 * header. False with a sentence when the fields are too large or have too many axes, or memory is
 * out; nothing is then owned by the caller. */
bool couplet_pack_layout(const CoupletTable *table, int64_t rows, size_t extra,
                         CoupletPackLayout *out, char *error, size_t error_bytes);
/* Makes the header for the layout's columns, the arrays `after` behind them, and the pairs `more`
 * beside those of the fields. It is malloc'ed and head_bytes long. NULL when memory is out. */
char *couplet_pack_head(const CoupletPackLayout *layout, const CoupletTensorEntry *after,
                        int after_count, const CoupletTensorPair *more, int more_count);
void couplet_pack_layout_free(CoupletPackLayout *layout);

/* Writes all bytes at a place of the file. False with errno. */
bool couplet_pack_put(int file, const void *bytes, size_t length, int64_t place);
/* Gives the file its blocks on the disk before anything is written. False with a sentence that says
 * how many bytes are needed and how many are free. */
bool couplet_pack_reserve(int file, const char *path, const char *of, int64_t bytes, char *error,
                          size_t error_bytes);
/* Writes a number of bytes with three digits: "614 MB". Returns `out`; 32 bytes are enough. */
const char *couplet_bytes_text(int64_t count, char *out, size_t bytes);

#endif
