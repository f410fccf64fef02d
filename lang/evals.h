/* The table of evaluations, for who lowers them. */
#ifndef COUPLET_LANG_EVALS_H
#define COUPLET_LANG_EVALS_H

/* The value of an option that is not given, of evals.def: eval_standard("knn", "k") is 20. 0 for an option that the evaluation does not have. */
double eval_standard(const char *evaluation, const char *option);

#endif
