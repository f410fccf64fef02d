/* The record of a run: settings.json in its folder, everything that its numbers depend on. Going on with a run, and evaluating it, compares what is now with
 * the record; no difference is taken in silence. docs/runs.md lists the keys. */
#ifndef COUPLET_RUNTIME_RECORD_H
#define COUPLET_RUNTIME_RECORD_H

#include "runtime/folder.h"
#include "runtime/session.h"
#include "runtime/sources.h"

typedef struct CoupletRecord {
    void *json; /* an object of jansson's */
    char **places;   /* [place_count] of a record that was read: where its sources lay, "train=/photos/a" */
    int place_count;
} CoupletRecord;

/* What a record is made from. */
typedef struct CoupletRecorded {
    const CoupletProgram *program;
    const CoupletSession *session;
    const CoupletSources *sources;
    const char *device;       /* as --device names it: "cpu", "opencl:1" */
    int threads;              /* as asked for; 0: one for each core */
    int64_t checkpoint_every; /* steps; 0: at the end of each epoch */
    const char *start;        /* what a new run begins with, as --start names it; NULL: nothing, or the run is older */
    int64_t skip_bad;         /* rows that cannot be read are left out, up to so many */
} CoupletRecorded;

/* False with a sentence: memory runs out, or a value is no finite number. */
bool couplet_record_make(const CoupletRecorded *from, CoupletRecord *out, char *error, size_t error_bytes);
/* Reads settings.json of the folder. False with a sentence when it is none, or of a format that is not known. */
bool couplet_record_read(const char *folder, CoupletRecord *out, char *error, size_t error_bytes);
bool couplet_record_write(const CoupletRecord *record, const char *folder, char *error, size_t error_bytes);
void couplet_record_free(CoupletRecord *record);

/* One entry by its path: "options.memory", "data.train.place". NULL, or false, when the record does not have it, or null. */
const char *couplet_record_text(const CoupletRecord *record, const char *path);
bool couplet_record_number(const CoupletRecord *record, const char *path, double *out);
bool couplet_record_true(const CoupletRecord *record, const char *path);
bool couplet_record_seed(const CoupletRecord *record, uint64_t *out);
/* Whether one of the files of the run's spec had this text. */
bool couplet_record_has_file(const CoupletRecord *record, const char *text, size_t length);
/* The number-th hyper: its name, its value, and its text in the spec. False when there are fewer. */
typedef struct CoupletRecordedHyper {
    const char *name, *written;
    double value;
} CoupletRecordedHyper;
bool couplet_record_hyper(const CoupletRecord *record, int number, CoupletRecordedHyper *out);

/* The number-th field of a source of the run, whose name lives as long as the record. False when there are fewer. */
bool couplet_record_field(const CoupletRecord *record, const char *source, int number, CoupletField *out);

/* How a run may differ from its record. */
typedef struct CoupletLeave {
    const char *change; /* "tau,epochs": what may differ; NULL: nothing */
    bool only_data;     /* an evaluation: it reads nothing else of the record */
    void (*note)(void *context, const char *sentence); /* hears of what differs and may */
    void *context;
} CoupletLeave;

/* Compares what is now with what was. False, with a sentence that names every difference, when one may not be. What may differ is noted, and `now` takes over
 * the list of changes of `was`, with these at its end. */
bool couplet_record_agrees(const CoupletRecord *was, CoupletRecord *now, const char *folder, const CoupletLeave *leave, char *error, size_t error_bytes);
/* At which step the new changes take place. */
void couplet_record_place(CoupletRecord *now, int64_t step);

#endif
