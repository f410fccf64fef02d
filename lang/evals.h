/* Questions about the table of evaluations (evals.def), for the code that lowers evaluations. */
#ifndef COUPLET_LANG_EVALS_H
#define COUPLET_LANG_EVALS_H

#include "lang/ast.h"

/* Returns the value that an option has if it is not given, from evals.def: eval_standard("knn",
 * "k") is 20. Returns 0 for an option that the evaluation does not have. */
double eval_standard(const char *evaluation, const char *option);
bool eval_has_option(const char *evaluation, const char *option);
/* True if `of` names one field, such as `train.image`. False for a formula of the fields of one
 * sample. */
bool eval_is_field(const Expr *of);
/* Returns the field that `of` or `labels` means if the option is not given. For `of` it is `image`,
 * or else the only field of bytes, or else the only array. For `labels` it is `label`, or else the
 * only int that is a number. Returns NULL if there is no such field, so that the option must be
 * given. */
const DataField *eval_field(const DataSource *bank, const char *option);

#endif
