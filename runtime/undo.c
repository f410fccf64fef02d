/* Copies states before a trial and restores them afterwards (undo.h). */
#include "runtime/undo.h"

#include <stdlib.h>

bool couplet_undo_begin(CoupletUndo *u, CoupletSession *session) {
    *u = (CoupletUndo){session,
                       calloc((size_t)session->program->state_count + 1, sizeof *u->states)};
    return u->states != NULL;
}

bool couplet_undo_keep(const CoupletUndo *u, int slot) {
    CoupletDevice *d = u->session->device;
    const int64_t bytes = (int64_t)couplet_state_bytes(&u->session->program->states[slot]);
    if (u->states[slot]) return true;
    u->states[slot] = malloc((size_t)bytes + 1);
    return u->states[slot] &&
           d->calls->read(d, u->states[slot], u->session->states[slot], 0, bytes);
}

bool couplet_undo_keep_plan(const CoupletUndo *u, const CoupletPlan *plan) {
    bool good = true;
    for (int c = 0; good && c < plan->commit_count; c++)
        good = couplet_undo_keep(u, plan->commits[c].state);
    return good;
}

bool couplet_undo_put_back(const CoupletUndo *u) {
    const CoupletProgram *p = u->session->program;
    CoupletDevice *d = u->session->device;
    bool good = true;
    for (int i = 0; i < p->state_count; i++) {
        if (!u->states[i]) continue;
        good &= d->calls->write(d, u->session->states[i], 0, u->states[i],
                                (int64_t)couplet_state_bytes(&p->states[i])) &&
                d->calls->wait(d);
    }
    return good;
}

void couplet_undo_end(CoupletUndo *u) {
    for (int i = 0; u->states && i < u->session->program->state_count; i++)
        free(u->states[i]);
    free(u->states);
    u->states = NULL;
}
