/* Guesses what someone may have meant who is used to papers, to Python or to C, by the tables of
 * habits.def. */
#ifndef COUPLET_LANG_HABITS_H
#define COUPLET_LANG_HABITS_H

#include "lang/diag.h"

/* A place where the text does not fit the grammar. A span is empty if there is no such token. */
typedef struct Misfit {
    Span first;       /* the first word of the statement */
    Span before;      /* the token ahead of the one that does not fit */
    Span found;       /* the token that does not fit, or the end of the line */
    bool at_end;      /* true if `found` is the end of a line or of the file */
    bool compared;    /* true if the formula has a comparison already */
    bool wants_else;  /* true if an `if` has no `else` yet */
    bool in_index;    /* true inside [ ] */
    bool in_binders;  /* true inside the brackets of a reduction */
    bool in_train;    /* true inside the braces of `train` */
    bool wants_name;  /* true where a name could stand */
    bool wants_brace; /* true where a `{` could stand */
} Misfit;

/* Returns help for a place that does not fit the grammar, or NULL. */
const char *habit_of_syntax(const Misfit *misfit);

/* Returns help for a name that nothing declares, such as the language's word for it, or NULL. */
const char *habit_of_name(const char *name);

/* Returns help for a name behind a dot where there is none, or NULL. */
const char *habit_of_member(const char *name);

/* Returns "true" or "false" for a word that other tools write instead, such as "yes", "On" and "1".
 * NULL for all other words. */
const char *habit_of_truth(const char *text);

/* True if a reduction over an index of this name stands ahead of the place on its line. The name is
 * unknown at the place, so the reduction has ended before it. */
bool habit_is_behind_reduction(Span place, const char *name);

/* True if the name of a reduction's index stands behind a `+` or `-` on its line, where the
 * reduction has ended. */
bool habit_goes_on(Span binder, const char *name);

/* Returns the ASCII text for a character outside ASCII, such as "-" for U+2212, or NULL. */
const char *habit_of_character(unsigned code);

#endif
