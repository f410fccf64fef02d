/* Copies of states, for work that changes states only in passing: the statements of `eval`, and
 * fine-tuning. */
#ifndef COUPLET_RUNTIME_UNDO_H
#define COUPLET_RUNTIME_UNDO_H

#include "runtime/session.h"

typedef struct CoupletUndo {
    CoupletSession *session;
    void **states; /* by number of the state; NULL: it was not kept */
} CoupletUndo;

/* Begins with nothing kept. Returns false if memory runs out. */
bool couplet_undo_begin(CoupletUndo *undo, CoupletSession *session);
/* Keep a state, and all states that a plan commits. Return false if memory runs out or the device
 * fails. */
bool couplet_undo_keep(const CoupletUndo *undo, int slot);
bool couplet_undo_keep_plan(const CoupletUndo *undo, const CoupletPlan *plan);
/* Restores what was kept. Returns false if the device fails; the states are then undefined. */
bool couplet_undo_put_back(const CoupletUndo *undo);
void couplet_undo_end(CoupletUndo *undo);

#endif
