/* The device that the command line names, and opening it. */
#ifndef COUPLET_COMPILER_DRIVER_DEVICE_OPTION_H
#define COUPLET_COMPILER_DRIVER_DEVICE_OPTION_H

#include "compiler/backend/backend.h"
#include "lang/support.h"

typedef struct DeviceChoice {
    const BackEnd *backend; /* the device's back end; for the reference evaluator it is the CPU's */
    int number;             /* the n of opencl:n */
    bool is_reference;
} DeviceChoice;

/* `text` is the name of a back end, with :n where it has numbers, or (where allowed) reference;
 * NULL is cpu. False after a message on stderr. */
bool device_choose(const char *text, bool with_reference, DeviceChoice *out);
/* Chooses one device for each rank of a machine, unless `text` has a number, which is that of all
 * ranks then. `group` may be NULL: there is one rank. */
void device_deal(const char *text, const CoupletGroup *group, DeviceChoice *choice);
/* The chosen device; `threads` are those of a host. NULL after a message on stderr. */
CoupletDevice *device_open(Arena *arena, const DeviceChoice *choice, CoupletThreads *threads);

#endif
