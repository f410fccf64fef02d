/* Runs without a folder do what `couplet train` does up to the compiled program, which is then used
 * without writing anything. */
#ifndef COUPLET_DRIVER_REHEARSAL_H
#define COUPLET_DRIVER_REHEARSAL_H

#include "compiler/driver/options.h"
#include "runtime/train.h"

/* Uses the program. Returns the exit status. */
typedef int (*TrainUse)(void *context, const CoupletProgram *program,
                        const CoupletTrainOptions *options);

/* Compiles `options->file` as for a run, and calls `use` (train_command.c). Returns the exit
 * status. */
int train_with(Arena *arena, Options *options, TrainUse use, void *context);
/* Does the work of couplet train --dry-run (rehearse_command.c). */
int train_dry(Arena *arena, Options *options);

#endif
