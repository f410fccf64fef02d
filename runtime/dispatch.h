/* Chooses which program of a binary's method this machine runs. */
#ifndef COUPLET_RUNTIME_DISPATCH_H
#define COUPLET_RUNTIME_DISPATCH_H

#include "runtime/abi.h"

/* Returns the program for the highest level that this processor has. NULL if it has none of the
 * levels, or if `method` is NULL. */
const CoupletProgram *couplet_method_program(const CoupletMethod *method);

/* True if this processor has a level of the x86-64 architecture ("x86-64-v3"). True on any machine
 * for NULL. */
bool couplet_has_level(const char *level);

#endif
