/* Parts of a data set: a few images of each class, a share of each, a long tail. Which ones is a function of the selection and the labels alone. */
#ifndef COUPLET_RUNTIME_SELECTION_H
#define COUPLET_RUNTIME_SELECTION_H

#include "runtime/abi.h"
#include "runtime/dataset.h"

/* How many of the `available` images of a class are kept; at least one, if there is one. */
int64_t couplet_selection_keep(const CoupletSelection *selection, int class_number, int class_count, int64_t available);
/* Drops the other images; those kept stay in the order of the file. False with a sentence when memory runs out; the data is then as it was. */
bool couplet_selection_apply(const CoupletSelection *selection, CoupletDataset *data, char *error, size_t error_bytes);
/* What would be left, from the file of labels alone; -1 when that cannot be read. `folder` as in couplet_dataset_open. */
int64_t couplet_selection_rows(const CoupletSelection *selection, const char *reader, const char *split, const char *folder);

#endif
