/* Values made of exponentials, in the log domain: e = exp(shift) * scale, where the shift takes what could overflow or vanish and the scale is of the
 * size of a few terms. The scale may be zero or negative (a difference, a weight), and nothing but a scale is ever multiplied or added as it is. */
#ifndef COUPLET_COMPILER_PASSES_LOGFORM_H
#define COUPLET_COMPILER_PASSES_LOGFORM_H

#include "compiler/graph/graph.h"

typedef struct LogForm {
    const GExpr *shift; /* NULL: 0 */
    const GExpr *scale; /* NULL: 1 */
    bool positive;      /* the scale is, provably */
} LogForm;

/* Whether an exponential is one of the parts that the value is a sum, product, quotient, maximum or choice of, through the nodes that hold them. */
bool holds_exp(Graph *g, const GExpr *e);
/* Everything has a form: what holds no exponential is its own scale. */
LogForm log_form(Graph *g, const GExpr *e);
/* The log of the value; of a negative one it is no number, as the log is. */
const GExpr *log_of_form(Graph *g, const LogForm *form);
/* log e. *split is set when e is n / (n + r) and n was taken out of the sum: -softplus(log r - log n). */
const GExpr *log_of(Graph *g, const GExpr *e, bool *split);
/* a / b as one exponential. */
const GExpr *quotient_of_exps(Graph *g, const GExpr *a, const GExpr *b);

/* share.c: log(n / (n + r)) = -softplus(log r - log n), r being what is left of the denominator: its other addends, or its sum without the term, or the
 * terms, that the numerator is; NULL when the denominator does not provably hold the numerator. */
const GExpr *log_of_share(Graph *g, const GExpr *numerator, const GExpr *denominator);
/* sum - part without the part being added first: *rest is NULL when nothing is left. False when the part is not provably in the sum. */
bool take_out(Graph *g, const GExpr *sum, const GExpr *part, const GExpr **rest);
/* The value behind a read of an elementwise node; the expression itself, when it is anything else. */
const GExpr *value_behind(Graph *g, const GExpr *e);

#endif
