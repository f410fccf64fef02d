/* The table of evaluations, for whoever lowers them. */
#ifndef COUPLET_LANG_EVALS_H
#define COUPLET_LANG_EVALS_H

#include "lang/ast.h"

/* Returns the value of an option that is not given, from evals.def: eval_standard("knn", "k") is
 * 20. Returns 0 for an option that the evaluation does not have. */
double eval_standard(const char *evaluation, const char *option);
bool eval_has_option(const char *evaluation, const char *option);
/* True if `of` names one field, `train.image`. Else it is a formula of fields, for one sample. */
bool eval_is_field(const Expr *of);
/* Returns the field that `of` or `labels` means if it is not given. For `of` it is `image`, the
 * only field of bytes, or the only array. For `labels` it is `label`, or the only int that is a
 * number. NULL: the option must be given. */
const DataField *eval_field(const DataSource *bank, const char *option);

#endif
