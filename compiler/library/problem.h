/* Messages of the compiler and of a run as the problem that a caller gets. */
#ifndef COUPLET_LIBRARY_PROBLEM_H
#define COUPLET_LIBRARY_PROBLEM_H

#include "compiler/library/couplet_formula.h"
#include "lang/diag.h"

/* Copies the messages of `diag` into memory of the problem's own. Returns NULL if memory is out. */
CoupletProblem *problem_new(const Diag *diag);
/* Makes a problem of a sentence without a place. Returns NULL if memory is out. */
CoupletProblem *problem_of_sentence(DiagCode code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Returns all messages as text, from malloc, or NULL if memory is out. */
char *problem_print(const Diag *diag);

#endif
