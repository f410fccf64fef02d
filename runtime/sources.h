/* The data sets of a program, opened once, and the batches that a step draws from them side by side. */
#ifndef COUPLET_RUNTIME_SOURCES_H
#define COUPLET_RUNTIME_SOURCES_H

#include "runtime/abi.h"
#include "runtime/dataset.h"
#include "runtime/loader.h"
#include "runtime/plan.h"

/* A source's fields as they lie on a device that is not the host; NULL: there they do not. */
typedef struct CoupletTables {
    void *images, *labels, *numbers;
} CoupletTables;

typedef struct CoupletSources {
    const CoupletProgram *program;
    CoupletDataset *data;    /* by source, its selection applied */
    CoupletLoader **loaders; /* by source; NULL where the step draws nothing */
    int32_t *numbers;        /* 0, 1, 2, ..: the index of a whole source */
    CoupletDevice *device;   /* where the tables are */
    CoupletTables *tables;   /* by source */
} CoupletSources;

/* Reads every source of the program; `folder` as in couplet_dataset_open. False with a sentence; couplet_sources_close in any case. */
bool couplet_sources_open(const CoupletProgram *program, const char *folder, CoupletSources *out, char *error, size_t error_bytes);
/* Brings to the device, once, what the plan reads of each source, so that a step only sends numbers of rows. A table that the device has no room for is
 * sent batch by batch. Every run of a plan that reads sources is attached. False when the device fails. The device outlives the sources. */
bool couplet_sources_attach(CoupletSources *sources, CoupletDevice *device, const CoupletPlan *plan, CoupletRun *run);
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
