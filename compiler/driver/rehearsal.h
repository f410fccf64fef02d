/* Runs without a folder: the road of `couplet train` up to the compiled program, and a use of it
 * that writes nothing. */
#ifndef COUPLET_DRIVER_REHEARSAL_H
#define COUPLET_DRIVER_REHEARSAL_H

#include "compiler/driver/options.h"
#include "runtime/train.h"

/* What is done with the program; returns the exit status. */
typedef int (*TrainUse)(void *context, const CoupletProgram *program,
                        const CoupletTrainOptions *options);

/* train_command.c: compiles `options->file` as a run would be, and uses it. */
int train_with(Arena *arena, Options *options, TrainUse use, void *context);
/* rehearse_command.c: couplet train --dry-run */
int train_dry(Arena *arena, Options *options);

#endif
