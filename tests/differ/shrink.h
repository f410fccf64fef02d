/* Makes a formula that disagrees smaller while it shows the same disagreement. */
#ifndef COUPLET_TESTS_DIFFER_SHRINK_H
#define COUPLET_TESTS_DIFFER_SHRINK_H

#include "tests/differ/compare.h"

/* Returns the smallest text found that still shows a disagreement of this `kind`. The edits follow
 * the spans of the syntax tree, and a text that the checker refuses is no candidate. */
const char *shrink(Backends *b, Arena *arena, const char *text, int kind, unsigned wanted);

/* Writes FOLDER/NAME.cpl and an .npy of every array, and prints the text and the commands that show
 * the disagreement. */
void show_case(Arena *arena, const char *folder, const char *name, const char *text,
               const char *sentence);

#endif
