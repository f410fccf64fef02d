/* Operators and built-in functions on numbers that are known before a run. The checker, the
 * evaluation of schedules (flow.c) and lowering each know other numbers, and all compute with them
 * by these functions, so that they agree. */
#ifndef COUPLET_LANG_CONSTANT_H
#define COUPLET_LANG_CONSTANT_H

#include "lang/ast.h"

/* Computes an operator. `b` is read only if the operator has two sides. Truth values are 0 and 1.
 * `div` and `mod` round towards minus infinity. */
double constant_of_operator(Operator op, double a, double b);
/* Computes a built-in function of one or two numbers. Returns false if there is none of this name
 * with this number of arguments. */
bool constant_of_function(const char *name, int count, const double *args, double *out);

#endif
