/* Runs without a folder: the road of `couplet train` up to the compiled program, which is then used
 * without writing anything. */
#ifndef COUPLET_DRIVER_REHEARSAL_H
#define COUPLET_DRIVER_REHEARSAL_H

#include "compiler/driver/options.h"
#include "runtime/train.h"

/* Uses the program. Returns the exit status. */
typedef int (*TrainUse)(void *context, const CoupletProgram *program,
                        const CoupletTrainOptions *options);

/* train_command.c: compiles `options->file` as for a run, and calls `use`. */
int train_with(Arena *arena, Options *options, TrainUse use, void *context);
/* rehearse_command.c: couplet train --dry-run. */
int train_dry(Arena *arena, Options *options);

#endif
