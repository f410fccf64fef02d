/* A lowered method, compiled for a device, as the program that the runtime trains. */
#ifndef COUPLET_DRIVER_ASSEMBLE_H
#define COUPLET_DRIVER_ASSEMBLE_H

#include "compiler/compile/compile.h"
#include "compiler/cpu/cpu.h"
#include "compiler/driver/device_option.h"
#include "compiler/driver/options.h"
#include "runtime/abi.h"

typedef struct Assembled {
    CpuPlans *plans;  /* the plans for the CPU, for assemble_for alone */
    BackEndCode code; /* backend_free after the program's last use */
    CoupletProgram *program;
} Assembled;

/* Collects what the command line says about a compilation for the target; NULL: no target is
 * known. */
CompileOptions options_to_compile(Arena *arena, const Options *options, const PlanTarget *target);
/* From the spec's file to its graphs, with the settings of the command line; NULL after messages on
 * stderr. */
LoweredProgram *lower_spec(Arena *arena, const Options *options, const char *path,
                           const DeviceChoice *device, Method **method);
/* The second half of it: from the checked method; messages go to diag. */
LoweredProgram *lower_checked(Arena *arena, const Options *options, Diag *diag,
                              const Method *method, const DeviceChoice *device);
/* Collects what plans for the device ask of their kernels. */
PlanTarget device_target(Arena *arena, const DeviceChoice *device);
/* All graphs that a program runs, in the order of its plans. */
GraphList program_graphs(Arena *arena, const LoweredProgram *lowered);
/* The program without code, for a target (NULL: this machine, as it was tuned). False, with a
 * sentence in *error. */
bool assemble_for(Arena *arena, const Method *method, const LoweredProgram *lowered,
                  const CpuTarget *wanted, Assembled *out, const char **error);

/* With the code for a device. False, with a sentence in *error, when its back end fails. */
bool assemble_on(Arena *arena, const Method *method, const LoweredProgram *lowered,
                 const DeviceChoice *device, Assembled *out, const char **error);
/* Assembles a program for this machine. False, with a sentence in *error, when the back end
 * fails. */
bool assemble(Arena *arena, const Method *method, const LoweredProgram *lowered, Assembled *out,
              const char **error);

/* Says in the program how it was compiled. */
void assemble_origin(Arena *arena, const Options *options, Assembled *assembled);

/* From the lowered method on; false after a message on stderr. */
bool assemble_lowered(Arena *arena, const Options *options, const Method *method,
                      const LoweredProgram *lowered, const DeviceChoice *device, Assembled *out);
/* From the spec's file on, with the settings of the command line; false after messages on stderr.
 */
bool assemble_spec(Arena *arena, const Options *options, const char *path,
                   const DeviceChoice *device, Assembled *out);

#endif
