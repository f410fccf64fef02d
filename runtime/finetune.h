/* Fine-tuning as an evaluation, `eval { finetune(..) }`. The network and a linear classifier of its
 * features are trained on labelled rows of the bank; the figure is the percent of queries that the
 * two then classify rightly. */
#ifndef COUPLET_RUNTIME_FINETUNE_H
#define COUPLET_RUNTIME_FINETUNE_H

#include "runtime/data/table.h"
#include "runtime/session.h"

typedef struct CoupletFinetuneRows {
    const CoupletTable *bank, *query;
    const int32_t *rows; /* [count]: the rows of the bank whose labels are used */
    int64_t count;
    const int32_t *wanted; /* [queries]: the value of the label of each, in the bank's numbers; -1:
                              the bank has none such */
} CoupletFinetuneRows;

/* Makes `epochs` times count / 64 steps (rounded up), in an order that is the same in every run,
 * and puts all states back. False with a sentence, or with an empty one if a signal ended it. */
bool couplet_finetune(CoupletSession *session, const CoupletEval *eval,
                      const CoupletFinetuneRows *rows, double *percent, char *error,
                      size_t error_bytes);

#endif
