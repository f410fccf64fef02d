/* Copies of states, for what changes states only in passing: the statements of `eval`, and
 * fine-tuning. */
#ifndef COUPLET_RUNTIME_UNDO_H
#define COUPLET_RUNTIME_UNDO_H

#include "runtime/session.h"

typedef struct CoupletUndo {
    CoupletSession *session;
    void **states; /* by slot; NULL: nothing changes it */
} CoupletUndo;

/* Begins with nothing kept. False when memory runs out. */
bool couplet_undo_begin(CoupletUndo *undo, CoupletSession *session);
/* Keeps a state, or all that a plan commits. False when memory runs out or the device fails. */
bool couplet_undo_keep(const CoupletUndo *undo, int slot);
bool couplet_undo_keep_plan(const CoupletUndo *undo, const CoupletPlan *plan);
/* Puts back what was kept. False when the device fails; the states are then worth nothing. */
bool couplet_undo_put_back(const CoupletUndo *undo);
void couplet_undo_end(CoupletUndo *undo);

#endif
