/* Decodes the rows of a table on several threads into the columns of a file. The bytes, the hash
 * and the list of bad rows are the same for any number of threads. */
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

/* Reads every row with the table's reader into the file, and hashes all. Rows that cannot be read
 * are listed in *bad, at most loading->skip_bad of them, and are zeros in the file. Returns false
 * with a sentence if there are more such rows (the sentence is that of the first), if the file
 * cannot be written, or if a signal came. The caller frees *bad in any case. */
bool couplet_pack_rows(const CoupletTable *table, const CoupletLoading *loading,
                       const CoupletPackLayout *layout, int file, uint64_t *hash,
                       CoupletBadRows *bad, char *error, size_t error_bytes);
/* Computes the same hash of columns in memory. Returns false if memory is out. */
bool couplet_pack_hash(const CoupletTable *table, uint64_t *hash);
void couplet_bad_rows_free(CoupletBadRows *bad);

#endif
