/* Checks and commits the results of a step. Nothing is written unless all of it is finite. Arrays
 * are checked, and copied, a few at a time, so that a launch of the device has a bounded number of
 * operands. */
#include "runtime/run.h"

#include <stdio.h>

/* ---- the finite check ------------------------------------------------------------------------ */

enum { MOST_ARRAYS = 256 /* the most arrays that the device checks, or copies, at a time */ };

typedef struct Arrays {
    const void *memory[MOST_ARRAYS];
    int64_t lengths[MOST_ARRAYS];
    int count;
} Arrays;

/* Checks the collected arrays. *worst becomes the worst value so far. */
static bool flush(CoupletRun *run, Arrays *arrays, CoupletHealth *worst) {
    CoupletHealth found;
    bool good = run->device->calls->health(run->device, arrays->count, arrays->memory,
                                           arrays->lengths, &found);
    if (good && found > *worst) *worst = found;
    arrays->count = 0;
    return good;
}

static bool check_buffer(CoupletRun *run, Arrays *arrays, int number, CoupletHealth *worst) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    if (b->type != COUPLET_F32) return true;
    arrays->memory[arrays->count] = couplet_run_memory(run, number);
    arrays->lengths[arrays->count++] = couplet_buffer_count(b);
    return arrays->count < MOST_ARRAYS || flush(run, arrays, worst);
}

static bool results_health(CoupletRun *run, CoupletHealth *worst) {
    const CoupletPlan *plan = run->plan;
    Arrays arrays = {.count = 0};
    *worst = COUPLET_FINITE;
    for (int i = 0; i < plan->output_count; i++)
        if (!check_buffer(run, &arrays, plan->outputs[i].buffer, worst)) return false;
    for (int i = 0; i < plan->commit_count; i++)
        if (!check_buffer(run, &arrays, plan->commits[i].value, worst)) return false;
    return flush(run, &arrays, worst);
}

bool couplet_run_step_health(CoupletRun *run, int number, CoupletHealth *worst) {
    const CoupletStep *step = &run->plan->steps[number];
    Arrays arrays = {.count = 0};
    *worst = COUPLET_FINITE;
    for (int o = step->buffer_count - step->output_count; o < step->buffer_count; o++)
        if (!check_buffer(run, &arrays, step->buffers[o], worst)) return false;
    return flush(run, &arrays, worst);
}

bool couplet_run_finite(CoupletRun *run, CoupletFault *fault) {
    CoupletHealth worst;
    if (!results_health(run, &worst)) return couplet_run_fail(run, fault);
    if (worst == COUPLET_FINITE) return true;
    return couplet_run_explain_value(run, worst == COUPLET_INFINITE, fault);
}

/* ---- commits --------------------------------------------------------------------------------- */

/* Arrays that are copied as wholes, in a single pass. */
typedef struct Copies {
    CoupletCopy items[MOST_ARRAYS];
    int count;
} Copies;

static bool flush_copies(CoupletRun *run, Copies *copies) {
    const int count = copies->count;
    copies->count = 0;
    return count == 0 || run->device->calls->copy(run->device, count, copies->items);
}

static bool add_copy(CoupletRun *run, Copies *copies, CoupletCopy copy) {
    copies->items[copies->count++] = copy;
    return copies->count < MOST_ARRAYS || flush_copies(run, copies);
}

/* Makes one commit. Copies are collected; rows are written after the copies before them. */
static bool commit_one(CoupletRun *run, Copies *copies, const CoupletCommit *c, const void *from,
                       int64_t from_offset, void *const *states, const CoupletStateInfo *infos) {
    CoupletDevice *d = run->device;
    const CoupletBuffer *value = &run->plan->buffers[c->value];
    if (c->kind == COUPLET_ASSIGN)
        return add_copy(
            run, copies,
            (CoupletCopy){states[c->state], from, 0, from_offset, couplet_buffer_bytes(value)});
    if (!flush_copies(run, copies)) return false;
    if (c->kind == COUPLET_ROWS)
        return d->calls->write_rows(d, states[c->state], from, from_offset,
                                    couplet_run_memory(run, c->rows), value->shape[0],
                                    couplet_run_row_bytes(value));
    return d->calls->push_rows(d, states[c->state], infos[c->state].shape[0], states[c->head], from,
                               from_offset, value->shape[0], couplet_run_row_bytes(value));
}

