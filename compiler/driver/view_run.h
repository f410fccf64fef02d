/* The views of a method, made of chosen rows as a training step makes them: with the draws of a
 * seed and a step, and with the states that a run starts from. */
#ifndef COUPLET_DRIVER_VIEW_RUN_H
#define COUPLET_DRIVER_VIEW_RUN_H

#include "compiler/compile/compile.h"
#include "compiler/driver/data_sets.h"

typedef struct MadeView {
    const LoweredView *view;
    CoupletType type;
    int rank; /* the rank of one sample */
    int64_t shape[COUPLET_MAX_RANK];
    const char *data; /* [copies, or 1; batch; shape of a sample] */
    int64_t batch;
} MadeView;

typedef struct ViewRun {
    ARRAY(MadeView) views;
    int train_source;             /* the source whose rows the views of computed arrays belong to */
    struct ViewRunInside *inside; /* the owner of the data */
} ViewRun;

/* Makes the views. rows[source][i] is the position, among the chosen rows of that source, of row i
 * of the batch. Each list has `row_count` entries, and is repeated to fill the batch. Returns false
 * after messages. A method without views gives none. */
bool view_run(DataSets *sets, const Options *options, int32_t *const *rows, const int *row_counts,
              ViewRun *out);
void view_run_free(ViewRun *run);

#endif
