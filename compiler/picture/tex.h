/* A function of the language as LaTeX: its formula as a paper would print it. In comes a checked
 * function, out goes the inside of an `aligned` environment, which LaTeX, MathJax and KaTeX read.
 * The signs are those that papers of the field use: an index is a subscript, a guard stands below
 * its sum, `stop` is sg, and a mean over N terms is a sum divided by N. */
#ifndef COUPLET_PICTURE_TEX_H
#define COUPLET_PICTURE_TEX_H

#include "lang/ast.h"

#include <stdio.h>

/* The rows of the function: its arrays with their shapes, then a row for each `let`, draw and
 * round, then its value. `fn` is a STMT_FN of a method without errors. */
void tex_print(Arena *arena, const Stmt *fn, FILE *out);

#endif
