/* Formulas of hypers and other numbers of a run. They are compiled once to postfix text, and
 * evaluated by the compiler and by built programs. They serve as ranges of hypers, `tau = 0.5 | tau
 * > 0`, and as rates of optimisers. */
#ifndef COUPLET_RUNTIME_RANGE_H
#define COUPLET_RUNTIME_RANGE_H

#include "runtime/abi.h"

/* True if a condition in postfix form holds, such as "$tau 0 > $m 1 <= and". Words are separated by
 * spaces. $NAME is the value of a hyper, a number stands for itself, and any other word is one of
 * couplet_range_words. False for a text of another form, and if memory runs out. */
bool couplet_range_holds(const char *range, const CoupletHyper *hypers, int hyper_count);

/* Returns the value of such a formula. NAN for a text of another form, and if memory runs out. */
double couplet_range_value(const char *formula, const CoupletHyper *numbers, int count);

/* The operations on two numbers, on one, and on three. Truth values are 1 and 0. */
typedef enum {
#define RANGE_WORD(name, text, operands) COUPLET_RANGE_##name,
#include "runtime/range.def"
#undef RANGE_WORD
    COUPLET_RANGE_WORDS
} CoupletRangeWord;
extern const char *const couplet_range_words[COUPLET_RANGE_WORDS];

#endif