/* Moves the heads of queues. The columns of a queue share a head and a fill, which move once, after
 * the last column. */
static bool move_heads(CoupletRun *run, void *const *states, const CoupletStateInfo *infos) {
    const CoupletPlan *plan = run->plan;
    CoupletDevice *d = run->device;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletCommit *c = &plan->commits[i];
        bool moved = c->kind != COUPLET_PUSH;
        for (int k = 0; k < i; k++)
            moved |= plan->commits[k].kind == COUPLET_PUSH && plan->commits[k].head == c->head;
        if (!moved &&
            !d->calls->move_head(d, states[c->head], states[c->fill],
                                 plan->buffers[c->value].shape[0], infos[c->state].shape[0]))
            return false;
    }
    return true;
}

/* Copies those values to the staging memory that are states themselves. */
static bool set_aside(CoupletRun *run) {
    const CoupletPlan *plan = run->plan;
    Copies copies = {.count = 0};
    int64_t at = 0;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletBuffer *value = &plan->buffers[plan->commits[i].value];
        if (value->place != COUPLET_IN_STATE) continue;
        if (!add_copy(run, &copies,
                      (CoupletCopy){run->staging, couplet_run_memory(run, plan->commits[i].value),
                                    at, 0, couplet_buffer_bytes(value)}))
            return false;
        at += couplet_buffer_bytes(value);
    }
    return flush_copies(run, &copies);
}

/* Checks the numbers of rows that are written before anything is written. They are computed, and
 * may be outside the state. */
static bool rows_inside(CoupletRun *run, const CoupletStateInfo *infos, CoupletFault *fault) {
    const CoupletPlan *plan = run->plan;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletCommit *c = &plan->commits[i];
        if (c->kind != COUPLET_ROWS) continue;
        const int32_t *rows = couplet_run_on_host(run, c->rows);
        if (!rows) return couplet_run_fail(run, fault);
        for (int64_t r = 0; r < plan->buffers[c->value].shape[0]; r++) {
            if (rows[r] >= 0 && rows[r] < infos[c->state].shape[0]) continue;
            snprintf(run->sentence, sizeof run->sentence,
                     "row number %lld to be written is %d, and `%s` has rows 0 to %lld",
                     (long long)r, rows[r], infos[c->state].name,
                     (long long)infos[c->state].shape[0] - 1);
            *fault = (CoupletFault){.sentence = run->sentence,
                                    .source = c->source,
                                    .kind = COUPLET_FAULT_INDEX,
                                    .input = -1};
            return false;
        }
    }
    return true;
}

bool couplet_run_commit(CoupletRun *run, void *const *states, const CoupletStateInfo *infos,
                        CoupletFault *fault) {
    const CoupletPlan *plan = run->plan;
    if (!rows_inside(run, infos, fault)) return false;
    if (!set_aside(run)) return couplet_run_fail(run, fault);
    Copies copies = {.count = 0};
    int64_t aside = 0;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletCommit *c = &plan->commits[i];
        const CoupletBuffer *value = &plan->buffers[c->value];
        bool staged = value->place == COUPLET_IN_STATE;
        if (!commit_one(run, &copies, c, staged ? run->staging : couplet_run_memory(run, c->value),
                        staged ? aside : 0, states, infos))
            return couplet_run_fail(run, fault);
        if (staged) aside += couplet_buffer_bytes(value);
    }
    return (flush_copies(run, &copies) && move_heads(run, states, infos)) ||
           couplet_run_fail(run, fault);
}
