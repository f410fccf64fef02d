/* Whole numbers of more than 32 bits in the arrays that a function is tried on.
 *
 * Kernels keep whole numbers in 32 bits. Labels are often wider (hashed names, for instance), but
 * are only compared with each other, and any numbers of the same order serve for that. So wide
 * entries get stand-ins of 32 bits: equal entries get equal ones, and smaller entries smaller ones.
 * If a formula does more with such an array (arithmetic, an index, a conversion to a real), it is
 * refused. Every device sees the same stand-ins. */
#ifndef COUPLET_DRIVER_WHOLE_NUMBERS_H
#define COUPLET_DRIVER_WHOLE_NUMBERS_H

#include "compiler/driver/function_arrays.h"

/* Replaces the wide entries of all arrays in `arrays` that `g` reads, after the passes. Returns
 * false after a message that names the array, the entry, the range and the formula. */
bool arrays_fit_whole_numbers(FunctionArrays *arrays, Graph *g);

#endif
