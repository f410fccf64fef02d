/* Random formulas, made from a number: the same number makes the same graph. The formulas hold the
 * constructs of the language: guards, gathers, reads with another value outside, shifted, mirrored,
 * strided and rotated reads, nested reductions, softmax, normalised rows, top-k, choice, stop.
 * Rounding cannot change which entry they choose, because comparisons, winners and keys come from
 * inputs. */
#ifndef COUPLET_TESTS_FORMULAS_H
#define COUPLET_TESTS_FORMULAS_H

#include "compiler/graph/graph.h"

enum { FORMULA_INPUTS = 4 };

/* The real inputs come first in the list; outputs "node0", "node1", ..., and "loss", the sum of all
 * their elements. */
Graph *formula_make(Arena *arena, uint32_t seed, GNode **inputs);
/* Gives an element of an input, exact in float32. */
double formula_sample(const GNode *input, int64_t element);
int64_t formula_elements(const GNode *node);

#endif
