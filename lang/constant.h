/* Operators and built-in functions on numbers that are known before a run. The checker, the walk
 * along schedules and lowering each know other numbers, and compute with them alike. */
#ifndef COUPLET_LANG_CONSTANT_H
#define COUPLET_LANG_CONSTANT_H

#include "lang/ast.h"

/* Computes an operator; `b` counts for those with two sides. Truth values are 0 and 1. `div` and
 * `mod` round towards minus infinity. */
double constant_of_operator(Operator op, double a, double b);
/* Computes a built-in function of one or two numbers. False if there is none of this name and
 * number of arguments. */
bool constant_of_function(const char *name, int count, const double *args, double *out);

#endif
