/* The folder of a run: who may write into it, and what a run writes there.
 *
 * A process that writes into the folder holds the lock on its file run.lock. The lock ends with the
 * process, however that ends. A folder holds a run as soon as its record, settings.json, exists. A
 * new run is made only in a folder where none of a run's file names exists, so it replaces no file
 * of others. */
#ifndef COUPLET_RUNTIME_FOLDER_H
#define COUPLET_RUNTIME_FOLDER_H

#include "runtime/files.h"

#include <stdint.h>

extern const char couplet_checkpoint_name[];  /* "checkpoint.safetensors" */
extern const char couplet_best_name[];        /* "best.safetensors" */
extern const char couplet_metrics_name[];     /* "metrics.jsonl" */
extern const char couplet_csv_name[];         /* "metrics.csv" */
extern const char couplet_evaluations_name[]; /* "evaluations.jsonl" */
extern const char couplet_start_name[];       /* "start.safetensors" */
extern const char couplet_record_name[];      /* "settings.json" */

/* The prefix of the names of checkpoints that --keep leaves: "checkpoint-470.safetensors" for step
 * 470. */
#define COUPLET_KEPT_BEGIN "checkpoint-"
#define COUPLET_KEPT_END   ".safetensors"
/* True for such a name. Sets *step. */
bool couplet_folder_is_kept(const char *name, int64_t *step);
/* Splits the path of a checkpoint in a run folder into folder[COUPLET_PATH_BYTES] and the name of
 * the file, which points into the path. Any other path is the folder itself, and the name is
 * NULL. Returns false with a sentence if the path does not fit. */
bool couplet_folder_split(const char *path, char *folder, const char **checkpoint, char *error,
                          size_t error_bytes);

typedef struct CoupletRunFolder {
    char path[COUPLET_PATH_BYTES];
    int lock; /* the descriptor of run.lock; -1: it is not held */
    int made; /* the number of folders that were made for the run's path */
} CoupletRunFolder;

/* Takes a folder for a new run: `out`, or, if that is NULL, the first of runs/NAME, runs/NAME-2, ..
 * behind the last one that exists. Returns false with a sentence, and holds nothing then. */
bool couplet_folder_claim(CoupletRunFolder *folder, const char *out, const char *name, char *error,
                          size_t error_bytes);
/* Takes the folder of a run that has a checkpoint: `out`, or, if that is NULL, the last of
 * runs/NAME, runs/NAME-2, .. that holds a run. `resume` chooses the wording if there is none. */
bool couplet_folder_open(CoupletRunFolder *folder, const char *out, const char *name, bool resume,
                         char *error, size_t error_bytes);
/* Releases the lock. If the folder was made for a run that has written nothing, it is removed. */
void couplet_folder_release(CoupletRunFolder *folder);

/* Takes a folder that several runs share. It is made if there is none, and may hold anything. */
bool couplet_folder_share(CoupletRunFolder *folder, const char *path, char *error,
                          size_t error_bytes);

#endif
