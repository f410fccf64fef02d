/* The tables of a program, opened once, and the batches that a step draws from all of them. */
#ifndef COUPLET_RUNTIME_SOURCES_H
#define COUPLET_RUNTIME_SOURCES_H

#include "runtime/abi.h"
#include "runtime/data/place.h"
#include "runtime/executor.h"
#include "runtime/loader.h"

/* A field of a source, or its row numbers, in the forms that plans read apart from the loader's
 * batch. */
typedef struct CoupletShelf {
    /* All chosen rows, in the memory of a device that is not the host. NULL: they are not there. */
    void *device;
    const void *whole; /* all chosen rows, in order, on the host; NULL: not wanted */
    /* The memory of `whole`, if rows were copied; NULL: `whole` points into the table. */
    void *copy;
    void *part; /* a copy of the rows of a sweep, or of a batch that is needed whole */
    int64_t part_rows;
    bool read; /* a formula of an attached plan reads the field */
} CoupletShelf;

typedef struct CoupletSources {
    const CoupletProgram *program;
    CoupletTable *data;      /* by source, with its selection applied */
    CoupletLoader **loaders; /* by source; NULL: the step draws nothing from it */
    CoupletShelf **shelves;  /* by source, then by field, with the row numbers last */
    int32_t *numbers;        /* 0, 1, 2, ..: the row numbers of a whole source */
    CoupletDevice *device;   /* the device that holds the shelves, and whose ranks share batches */
} CoupletSources;

/* A table that was opened before there was a program, to learn what it holds. None of its rows are
 * left out, and some of its columns may be loaded. */
typedef struct CoupletOpenedTable {
    const char *source; /* the name of the source */
    CoupletTable table; /* zero, after it has been taken */
} CoupletOpenedTable;
typedef struct CoupletOpenedTables {
    CoupletOpenedTable *items;
    int count;
    int capacity;
    double seconds; /* the time that opening them took */
} CoupletOpenedTables;

/* Opens and loads every source of the program, and applies its selection. `places` and `loading`
 * may be NULL. Tables are taken from `opened`, if that is not NULL and has them, since opening a
 * folder asks for the size and time of each file. Returns false with a sentence.
 * couplet_sources_close must be called in any case. */
bool couplet_sources_open(const CoupletProgram *program, const CoupletPlaces *places,
                          const CoupletLoading *loading, CoupletOpenedTables *opened,
                          CoupletSources *out, char *error, size_t error_bytes);
void couplet_opened_close(CoupletOpenedTables *opened); /* Closes the tables that were not taken. */
/* Replaces the texts in `codes` (data/word_codes.h) by how each source turns words into codes, and
 * the texts in `classes` (data/kept.h) by the names of its classes. They are NULL for a source
 * without words or names. Returns false if memory is out. */
bool couplet_sources_codes(const CoupletSources *sources, char **codes, char **classes);
/* Prepares what a plan reads of each source. Compares fields with the plan's inputs, and brings
 * whole columns together. On a device other than the host, large fields are copied there once, and
 * a step then sends row numbers only; a field without room on the device is sent batch by batch.
 * Every run of a plan that reads sources must be attached. Returns false with a sentence. The
 * device must outlive the sources. */
bool couplet_sources_attach(CoupletSources *sources, CoupletDevice *device, const CoupletPlan *plan,
                            CoupletRun *run, char *error, size_t error_bytes);
/* Starts the loaders again, so that the next batches are those of step `first` of the stage.
 * `stage` is NULL for a program without stages. */
bool couplet_sources_begin(CoupletSources *sources, const CoupletStage *stage, uint64_t seed,
                           int64_t first, char *error, size_t error_bytes);
/* Returns the number of steps in an epoch, which a source or the program sets. 0: the batch is
 * larger than the data. */
int64_t couplet_sources_batches(const CoupletSources *sources, const CoupletStage *stage);
int64_t couplet_source_batch(const CoupletSource *source, const CoupletStage *stage);
/* Sets the weights for the steps before step `until`. weights[i] has a weight for each row of
 * source i, if its batches are weighed. Returns false with a sentence. */
bool couplet_sources_weigh(CoupletSources *sources, float *const *weights, int64_t until,
                           char *error, size_t error_bytes);
/* Puts the next batch of each source into the plan's inputs, by name. The batch is valid until the
 * next call. */
void couplet_sources_next(CoupletSources *sources, const CoupletPlan *plan, void **inputs);
/* Replaces the inputs that hold only this rank's rows by all rows of the batch. Returns false if
 * memory runs out. */
bool couplet_sources_whole_batch(CoupletSources *sources, const CoupletPlan *plan, void **inputs);
/* Puts `rows` chosen rows of one source, from `first` on, into the inputs that read it. They are
 * valid until the next call. Returns false with a sentence. */
bool couplet_sources_rows(CoupletSources *sources, int source, int64_t first, int64_t rows,
                          const CoupletPlan *plan, void **inputs, char *error, size_t error_bytes);
/* Puts all rows of each source into the inputs "NAME.all.FIELD" of an attached plan. */
void couplet_sources_whole(const CoupletSources *sources, const CoupletPlan *plan, void **inputs);
void couplet_sources_close(CoupletSources *sources);

#endif
