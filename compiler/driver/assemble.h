/* A lowered method, compiled for a device into the program that the runtime trains. */
#ifndef COUPLET_DRIVER_ASSEMBLE_H
#define COUPLET_DRIVER_ASSEMBLE_H

#include "compiler/compile/compile.h"
#include "compiler/cpu/cpu.h"
#include "compiler/driver/device_option.h"
#include "compiler/driver/options.h"
#include "runtime/abi.h"

typedef struct Assembled {
    CpuPlans *plans;  /* the plans for the CPU; assemble_for alone sets them */
    BackEndCode code; /* to be freed by backend_free after the program's last use */
    CoupletProgram *program;
} Assembled;

/* Returns the settings of a compilation for the target, by the command line. `target` is NULL if no
 * target is known. */
CompileOptions options_to_compile(Arena *arena, const Options *options, const PlanTarget *target);
/* Compiles a spec's file up to its graphs, with the settings of the command line. Returns NULL
 * after messages on stderr. */
LoweredProgram *lower_spec(Arena *arena, const Options *options, const char *path,
                           const DeviceChoice *device, Method **method);
/* Compiles a checked method up to its graphs: the second half of lower_spec. Returns NULL after
 * messages, which go to `diag`. */
LoweredProgram *lower_checked(Arena *arena, const Options *options, Diag *diag,
                              const Method *method, const DeviceChoice *device);
/* Returns what the device demands of the kernels in a plan. */
PlanTarget device_target(Arena *arena, const DeviceChoice *device);
/* Returns all graphs that a program runs, in the order of its plans. */
GraphList program_graphs(Arena *arena, const LoweredProgram *lowered);
/* Makes the program with plans for a target, but without compiled kernels. If `wanted` is NULL, the
 * target is this machine, as it was tuned. Returns false, with a sentence in *error. */
bool assemble_for(Arena *arena, const Method *method, const LoweredProgram *lowered,
                  const CpuTarget *wanted, Assembled *out, const char **error);

/* Makes the program with compiled kernels for this machine. Returns false, with a sentence in
 * *error, if the back end fails. */
bool assemble(Arena *arena, const Method *method, const LoweredProgram *lowered, Assembled *out,
              const char **error);

/* Notes in the program how it was compiled. */
void assemble_origin(Arena *arena, const Options *options, Assembled *assembled);

/* Makes the program from a lowered method: the second half of assemble_spec. Returns false after a
 * message on stderr. */
bool assemble_lowered(Arena *arena, const Options *options, const Method *method,
                      const LoweredProgram *lowered, const DeviceChoice *device, Assembled *out);
/* Compiles a spec's file to a program, with the settings of the command line. Returns false after
 * messages on stderr. */
bool assemble_spec(Arena *arena, const Options *options, const char *path,
                   const DeviceChoice *device, Assembled *out);

#endif
