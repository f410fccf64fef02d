/* Checks what a loss that compares samples finds to compare: a batch of one sample, samples of one
 * class. They are known before the run and ruin it in silence. */
#ifndef COUPLET_LANG_COMPARED_H
#define COUPLET_LANG_COMPARED_H

#include "lang/ast.h"

/* Reports a loss of pairs or of statistics on batches of one sample, and warns of a comparison of
 * labels where the data, an episode or the claim has one class alone. The method has no errors. */
void check_compared(Arena *arena, Diag *diag, const Method *method);

/* A field that a loss compares between samples. */
typedef struct ComparedField {
    const Stmt *source;
    const DataField *field;
    Span place;   /* of the comparison, or of the call that leads to it */
    bool is_said; /* check_compared has warned that the field has one value */
} ComparedField;

/* Returns how many fields the losses of a method compare, each counted once for a loss. */
int compared_fields(Arena *arena, const Method *method, const ComparedField **fields);

#endif
