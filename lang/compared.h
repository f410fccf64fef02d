/* Checks whether a loss that compares samples finds anything to compare. A batch of one sample, and
 * samples of one class, are known before the run; such a run would train nothing and not say so. */
#ifndef COUPLET_LANG_COMPARED_H
#define COUPLET_LANG_COMPARED_H

#include "lang/ast.h"

/* Reports a loss of pairs or of statistics on batches of one sample. Warns of a comparison of
 * labels if the data, an episode or the claim has one class alone. The method must have no
 * errors. */
void check_compared(Arena *arena, Diag *diag, const Method *method);

/* A field that a loss compares between samples. */
typedef struct ComparedField {
    const Stmt *source;
    const DataField *field;
    Span place;   /* the place of the comparison, or of the call that leads to it */
    bool is_said; /* true if check_compared has warned that the field has one value */
} ComparedField;

/* Sets *fields to the fields that the losses of a method compare, and returns how many there are.
 * Each field is listed once for each loss. */
int compared_fields(Arena *arena, const Method *method, const ComparedField **fields);

#endif
