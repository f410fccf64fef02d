/* The tables of a program, opened once, and the batches that a step draws from them side by
 * side. */
#ifndef COUPLET_RUNTIME_SOURCES_H
#define COUPLET_RUNTIME_SOURCES_H

#include "runtime/abi.h"
#include "runtime/data/place.h"
#include "runtime/executor.h"
#include "runtime/loader.h"

/* A field of a source, or its row numbers, as plans read it beyond the loader's batch. */
typedef struct CoupletShelf {
    /* All chosen rows on a device that is not the host; NULL: they are not there. */
    void *device;
    const void *whole; /* all chosen rows, in order, on the host; NULL: nobody asked for them */
    void *copy;        /* the memory of `whole`, if rows were copied; NULL: it lies in the table */
    void *part;        /* the rows of a sweep, or of a batch that is needed whole, if copied */
    int64_t part_rows;
    bool read; /* by a formula of a plan that was attached */
} CoupletShelf;

typedef struct CoupletSources {
    const CoupletProgram *program;
    CoupletTable *data;      /* by source, its selection applied */
    CoupletLoader **loaders; /* by source; NULL: the step draws nothing from it */
    CoupletShelf **shelves;  /* by source, then by field, with the row numbers last */
    int32_t *numbers;        /* 0, 1, 2, ..: the row numbers of any whole source */
    CoupletDevice *device;   /* that has the shelves, and whose ranks share batches */
} CoupletSources;

/* Tables that were opened before there was a program, to learn what they hold. No rows of them are
 * left out; some of their columns may be loaded. */
typedef struct CoupletOpenedTable {
    const char *source; /* the name of the source */
    CoupletTable table; /* zero, once it has been taken */
} CoupletOpenedTable;
typedef struct CoupletOpenedTables {
    CoupletOpenedTable *items;
    int count, capacity;
    double seconds; /* the time that opening them took */
} CoupletOpenedTables;

/* Opens and loads every source of the program, and applies its selection; `places` and `loading`
 * may be NULL. A table in `opened`, which may be NULL, is taken from there: opening a folder asks
 * for the size and time of each of its files. False with a sentence; couplet_sources_close in any
 * case. */
bool couplet_sources_open(const CoupletProgram *program, const CoupletPlaces *places,
                          const CoupletLoading *loading, CoupletOpenedTables *opened,
                          CoupletSources *out, char *error, size_t error_bytes);
void couplet_opened_close(CoupletOpenedTables *opened); /* closes the tables that nobody took */
/* Replaces the texts in `codes` (data/word_codes.h) by how each source turns words into codes, and
 * those in `classes` (data/kept.h) by the names of its classes; NULL for a source that has none.
 * False when memory is out. */
bool couplet_sources_codes(const CoupletSources *sources, char **codes, char **classes);
/* Makes ready what the plan reads of each source. It compares fields with the plan's inputs and
 * brings whole columns together. On a device other than the host it puts large fields there once,
 * so that a step only sends numbers of rows; a field that the device has no room for is sent batch
 * by batch. Every run of a plan that reads sources is attached. False with a sentence. The device
 * outlives the sources. */
bool couplet_sources_attach(CoupletSources *sources, CoupletDevice *device, const CoupletPlan *plan,
                            CoupletRun *run, char *error, size_t error_bytes);
/* Starts the loaders anew, so that the next batches are those of step `first` of the stage. `stage`
 * is NULL for a program without stages. */
bool couplet_sources_begin(CoupletSources *sources, const CoupletStage *stage, uint64_t seed,
                           int64_t first, char *error, size_t error_bytes);
/* The steps of one epoch, which a source or the program sets. 0: the batch is larger than the
 * data. */
int64_t couplet_sources_batches(const CoupletSources *sources, const CoupletStage *stage);
int64_t couplet_source_batch(const CoupletSource *source, const CoupletStage *stage);
/* Hands over the weights for the steps before step `until`: weights[i] has a weight for each row of
 * source i, if its batches are weighed. False with a sentence. */
bool couplet_sources_weigh(CoupletSources *sources, float *const *weights, int64_t until,
                           char *error, size_t error_bytes);
/* Puts the next batch of each source into the plan's inputs by name. It is valid until the next
 * call. */
void couplet_sources_next(CoupletSources *sources, const CoupletPlan *plan, void **inputs);
/* Puts all rows of that batch into the inputs of which a rank has its own alone. False when memory
 * runs out. */
bool couplet_sources_whole_batch(CoupletSources *sources, const CoupletPlan *plan, void **inputs);
/* Puts `rows` chosen rows of one source, from `first` on, into the inputs that read it. They are
 * valid until the next call. False with a sentence. */
bool couplet_sources_rows(CoupletSources *sources, int source, int64_t first, int64_t rows,
                          const CoupletPlan *plan, void **inputs, char *error, size_t error_bytes);
/* Puts the whole of each source into the inputs "NAME.all.FIELD" of a plan that is attached. */
void couplet_sources_whole(const CoupletSources *sources, const CoupletPlan *plan, void **inputs);
void couplet_sources_close(CoupletSources *sources);

#endif
