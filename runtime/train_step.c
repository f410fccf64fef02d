/* Makes one step of a run: finds the step's stage and phase, does the work ahead of the step, and
 * runs it. */
#include "runtime/trainer.h"

#include "runtime/epoch.h"
#include "runtime/given.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int couplet_trainer_stages(const Trainer *t) {
    return t->program->stage_count ? t->program->stage_count : 1;
}

void couplet_trainer_enter_stage(Trainer *t, int clock) {
    CoupletSession *s = t->session;
    s->stage = clock;
    s->stage_first = t->clocks[clock].first;
    s->stage_steps = t->clocks[clock].stage ? t->clocks[clock].steps : 0;
    t->per_epoch = t->clocks[clock].per_epoch;
}

void couplet_trainer_set_stage(Trainer *t) {
    int at = 0;
    while (at + 1 < couplet_trainer_stages(t) && t->clocks[at + 1].first <= t->session->step)
        at++;
    couplet_trainer_enter_stage(t, at);
}

const CoupletStage *couplet_trainer_stage(const Trainer *t) {
    return t->clocks[t->session->stage].stage;
}

bool couplet_trainer_begin_sources(Trainer *t) {
    const CoupletSession *s = t->session;
    t->sources.device = t->device;
    return couplet_sources_begin(&t->sources, couplet_trainer_stage(t), couplet_session_seed(s),
                                 s->step - s->stage_first, t->error, t->error_bytes);
}

void couplet_trainer_start_clock(Trainer *t) {
    t->rate_started = couplet_trainer_now();
    t->rate_step = t->session->step;
}

static bool bring_whole_batch(void *context) {
    Trainer *t = context;
    return couplet_sources_whole_batch(&t->sources, t->phase->train, t->inputs);
}

/* Prepares to run the steps of a phase. Only one phase has memory at a time. */
bool couplet_trainer_enter_phase(Trainer *t, const CoupletPhase *phase) {
    if (t->phase == phase) return true;
    couplet_run_free(t->run);
    free(t->inputs);
    const CoupletPlan *plan = phase->train;
    t->phase = phase;
    t->run = couplet_run_on(t->device, plan);
    t->inputs = calloc((size_t)plan->input_count + 1, sizeof *t->inputs);
    /* Kernels may be compiled in the first step, and a signal must be able to end that. */
    if (t->run) couplet_run_heed(t->run, t->options->stop);
    if (t->run) couplet_run_feed_whole(t->run, bring_whole_batch, t);
    if (t->run && t->inputs)
        return couplet_sources_attach(&t->sources, t->device, plan, t->run, t->error,
                                      t->error_bytes);
    snprintf(t->error, t->error_bytes, "a step of this method needs %.0f MB: %s",
             (double)plan->arena_bytes / 1e6, t->device->fault.sentence);
    return false;
}

/* Logs a report. Epochs and steps that begin are counted from 1. */
static bool tell_of_work(void *context, const CoupletAction *action, const char *name,
                         double value) {
    Trainer *t = context;
    const CoupletSession *s = t->session;
    const int64_t begins = (action->of_steps ? s->step : s->epoch) + 1;
    char when[40];
    snprintf(when, sizeof when, "before %s %" PRId64, action->of_steps ? "step" : "epoch", begins);
    couplet_trainer_erase_line(t);
    couplet_trainer_say_number(t, when, name, value);
    const CoupletMetric row[] = {
        {"step", (double)s->step, NULL},
        {action->of_steps ? "before_step" : "before_epoch", (double)begins, NULL},
        {name, value, NULL}};
    return couplet_trainer_row(t, row, 3);
}

/* Reads the weights for drawing batches, which are a state's values when the epoch begins. */
static bool weigh_epoch(Trainer *t, int64_t into) {
    CoupletSession *s = t->session;
    return couplet_session_weigh(s, t->error, t->error_bytes) &&
           couplet_sources_weigh(&t->sources, s->weights, into + t->per_epoch, t->error,
                                 t->error_bytes);
}

