/* Decodes the rows of a table on several threads into the columns of a file. The bytes, the hash
 * and the rows that are found bad are the same on any number of threads. */
#ifndef COUPLET_RUNTIME_DATA_PACK_ROWS_H
#define COUPLET_RUNTIME_DATA_PACK_ROWS_H

#include "runtime/data/pack_layout.h"

typedef struct CoupletBadRow {
    int64_t row;
    char *sentence;
} CoupletBadRow;

typedef struct CoupletBadRows {
    CoupletBadRow *rows; /* [count], ascending */
    int64_t count;
    int64_t room;
} CoupletBadRows;

/* Reads every row by the table's reader into the file, and hashes all. Rows that cannot be read go
 * to *bad, at most loading->skip_bad of them, and are zeros in the file. False with a sentence when
 * there are more such rows (it is then the sentence of the first one), when the file cannot be
 * written, or when a signal came. The caller frees *bad in any case. */
bool couplet_pack_rows(const CoupletTable *table, const CoupletLoading *loading,
                       const CoupletPackLayout *layout, int file, uint64_t *hash,
                       CoupletBadRows *bad, char *error, size_t error_bytes);
/* Makes the same hash of columns that are in memory. False when memory is out. */
bool couplet_pack_hash(const CoupletTable *table, uint64_t *hash);
void couplet_bad_rows_free(CoupletBadRows *bad);

#endif
