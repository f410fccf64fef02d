/* The table of evaluations, for who lowers them. */
#ifndef COUPLET_LANG_EVALS_H
#define COUPLET_LANG_EVALS_H

#include "lang/ast.h"

/* The value of an option that is not given, of evals.def: eval_standard("knn", "k") is 20. 0 for an option that the evaluation does not have. */
double eval_standard(const char *evaluation, const char *option);
/* Whether `of` names one field, `train.image`; else it is a formula of fields, for one sample. */
bool eval_is_field(const Expr *of);
/* The field that `of` or `labels` of an evaluation means where it is not given: `image`, the one field of bytes, or the one array;
 * `label`, or the one int that is a number. NULL: it must be given. */
const DataField *eval_field(const DataSource *bank, const char *option);

#endif
