/* The views of a method, made of chosen rows as a training step would make them: with its draws at
 * a seed and a step, and with the states that a run starts from. */
#ifndef COUPLET_DRIVER_VIEW_RUN_H
#define COUPLET_DRIVER_VIEW_RUN_H

#include "compiler/compile/compile.h"
#include "compiler/driver/data_sets.h"

typedef struct MadeView {
    const LoweredView *view;
    CoupletType type;
    int rank; /* the rank of one sample */
    int64_t shape[COUPLET_MAX_RANK];
    const char *data; /* [copies or 1, batch, shape] */
    int64_t batch;
} MadeView;

typedef struct ViewRun {
    ARRAY(MadeView) views;
    int train_source;             /* whose rows views of computed arrays belong to */
    struct ViewRunInside *inside; /* owns the data */
} ViewRun;

/* rows[source][i] is the place, among the chosen rows of that source, of row i of the batch; each
 * list has `row_count` entries and is repeated to fill the batch. False after messages. A method
 * without a view gives none. */
bool view_run(DataSets *sets, const Options *options, int32_t *const *rows, const int *row_counts,
              ViewRun *out);
void view_run_free(ViewRun *run);

#endif
