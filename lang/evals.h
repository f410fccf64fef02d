/* The table of evaluations, for whoever lowers them. */
#ifndef COUPLET_LANG_EVALS_H
#define COUPLET_LANG_EVALS_H

#include "lang/ast.h"

/* The value of an option that is not given, from evals.def: eval_standard("knn", "k") is 20. It is
 * 0 for an option that the evaluation does not have. */
double eval_standard(const char *evaluation, const char *option);
bool eval_has_option(const char *evaluation, const char *option);
/* True if `of` names one field, `train.image`. Else it is a formula of fields, for one sample. */
bool eval_is_field(const Expr *of);
/* The field that `of` or `labels` of an evaluation means if it is not given. For `of` that is
 * `image`, the one field of bytes, or the one array. For `labels` it is `label`, or the one int
 * that is a number. NULL: the option must be given. */
const DataField *eval_field(const DataSource *bank, const char *option);

#endif
