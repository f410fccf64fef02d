/* A run that was trained, opened to be looked at: its spec compiled, its data loaded, its
 * checkpoint in a session. */
#ifndef COUPLET_DRIVER_TRAINED_H
#define COUPLET_DRIVER_TRAINED_H

#include "compiler/compile/compile.h"
#include "compiler/driver/options.h"
#include "runtime/record.h"
#include "runtime/session.h"
#include "runtime/sources.h"

/* Looks at a session; false with a sentence, or with an empty one if a signal ended it. */
typedef bool (*TrainedLook)(void *context, CoupletSession *session, const CoupletSources *sources,
                            char *error, size_t error_bytes);

/* Joins the ranks that were started together, ahead of all else: what one of them finds wrong, all
 * end with. NULL after a message. */
CoupletGroup *trained_join(void);

/* The run's copy of its spec. Records of earlier versions do not say which file that is, and of
 * some runs there is no record (NULL): it is spec.cpl, or the folder spec. */
const char *trained_spec(Arena *arena, const char *folder, const CoupletRecord *record);
/* Opens the run in the folder and has it looked at, with the settings and on the data of its
 * record, or on what `options` names. The exit status: 0, or another after a message. */
int trained_look(Arena *arena, const Options *options, const char *folder, TrainedLook look,
                 void *context);

/* Uses the graphs of a run as its text means them (CompileOptions.only_meaning). `checkpoint` is
 * the path of the run's weights. False after a message. */
typedef bool (*TrainedGraphs)(void *context, Diag *diag, const Method *method,
                              const LoweredProgram *program, const char *checkpoint);
/* Lowers the spec of the run in the folder, or of one of its checkpoints, with the settings of its
 * record; its data need not be there. The exit status, as above. */
int trained_graphs(Arena *arena, const Options *options, const char *run, TrainedGraphs use,
                   void *context);

#endif
