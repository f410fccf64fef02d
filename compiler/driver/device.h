/* The device that the command line names, and opening it. */
#ifndef COUPLET_DRIVER_DEVICE_H
#define COUPLET_DRIVER_DEVICE_H

#include "compiler/opencl/opencl.h"
#include "lang/support.h"
#include "runtime/device.h"

typedef enum { ON_CPU, ON_OPENCL, ON_REFERENCE } DeviceKind;

typedef struct DeviceChoice {
    DeviceKind kind;
    int number; /* of opencl:n */
} DeviceChoice;

enum { ANY_GPU = -1 /* the number of a device that need not be here */ };

/* `text` is cpu, opencl, opencl:n, or (where allowed) reference; NULL is cpu. False after a message on stderr. */
bool device_choose(const char *text, bool with_reference, DeviceChoice *out);
/* What its kernels are written for. */
OpenclOptions device_opencl_options(const DeviceChoice *choice);
/* The chosen OpenCL device, its built programs cached beside the CPU's objects. NULL after a message on stderr. */
CoupletDevice *device_open(Arena *arena, const DeviceChoice *choice);

#endif
