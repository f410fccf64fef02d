/* Selections of rows: a few samples of each class, a share of each, a long tail, some classes, a
 * share of the rows. The rows are a function of the selection and the data alone. */
#ifndef COUPLET_RUNTIME_SELECTION_H
#define COUPLET_RUNTIME_SELECTION_H

#include "runtime/data/table.h"

/* The name of the int field whose values are the classes. */
const char *couplet_selection_by(const CoupletSelection *selection);
/* The number of the `available` samples of a class that are kept: at least one, if there is one. */
int64_t couplet_selection_keep(const CoupletSelection *selection, int64_t class_number,
                               int64_t class_count, int64_t available);
/* The hash by which `part` divides the rows of a source. It is of the name of a row within its
 * source, or of its number if it has no name. */
uint64_t couplet_selection_row_hash(const CoupletTable *table, int64_t row);
/* Chooses rows: sets `count` and `origin` of the table, whose columns stay as they are. A row that
 * was left out before does not come back. A table that is not loaded is loaded only if the
 * selection needs values that its reader does not know without. `loading` may be NULL. False with a
 * sentence when there is no such field, no row is left, or memory runs out; the table is then as it
 * was. */
bool couplet_selection_apply(const CoupletSelection *selection, CoupletTable *table,
                             const CoupletLoading *loading, char *error, size_t error_bytes);

#endif
