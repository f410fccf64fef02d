/* The columns of a table that is read as a whole: all in one piece of memory. */
#ifndef COUPLET_RUNTIME_DATA_COLUMNS_H
#define COUPLET_RUNTIME_DATA_COLUMNS_H

#include "runtime/data/table.h"

/* Makes zeroed memory for every column of the table, each aligned to 64 bytes; the table's
 * `storage` and `release` own it. False when memory is out, with nothing changed. */
bool couplet_columns_take(CoupletTable *table);
/* The column of field `f`, to be filled by the reader that took it. */
void *couplet_columns_at(const CoupletTable *table, int f);
/* The hash of all columns with their fields' names and classes; never 0. */
uint64_t couplet_columns_hash(const CoupletTable *table);

#endif