/* Does the work ahead of a step. `into` is the number of steps made in its stage. */
static bool work_ahead(Trainer *t, const CoupletPhase *phase, int64_t into) {
    CoupletSession *s = t->session;
    const CoupletReports reports = {tell_of_work, t};
    if (couplet_work_is_due(s, phase, into, t->per_epoch)) {
        /* if a signal interrupts the work, it is done again from this checkpoint */
        if (t->saved != s->step && !couplet_trainer_save(t)) return false;
        if (!couplet_work_do(s, phase, into, t->per_epoch, &t->sources, &reports, t->error,
                             t->error_bytes))
            return false;
    }
    return into % t->per_epoch != 0 || weigh_epoch(t, into);
}

/* Enters the next stage if the present one is over. */
static bool go_on_in_stages(Trainer *t) {
    CoupletSession *s = t->session;
    const int before = s->stage;
    couplet_trainer_set_stage(t);
    if (s->stage == before) return true;
    couplet_trainer_start_clock(t);
    return couplet_trainer_begin_sources(t);
}

/* Writes what the step gave, if it is a step whose values are wanted. */
static bool give(Trainer *t, const CoupletPlan *plan) {
    const int64_t every = t->options->give_every;
    const int64_t step = t->session->step;
    if (every == 0 || step % every != 0 || !t->writes) return true;
    return couplet_given_write(t->run, plan, step, t->options->folder->path, t->error,
                               t->error_bytes);
}

/* Notes that a signal has ended a step, which will be done again. If `worked`, the work ahead of it
 * will be, too, and the states that it has changed are not saved. */
static bool halt(Trainer *t, bool worked, int64_t epoch_before) {
    t->halted = true;
    t->torn = worked;
    t->session->epoch = epoch_before;
    return false;
}

/* Gives the plan its inputs. Returns false with a sentence if nothing provides one of them. */
static bool take_inputs(Trainer *t, const CoupletPlan *plan) {
    couplet_session_scalars(t->session, plan, t->inputs);
    couplet_sources_whole(&t->sources, plan, t->inputs);
    couplet_sources_next(&t->sources, plan, t->inputs);
    for (int i = 0; i < plan->input_count; i++) {
        if (t->inputs[i]) continue;
        snprintf(t->error, t->error_bytes,
                 "a fault of the compiler: the step reads `%s`, which nothing provides",
                 plan->inputs[i].name);
        return false;
    }
    return true;
}

static bool fail_step(Trainer *t, CoupletFault *fault) {
    char when[40];
    char advice[400];
    snprintf(when, sizeof when, "in step %" PRId64, t->session->step);
    couplet_session_advise(t->session, fault, advice, sizeof advice);
    couplet_fault_text(fault, when, t->error, t->error_bytes);
    return false;
}

bool couplet_trainer_step(Trainer *t, float *loss) {
    CoupletSession *s = t->session;
    const int64_t epoch_before = s->epoch;
    CoupletFault fault;
    if (!go_on_in_stages(t)) return false;
    const int64_t done = s->step - s->stage_first;
    s->epoch = done / t->per_epoch;
    const CoupletPhase *phase = couplet_program_phase(t->program, s->stage, s->epoch, done);
    const bool works = couplet_work_is_due(s, phase, done, t->per_epoch);
    if (!work_ahead(t, phase, done)) return false;
    if (!couplet_trainer_enter_phase(t, phase)) return false;
    const CoupletPlan *plan = t->phase->train;
    if (!take_inputs(t, plan)) return false;
    bool good = couplet_run_steps(t->run, t->inputs, s->states, &fault) &&
                couplet_run_finite(t->run, &fault);
    if (!good && couplet_run_stopped(t->run)) return halt(t, works, epoch_before);
    couplet_run_heed(t->run, NULL);
    const float *value = good ? couplet_run_output(t->run, "loss") : NULL;
    if (good && !value)
        fault = (CoupletFault){.sentence = t->device->fault.sentence,
                               .source = t->device->name,
                               .kind = t->device->fault.kind};
    if (value) *loss = *value;
    if (value && !couplet_session_losses(s, t->run, plan)) {
        snprintf(t->error, t->error_bytes, "%s: %s", t->device->name, t->device->fault.sentence);
        return false;
    }
    if (!value || !couplet_run_commit(t->run, s->states, t->program->states, &fault))
        return fail_step(t, &fault);
    couplet_session_count(s, *loss, t->per_epoch);
    return give(t, plan);
}
