/* The data sets of a program, opened once, and the batches that a step draws from them side by side. */
#ifndef COUPLET_RUNTIME_SOURCES_H
#define COUPLET_RUNTIME_SOURCES_H

#include "runtime/abi.h"
#include "runtime/dataset.h"
#include "runtime/loader.h"

typedef struct CoupletSources {
    const CoupletProgram *program;
    CoupletDataset *data;    /* by source, its selection applied */
    CoupletLoader **loaders; /* by source; NULL where the step draws nothing */
    int32_t *numbers;        /* 0, 1, 2, ..: the index of a whole source */
} CoupletSources;

/* Reads every source of the program; `folder` as in couplet_dataset_open. False with a sentence; couplet_sources_close in any case. */
bool couplet_sources_open(const CoupletProgram *program, const char *folder, CoupletSources *out, char *error, size_t error_bytes);
/* Starts the loaders so that the next batches are those of step `first`. */
bool couplet_sources_begin(CoupletSources *sources, uint64_t seed, int64_t first, char *error, size_t error_bytes);
int64_t couplet_sources_batches(const CoupletSources *sources); /* of one epoch: of the source that sets it; 0: the batch is larger than the data */
/* The next batch of each source into the plan's inputs, by name; valid until the next call. */
void couplet_sources_next(CoupletSources *sources, const CoupletPlan *plan, void **inputs);
/* Rows `first` onwards of one source into the inputs that read it, by name. */
void couplet_sources_rows(const CoupletSources *sources, int source, int64_t first, const CoupletPlan *plan, void **inputs);
/* The whole of each source into the inputs "NAME.all.FIELD". */
void couplet_sources_whole(const CoupletSources *sources, const CoupletPlan *plan, void **inputs);
void couplet_sources_close(CoupletSources *sources);

#endif
