/* The kernels of a method as a readable OpenCL file. */
#ifndef COUPLET_DRIVER_BUILD_OPENCL_H
#define COUPLET_DRIVER_BUILD_OPENCL_H

#include "compiler/lower/lower.h"

/* As they run, in the order of their first step, each below the places in the spec that it comes from. False after a message on stderr. */
bool build_opencl(Arena *arena, const Method *method, const LoweredProgram *lowered, const char *path);

#endif
