/* Fine-tuning as an evaluation, `eval { finetune(..) }`. The network and a linear classifier on its
 * features are trained on labelled rows of the bank. The figure is the percentage of queries that
 * both together then classify correctly. */
#ifndef COUPLET_RUNTIME_FINETUNE_H
#define COUPLET_RUNTIME_FINETUNE_H

#include "runtime/data/table.h"
#include "runtime/session.h"

typedef struct CoupletFinetuneRows {
    const CoupletTable *bank;
    const CoupletTable *query;
    const int32_t *rows; /* [count]: the rows of the bank whose labels are used */
    int64_t count;
    /* [queries]: the label of each query, as a number of the bank's classes; -1: the bank has no
     * such class. */
    const int32_t *wanted;
} CoupletFinetuneRows;

/* Makes `epochs` times count / 64 steps (rounded up), in an order that is the same in every run.
 * Then restores all states. Returns false with a sentence, or with an empty one if a signal ended
 * the work. */
bool couplet_finetune(CoupletSession *session, const CoupletEval *eval,
                      const CoupletFinetuneRows *rows, double *percent, char *error,
                      size_t error_bytes);

#endif
