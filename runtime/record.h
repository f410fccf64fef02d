/* The record of a run, settings.json in its folder: everything that its numbers depend on. Going on
 * with a run, and evaluating it, compares what is now with the record, and takes no difference in
 * silence. docs/runs.md lists the keys. */
#ifndef COUPLET_RUNTIME_RECORD_H
#define COUPLET_RUNTIME_RECORD_H

#include "runtime/folder.h"
#include "runtime/session.h"
#include "runtime/sources.h"

typedef struct CoupletRecord {
    void *json; /* an object of jansson's */
    /* [place_count] of a record that was read: where sources lay, "train=/photos/a". */
    char **places;
    int place_count;
} CoupletRecord;

/* The parts from which a record is made. */
typedef struct CoupletRecorded {
    const CoupletProgram *program;
    const CoupletSession *session;
    const CoupletSources *sources;
    const char *device;       /* the word of --device: "cpu", "opencl:1" */
    int threads;              /* the number that was asked for; 0: one for each core */
    int64_t checkpoint_every; /* steps; 0: a checkpoint comes at the end of each epoch */
    /* The file or folder that a new run begins with (--start); NULL: none, or the run is older. */
    const char *start;
    /* How checkpoints are kept, and the run is ended (runtime/train.h); 0, NULL and false are not
     * recorded. */
    int keep;
    const char *best;
    int64_t stop_early;
    bool tensorboard;
    bool unordered; /* the sums of ranks were, in a part of the run; not recorded if false */
    /* By `start` statement of the program: the hash of its file. NULL where the run goes on. */
    const uint64_t *start_hashes;
    const struct CoupletRecord *was; /* of a run that goes on; NULL */
    int64_t skip_bad; /* the most rows that are left out because they cannot be read */
} CoupletRecorded;

/* Makes a record. False with a sentence when memory runs out, or a value is no finite number. */
bool couplet_record_make(const CoupletRecorded *from, CoupletRecord *out, char *error,
                         size_t error_bytes);
/* Reads settings.json of the folder. False with a sentence when it is no record, or has a format
 * that is not known. */
bool couplet_record_read(const char *folder, CoupletRecord *out, char *error, size_t error_bytes);
bool couplet_record_write(const CoupletRecord *record, const char *folder, char *error,
                          size_t error_bytes);
void couplet_record_free(CoupletRecord *record);

/* An entry by its path: "options.memory", "data.train.place". NULL or false when the record does
 * not have it, or has null there. */
const char *couplet_record_text(const CoupletRecord *record, const char *path);
bool couplet_record_number(const CoupletRecord *record, const char *path, double *out);
/* True if the run began with the arrays of a file: by --start, or by a statement of the spec. */
bool couplet_record_began(const CoupletRecord *record);
bool couplet_record_true(const CoupletRecord *record, const char *path);
bool couplet_record_seed(const CoupletRecord *record, uint64_t *out);
/* True if one of the files of the run's spec had this text. */
bool couplet_record_has_file(const CoupletRecord *record, const char *text, size_t length);
/* Fills in, of what is not given, how the run's checkpoints are kept and how it is ended. `best`
 * lives as long as the record. */
void couplet_record_keeping(const CoupletRecord *record, int *keep, const char **best,
                            int64_t *stop_early, bool *tensorboard);
/* A hyper by its number: its name, its value, and its text in the spec. False when there are
 * fewer. */
typedef struct CoupletRecordedHyper {
    const char *name, *written;
    double value;
} CoupletRecordedHyper;
bool couplet_record_hyper(const CoupletRecord *record, int number, CoupletRecordedHyper *out);

/* A field of a source of the run by its number. Its name lives as long as the record. False when
 * there are fewer. */
bool couplet_record_field(const CoupletRecord *record, const char *source, int number,
                          CoupletField *out);

/* The permission for a run to differ from its record. */
typedef struct CoupletLeave {
    const char *change; /* "tau,epochs": what may differ; NULL: nothing */
    bool only_data;     /* only data is compared, because an evaluation depends on nothing else */
    void (*note)(void *context, const char *sentence); /* hears of differences that may be */
    void *context;
} CoupletLeave;

/* Compares what is now with what was. False, with a sentence that names every difference, when one
 * of them may not be. A difference that may be is noted, and `now` takes over the list of changes
 * of `was`, with the new ones at its end. */
bool couplet_record_agrees(const CoupletRecord *was, CoupletRecord *now, const char *folder,
                           const CoupletLeave *leave, char *error, size_t error_bytes);
/* Says at which step the new changes take place. */
void couplet_record_place(CoupletRecord *now, int64_t step);

#endif
