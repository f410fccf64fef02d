/* From a formula that disagrees to a small one that still does, in the same way. */
#ifndef COUPLET_TESTS_DIFFER_SHRINK_H
#define COUPLET_TESTS_DIFFER_SHRINK_H

#include "tests/differ/compare.h"

/* The smallest text found; `kind` is what it must show. Works on the text by the spans of its
 * syntax tree, so whatever the checker refuses is no candidate. */
const char *shrink(Backends *b, Arena *arena, const char *text, int kind, unsigned wanted);

/* Writes FOLDER/NAME.cpl and an .npy of every array, and prints the text and the commands that show
 * the disagreement. */
void show_case(Arena *arena, const char *folder, const char *name, const char *text,
               const char *sentence);

#endif
