/* Opens a trained run to look at it: its spec is compiled, its data loaded, and its checkpoint put
 * into a session. */
#ifndef COUPLET_DRIVER_TRAINED_H
#define COUPLET_DRIVER_TRAINED_H

#include "compiler/compile/compile.h"
#include "compiler/driver/options.h"
#include "runtime/record.h"
#include "runtime/session.h"
#include "runtime/sources.h"

/* Looks at a session. Returns false with a sentence, or with an empty one if a signal ended it. */
typedef bool (*TrainedLook)(void *context, CoupletSession *session, const CoupletSources *sources,
                            char *error, size_t error_bytes);

/* Joins the ranks that were started together, before anything else, so that all ranks end together
 * if one finds a mistake. Returns NULL after a message. */
CoupletGroup *trained_join(void);

/* Returns the path of the run's copy of its spec. A record of an earlier version does not name that
 * file, and some runs have no record (NULL). The path is then spec.cpl, or the folder spec. */
const char *trained_spec(Arena *arena, const char *folder, const CoupletRecord *record);
/* Opens the run in the folder and calls `look`, with the settings and the data of its record, or
 * with the data that `options` names. Returns the exit status: 0, or another one after a
 * message. */
int trained_look(Arena *arena, const Options *options, const char *folder, TrainedLook look,
                 void *context);

/* Uses the graphs of a run as its text means them (CompileOptions.only_meaning). `checkpoint` is
 * the path of the run's weights. Returns false after a message. */
typedef bool (*TrainedGraphs)(void *context, Diag *diag, const Method *method,
                              const LoweredProgram *program, const char *checkpoint);
/* Lowers the spec of the run in the folder, or of one of its checkpoints, with the settings of its
 * record. Its data need not exist. Returns the exit status, as above. */
int trained_graphs(Arena *arena, const Options *options, const char *run, TrainedGraphs use,
                   void *context);

#endif
