/* The folder of a run: who may write into it, and what a run writes there.
 *
 * Whoever writes into the folder holds the lock on its file run.lock; the lock ends with the
 * process, however that ends. A folder holds a run from the moment at which its record,
 * settings.json, is there. A new run is made only where none of a run's names is taken, so nothing
 * that no run wrote is replaced. */
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

/* The names of the checkpoints that --keep leaves: "checkpoint-470.safetensors" of step 470. */
#define COUPLET_KEPT_BEGIN "checkpoint-"
#define COUPLET_KEPT_END   ".safetensors"
/* True for such a name, and its step. */
bool couplet_folder_is_kept(const char *name, int64_t *step);
/* Cuts the path of a checkpoint in a run folder into folder[COUPLET_PATH_BYTES] and the name of the
 * file, which is a part of the path. The path of anything else is the folder, and the name NULL. */
void couplet_folder_split(const char *path, char *folder, const char **checkpoint);

typedef struct CoupletRunFolder {
    char path[COUPLET_PATH_BYTES];
    int lock; /* the descriptor of run.lock; -1: it is not held */
    int made; /* the number of folders of the path that were made for it */
} CoupletRunFolder;

/* Takes a folder for a new run: `out`, or, where that is NULL, the first free one after the last of
 * runs/NAME, runs/NAME-2, .. . False with a sentence, and nothing is then held. */
bool couplet_folder_claim(CoupletRunFolder *folder, const char *out, const char *name, char *error,
                          size_t error_bytes);
/* Takes the folder of a run that has a checkpoint: `out`, or, where that is NULL, the last of
 * runs/NAME, runs/NAME-2, .. that holds a run. `resume` words the sentence where there is none. */
bool couplet_folder_open(CoupletRunFolder *folder, const char *out, const char *name, bool resume,
                         char *error, size_t error_bytes);
/* Gives up the lock. A folder that was made for a run of which nothing was written is removed. */
void couplet_folder_release(CoupletRunFolder *folder);

/* Takes a folder that is made where there is none, whatever it holds: for several runs side by
 * side. */
bool couplet_folder_share(CoupletRunFolder *folder, const char *path, char *error,
                          size_t error_bytes);

#endif
