/* Chooses the device that the command line names, and opens it. */
#ifndef COUPLET_COMPILER_DRIVER_DEVICE_OPTION_H
#define COUPLET_COMPILER_DRIVER_DEVICE_OPTION_H

#include "compiler/backend/backend.h"
#include "lang/support.h"

typedef struct DeviceChoice {
    const BackEnd *backend; /* the device's back end; the CPU's for the reference evaluator */
    int number;             /* the n in opencl:n */
    bool is_reference;
} DeviceChoice;

/* Reads the word of --device: the name of a back end, with :n if it has numbers, or `reference`
 * where that is allowed. NULL means cpu. Returns false after a message on stderr. */
bool device_choose(const char *text, bool with_reference, DeviceChoice *out);
/* Gives each rank of a machine a device of its own, unless `text` has a number; then all ranks have
 * that device. `group` may be NULL, for a single rank. */
void device_deal(const char *text, const CoupletGroup *group, DeviceChoice *choice);
/* Opens the chosen device. `threads` are those of the host. Returns NULL after a message on
 * stderr. */
CoupletDevice *device_open(Arena *arena, const DeviceChoice *choice, CoupletThreads *threads);

#endif
