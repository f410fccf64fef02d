/* The columns of a table that is read as a whole, in one piece of memory. */
#ifndef COUPLET_RUNTIME_DATA_COLUMNS_H
#define COUPLET_RUNTIME_DATA_COLUMNS_H

#include "runtime/data/table.h"

/* Allocates zeroed memory for every column of the table, each aligned to 64 bytes. The table's
 * `storage` and `release` own it. Returns false if memory is out; the table is then unchanged. */
bool couplet_columns_take(CoupletTable *table);
/* Returns the column of field `f`, for the reader to fill. */
void *couplet_columns_at(const CoupletTable *table, int f);
/* Returns the hash of all columns with their fields' names and classes; never 0. */
uint64_t couplet_columns_hash(const CoupletTable *table);

#endif
