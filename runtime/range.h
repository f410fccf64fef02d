/* Formulas of hypers and other numbers of a run, compiled once to postfix text and computed by the
 * compiler and by built programs: the ranges that hypers are declared with, `tau = 0.5 | tau > 0`,
 * and the rates of optimisers. */
#ifndef COUPLET_RUNTIME_RANGE_H
#define COUPLET_RUNTIME_RANGE_H

#include "runtime/abi.h"

/* True if a condition in postfix form holds: "$tau 0 > $m 1 <= and". Words are parted by blanks.
 * $NAME is the value of a hyper, a number is itself, and any other word is one of
 * couplet_range_words. False for a text of another form, and when memory runs out. */
bool couplet_range_holds(const char *range, const CoupletHyper *hypers, int hyper_count);

/* The value of such a formula; NAN for a text of another form, and when memory runs out. */
double couplet_range_value(const char *formula, const CoupletHyper *numbers, int count);

/* The operations on two numbers, on one and on three. A truth value is 1 or 0. */
typedef enum {
#define RANGE_WORD(name, text, operands) COUPLET_RANGE_##name,
#include "runtime/range.def"
#undef RANGE_WORD
    COUPLET_RANGE_WORDS
} CoupletRangeWord;
extern const char *const couplet_range_words[COUPLET_RANGE_WORDS];

#endif
