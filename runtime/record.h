/* The record of a run, settings.json in its folder: everything that its numbers depend on. Resuming
 * or evaluating a run compares the present state with the record, and accepts no difference in
 * silence. docs/runs.md lists the keys. */
#ifndef COUPLET_RUNTIME_RECORD_H
#define COUPLET_RUNTIME_RECORD_H

#include "runtime/folder.h"
#include "runtime/session.h"
#include "runtime/sources.h"

typedef struct CoupletRecord {
    void *json; /* an object of the library jansson */
    /* [place_count], in a record that was read: where sources lay, as in "train=/photos/a". */
    char **places;
    int place_count;
} CoupletRecord;

/* The parts of which a record is made. */
typedef struct CoupletRecorded {
    const CoupletProgram *program;
    const CoupletSession *session;
    const CoupletSources *sources;
    const char *device;       /* the word of --device, such as "cpu" or "opencl:1" */
    int threads;              /* the number of threads that the user gave; 0: one for each core */
    int64_t checkpoint_every; /* in steps; 0: a checkpoint comes at the end of each epoch */
    /* --start: the file or folder that a new run begins with. NULL: none, or the run is resumed. */
    const char *start;
    /* How checkpoints are kept, and how the run is ended early (runtime/train.h). 0, NULL and false
     * are not recorded. */
    int keep;
    const char *best;
    int64_t stop_early;
    bool tensorboard;
    /* True if the sums of ranks were unordered in a part of the run; not recorded if false. */
    bool unordered;
    /* By `start` statement of the program: the hash of its file. NULL if the run is resumed. */
    const uint64_t *start_hashes;
    const struct CoupletRecord *was; /* the record of a run that is resumed; NULL: a new run */
    int64_t skip_bad; /* the most rows that may be left out because they cannot be read */
} CoupletRecorded;

/* Makes a record. Returns false with a sentence if memory runs out, or if a value is no finite
 * number. */
bool couplet_record_make(const CoupletRecorded *from, CoupletRecord *out, char *error,
                         size_t error_bytes);
/* Reads settings.json of the folder. Returns false with a sentence if it is no record, or has an
 * unknown format. */
bool couplet_record_read(const char *folder, CoupletRecord *out, char *error, size_t error_bytes);
bool couplet_record_write(const CoupletRecord *record, const char *folder, char *error,
                          size_t error_bytes);
void couplet_record_free(CoupletRecord *record);

/* Return an entry by its path, such as "options.memory" or "data.train.place". NULL or false if the
 * record does not have it, or has null there. */
const char *couplet_record_text(const CoupletRecord *record, const char *path);
bool couplet_record_number(const CoupletRecord *record, const char *path, double *out);
/* True if the run began with the arrays of a file, by --start or by a statement of the spec. */
bool couplet_record_began(const CoupletRecord *record);
bool couplet_record_true(const CoupletRecord *record, const char *path);
bool couplet_record_seed(const CoupletRecord *record, uint64_t *out);
/* True if one of the files of the run's spec had this text. */
bool couplet_record_has_file(const CoupletRecord *record, const char *text, size_t length);
/* Fills in how the run's checkpoints are kept and how the run is ended early, where the caller has
 * not said so. `best` lives as long as the record. */
void couplet_record_keeping(const CoupletRecord *record, int *keep, const char **best,
                            int64_t *stop_early, bool *tensorboard);
/* A hyper of the record, by its number: its name, its value, and its text in the spec. Returns
 * false if there are fewer. */
typedef struct CoupletRecordedHyper {
    const char *name;
    const char *written;
    double value;
} CoupletRecordedHyper;
bool couplet_record_hyper(const CoupletRecord *record, int number, CoupletRecordedHyper *out);

/* Finds a field of a source of the run, by its number, with its type, its shape and how many
 * classes it has (0: none, or the run is of a version that kept no count). The name lives as long
 * as the record. Returns false if there are fewer. */
bool couplet_record_field(const CoupletRecord *record, const char *source, int number,
                          CoupletField *out);

/* The differences between a run and its record that are allowed. */
typedef struct CoupletLeave {
    const char *change; /* the names of what may differ, such as "tau,epochs"; NULL: nothing may */
    bool only_data;     /* only data is compared, because an evaluation depends on nothing else */
    /* Is called for each difference that is allowed. */
    void (*note)(void *context, const char *sentence);
    void *context;
} CoupletLeave;

/* Compares the present state with the record. Returns false, with a sentence that names every
 * difference, if one of them is not allowed. Allowed differences are noted. `now` takes over the
 * list of changes of `was`, with the new ones at its end. */
bool couplet_record_agrees(const CoupletRecord *was, CoupletRecord *now, const char *folder,
                           const CoupletLeave *leave, char *error, size_t error_bytes);
/* Notes the step from which on the new changes hold. */
void couplet_record_place(CoupletRecord *now, int64_t step);

/* Writes the options that make other machine code and that differ since the run was resumed at a
 * step, as in "--gradient-norm and --no-fuse", or an empty text. Must be called behind
 * couplet_record_place. */
void couplet_record_changed_options(const CoupletRecord *now, int64_t step, char *out,
                                    size_t bytes);

#endif
