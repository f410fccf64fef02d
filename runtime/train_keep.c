/* The checkpoints of a run. */
#include "runtime/trainer.h"

#include "runtime/data/guard.h"

/* Nothing that was made of a file which others changed is kept. */
bool couplet_trainer_save(Trainer *t) {
    if (!couplet_guard_whole(t->error, t->error_bytes) ||
        !couplet_session_save(t->session, t->checkpoint, t->error, t->error_bytes))
        return false;
    t->saved = t->session->step;
    return true;
}
