/* Random formulas in the language itself: a number makes a file with one function, well typed,
 * whose value and gradients are fit to be compared. What is generated keeps an interval of its
 * values, so that logs, roots and quotients stay inside their domains and nothing grows beyond what
 * float32 holds digits of. */
#ifndef COUPLET_TESTS_DIFFER_GENERATE_H
#define COUPLET_TESTS_DIFFER_GENERATE_H

#include "lang/support.h"

/* The text, as subject_of_text reads it. One formula of five is tried on extreme inputs
 * (extremes.h), one of fifty is a long sum (generate_long). One that is
 * for ranks has shards, and mostly axes that can be cut there. */
const char *generate_formula(Arena *arena, uint32_t number, bool on_ranks);
const char *generate_long(Arena *arena, uint32_t number, int shards);

#endif
