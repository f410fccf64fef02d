/* Whole numbers of more than 32 bits in the arrays that a function is tried on.
 *
 * Kernels keep whole numbers in 32 bits. Labels are often wider (hashed names, for instance) but
 * are only compared with each other, and for that any numbers of the same order do. So wide entries
 * get stand-ins that 32 bits hold: equal entries the same one, smaller entries a smaller one. Where
 * more is done with such an array (arithmetic, an index, a conversion to a real), it is refused.
 * Every device sees the same stand-ins. */
#ifndef COUPLET_DRIVER_WHOLE_NUMBERS_H
#define COUPLET_DRIVER_WHOLE_NUMBERS_H

#include "compiler/driver/function_arrays.h"

/* Replaces the wide entries of all arrays of `arrays`, which `g` reads, after its passes. False
 * after a message that names the array, the entry, the range and the formula. */
bool arrays_fit_whole_numbers(FunctionArrays *arrays, Graph *g);

#endif
