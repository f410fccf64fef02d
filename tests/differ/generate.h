/* Random formulas in the language itself. A number makes a file with one function, well typed,
 * whose value and gradients are fit to be compared. The generator keeps an interval of the values,
 * so that logs, roots and quotients stay inside their domains and no value grows beyond the digits
 * of float32. */
#ifndef COUPLET_TESTS_DIFFER_GENERATE_H
#define COUPLET_TESTS_DIFFER_GENERATE_H

#include "lang/support.h"

/* Gives the text, as subject_of_text reads it. One formula of five is tried on extreme inputs
 * (extremes.h), one of fifty is a long sum (generate_long). A formula for ranks has shards, and
 * mostly axes that can be cut at them. */
const char *generate_formula(Arena *arena, uint32_t number, bool on_ranks);
const char *generate_long(Arena *arena, uint32_t number, int shards);

#endif
