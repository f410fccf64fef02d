/* A function of the language as LaTeX: its formula as a paper would print it. The input is a
 * checked function; the output is the inside of an `aligned` environment, which LaTeX, MathJax and
 * KaTeX read. The signs are those of papers of the field: an index is a subscript, a guard stands
 * below its sum, `stop` is sg, and a mean over N terms is a sum divided by N. */
#ifndef COUPLET_PICTURE_TEX_H
#define COUPLET_PICTURE_TEX_H

#include "lang/ast.h"

#include <stdio.h>

/* Prints the rows of the function: its arrays with their shapes, a row for each `let`, draw and
 * round, and its value. `fn` is a STMT_FN of a method without errors. */
void tex_print(Arena *arena, const Stmt *fn, FILE *out);

/* Prints the rows of a method's losses: each `let` of the spec that is a formula, and then each
 * loss. A `let` of texts and networks alone has no formula and is left out. */
void tex_print_losses(Arena *arena, const Module *spec, FILE *out);

/* Returns the functions with a formula that the losses of a spec call, and those that these call,
 * in the order of their calls. *count is set to their number. */
const Stmt **tex_functions_of_losses(Arena *arena, const Module *spec, int *count);

#endif
