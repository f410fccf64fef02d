/* Splits a product into the factors that the caller takes and those that it leaves. */
#ifndef COUPLET_COMPILER_PASSES_FACTORS_H
#define COUPLET_COMPILER_PASSES_FACTORS_H

#include "compiler/graph/graph.h"

/* The product of the factors that were taken, and that of the others. NULL: the product is 1. */
typedef struct Factors {
    const GExpr *taken;
    const GExpr *rest;
} Factors;

/* Takes a product or quotient apart, down to factors for which `takes` is true and to factors that
 * are neither a product nor a quotient. A sign goes with what is taken. */
typedef bool (*FactorTaken)(const void *context, Graph *g, const GExpr *e);
void factors_split(Graph *g, const GExpr *e, FactorTaken takes, const void *context, Factors *f);

#endif
