/* The tables of a program, opened once, and the batches that a step draws from them side by side. */
#ifndef COUPLET_RUNTIME_SOURCES_H
#define COUPLET_RUNTIME_SOURCES_H

#include "runtime/abi.h"
#include "runtime/data/place.h"
#include "runtime/loader.h"
#include "runtime/plan.h"

/* One field of a source, or its numbers 0, 1, 2, .., where a plan wants more of it than the loader's batch. */
typedef struct CoupletShelf {
    void *device;      /* all chosen rows, on a device that is not the host; NULL: they are not there */
    const void *whole; /* all chosen rows, one after the other, on the host; NULL: nobody asked for them */
    void *copy;        /* `whole`, where the chosen rows had to be brought together; NULL: they lie so in the table */
    void *part;        /* the rows of a sweep, where they had to be brought together */
    int64_t part_rows;
} CoupletShelf;

typedef struct CoupletSources {
    const CoupletProgram *program;
    CoupletTable *data;      /* by source, its selection applied */
    CoupletLoader **loaders; /* by source; NULL where the step draws nothing */
    CoupletShelf **shelves;  /* by source, by field, and the numbers last */
    int32_t *numbers;        /* 0, 1, 2, ..: the index of a whole source */
    CoupletDevice *device;   /* where the shelves are */
} CoupletSources;

/* Tables that were opened before there was a program, to learn what they hold. No rows of them are
 * left out; some of their columns may be loaded. */
typedef struct CoupletOpenedTable {
    const char *source; /* its name */
    CoupletTable table; /* zero, once it has been taken */
} CoupletOpenedTable;
typedef struct CoupletOpenedTables {
    CoupletOpenedTable *items;
    int count, capacity;
    double seconds; /* that opening them took */
} CoupletOpenedTables;

/* Opens and loads every source of the program, and applies its selection; `places` and `loading`
 * may be NULL. A table in `opened`, which may be NULL, is taken from there: opening a folder asks
 * for the size and time of each of its files. False with a sentence; couplet_sources_close in any
 * case. */
bool couplet_sources_open(const CoupletProgram *program, const CoupletPlaces *places,
                          const CoupletLoading *loading, CoupletOpenedTables *opened,
                          CoupletSources *out, char *error, size_t error_bytes);
void couplet_opened_close(CoupletOpenedTables *opened); /* those that nobody took */
/* How each source turns words into codes, as texts of codes.h, in place of what `codes` has; NULL for those that have no words. False when memory is out. */
bool couplet_sources_codes(const CoupletSources *sources, char **codes);
/* Makes ready what the plan reads of each source: compares fields with the plan's inputs, brings whole columns together, and on a device other than the host puts
 * there, once, what is large, so that a step only sends numbers of rows; what the device has no room for is sent batch by batch. Every run of a plan that reads
 * sources is attached. False with a sentence. The device outlives the sources. */
bool couplet_sources_attach(CoupletSources *sources, CoupletDevice *device, const CoupletPlan *plan, CoupletRun *run, char *error, size_t error_bytes);
/* Starts the loaders, in place of others, so that the next batches are those of step `first` of the stage; NULL: of a program without stages. */
bool couplet_sources_begin(CoupletSources *sources, const CoupletStage *stage, uint64_t seed, int64_t first, char *error, size_t error_bytes);
/* Steps of one epoch: of the source that sets it, or of the program where none does; 0: the batch is larger than the data. */
int64_t couplet_sources_batches(const CoupletSources *sources, const CoupletStage *stage);
int64_t couplet_source_batch(const CoupletSource *source, const CoupletStage *stage);
/* For the steps before step `until`: weights[i] are those of the rows of source i, where its batches are weighed. False with a sentence. */
bool couplet_sources_weigh(CoupletSources *sources, float *const *weights, int64_t until, char *error, size_t error_bytes);
/* The next batch of each source into the plan's inputs, by name; valid until the next call. */
void couplet_sources_next(CoupletSources *sources, const CoupletPlan *plan, void **inputs);
/* `rows` chosen rows from `first` on of one source into the inputs that read it, by name; valid until the next call. False with a sentence. */
bool couplet_sources_rows(CoupletSources *sources, int source, int64_t first, int64_t rows, const CoupletPlan *plan, void **inputs, char *error, size_t error_bytes);
/* The whole of each source into the inputs "NAME.all.FIELD" of a plan that is attached. */
void couplet_sources_whole(const CoupletSources *sources, const CoupletPlan *plan, void **inputs);
void couplet_sources_close(CoupletSources *sources);

#endif
