/* Selections of rows: a few samples of each class, a share of each, a long tail, some classes, a
 * share of the rows. The chosen rows depend on the selection and the data alone. */
#ifndef COUPLET_RUNTIME_SELECTION_H
#define COUPLET_RUNTIME_SELECTION_H

#include "runtime/data/table.h"

/* Returns the name of the int field whose values are the classes. */
const char *couplet_selection_by(const CoupletSelection *selection);
/* Returns how many of the `available` samples of a class are kept: at least one, if there is
 * one. */
int64_t couplet_selection_keep(const CoupletSelection *selection, int64_t class_number,
                               int64_t class_count, int64_t available);
/* Returns the hash by which `part` divides the rows of a source. It is of the row's name within its
 * source, or of its number if it has no name. */
uint64_t couplet_selection_row_hash(const CoupletTable *table, int64_t row);
/* Chooses rows: sets `count` and `origin` of the table, whose columns are unchanged. A row that was
 * left out before stays out. A table is loaded only if the selection needs values that its reader
 * does not know otherwise. `loading` may be NULL. Returns false with a sentence if there is no such
 * field, if no row is left, or if memory runs out; the table is then unchanged. */
bool couplet_selection_apply(const CoupletSelection *selection, CoupletTable *table,
                             const CoupletLoading *loading, char *error, size_t error_bytes);

#endif
