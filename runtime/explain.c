/* Explains, by element, what stopped a run. Steps are run again, so that the arrays are as they
 * were, and the formulas of the failed step are evaluated (runtime/formula.h). */
#include "runtime/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_HOPS = 8, /* the most steps back from an infinite value to its origin */
    /* The most steps, from the first bad one on, in which an explanation is looked for. The first
     * may have none, because the parts of a sum have no formula. */
    MOST_TRIES = 3
};

/* ---- arrays ---------------------------------------------------------------------------------- */

/* The arrays of a run on the host. Each is fetched once. arrays_forget must be called after steps
 * have run. */
typedef struct Arrays {
    CoupletRun *run;
    const void **at; /* by buffer */
} Arrays;

static bool arrays_begin(Arrays *a, CoupletRun *run) {
    *a = (Arrays){run, calloc((size_t)run->plan->buffer_count + 1, sizeof *a->at)};
    return a->at != NULL;
}

static void arrays_forget(Arrays *a) {
    memset(a->at, 0, sizeof *a->at * (size_t)a->run->plan->buffer_count);
}

static double read_element(void *context, int number, int64_t element) {
    Arrays *a = context;
    const CoupletBuffer *b = &a->run->plan->buffers[number];
    if (b->place == COUPLET_NOWHERE || element >= couplet_buffer_count(b)) return 0;
    if (!a->at[number]) a->at[number] = couplet_run_on_host(a->run, number);
    const void *data = a->at[number];
    if (!data) return 0;
    switch (b->type) {
    case COUPLET_F32:
        return (double)((const float *)data)[element];
    case COUPLET_I32:
        return ((const int32_t *)data)[element];
    case COUPLET_U8:
        return ((const uint8_t *)data)[element];
    }
    return 0;
}

/* ---- steps again ----------------------------------------------------------------------------- */

/* Makes the arrays as they were ahead of a step. Some of them have been written over after their
 * last reader, so all steps before are run again. */
static bool run_up_to(CoupletRun *run, int step) {
    couplet_device_clear(run->device);
    if (!couplet_run_send_inputs(run)) return false;
    for (int i = 0; i < step; i++)
        if (!couplet_run_launch_steps(run, i, 1)) return false;
    return run->device->calls->wait(run->device);
}

/* Runs one step. It may meet the fault that is being explained. */
static bool run_one(CoupletRun *run, int step) {
    const bool good =
        couplet_run_launch_steps(run, step, 1) && run->device->calls->wait(run->device);
    const CoupletFaultKind met = run->device->fault.kind;
    couplet_device_clear(run->device);
    return good || (met != COUPLET_FAULT_DEVICE && met != COUPLET_FAULT_MEMORY);
}

bool couplet_run_explain_fault(CoupletRun *run, int step) {
    const CoupletDeviceFault met = run->device->fault;
    Arrays a;
    if (!arrays_begin(&a, run)) return false;
    const CoupletArrays arrays = {read_element, &a, false};
    const int results = couplet_formula_count(run->plan, step);
    /* The first result is looked at ahead of the step, because it may be written over its operand.
     * The other results may read the first, so they are looked at behind the step. */
    bool found = results > 0 && run_up_to(run, step) &&
                 couplet_formula_fault(run->plan, step, 0, 1, &arrays, &run->finding);
    if (!found && results > 1 && run_one(run, step)) {
        arrays_forget(&a);
        found = couplet_formula_fault(run->plan, step, 1, results - 1, &arrays, &run->finding);
    }
    free(a.at);
    run->device->fault = met;
    return found;
}

/* ---- values that are not finite -------------------------------------------------------------- */

typedef struct Trace {
    CoupletRun *run;
    Arrays arrays;
    unsigned char *health; /* by step: the CoupletHealth of its results */
} Trace;

static bool is_at_fault(double value, bool infinite) {
    return infinite ? isinf(value) : isnan(value);
}

/* Returns the first element of a buffer that is NaN or, with `infinite`, infinite. -1: there is
 * none. */
static int64_t first_bad(Trace *t, int buffer, bool infinite) {
    const CoupletBuffer *b = &t->run->plan->buffers[buffer];
    if (b->type != COUPLET_F32 || b->place == COUPLET_NOWHERE) return -1;
    const int64_t count = couplet_buffer_count(b);
    for (int64_t i = 0; i < count; i++)
        if (is_at_fault(read_element(&t->arrays, buffer, i), infinite)) return i;
    return -1;
}

/* True if two buffers share memory: they are one buffer, or begin at one place of the arena, as a
 * result does that is written over its operand. */
static bool same_memory(const CoupletPlan *plan, int a, int b) {
    const CoupletBuffer *x = &plan->buffers[a];
    const CoupletBuffer *y = &plan->buffers[b];
    return a == b ||
           (x->place == COUPLET_IN_ARENA && y->place == COUPLET_IN_ARENA && x->offset == y->offset);
}

/* Returns the last step before `before` that makes a buffer, or -1 if the buffer comes from
 * outside. */
static int maker_of(const CoupletPlan *plan, int buffer, int before) {
    for (int i = before - 1; i >= 0; i--)
        for (int k = plan->steps[i].buffer_count - plan->steps[i].output_count;
             k < plan->steps[i].buffer_count; k++)
            if (same_memory(plan, plan->steps[i].buffers[k], buffer)) return i;
    return -1;
}

/* Returns the first step after `after` from which bad results lead to `step`: every step on the way
 * reads a bad result of the step before. So a NaN that a condition keeps away from its reader does
 * not count. */
static int next_that_leads_to(const Trace *t, int step, CoupletHealth bad, int after) {
    const CoupletPlan *plan = t->run->plan;
    bool *reached = calloc((size_t)plan->step_count + 1, sizeof *reached);
    if (!reached) return step;
    reached[step] = true;
    int first = step;
    for (int i = step; i > after; i--) {
        if (!reached[i]) continue;
        first = i;
        for (int k = 0; k < plan->steps[i].buffer_count - plan->steps[i].output_count; k++) {
            const int maker = maker_of(plan, plan->steps[i].buffers[k], i);
            if (maker >= 0 && t->health[maker] >= (unsigned char)bad) {
                reached[maker] = true;
            }
        }
    }
    free(reached);
    return first;
}

/* Runs all steps again, and notes the worst value among the results of each. */
static bool look_at_all(Trace *t) {
    CoupletRun *run = t->run;
    couplet_device_clear(run->device);
    if (!couplet_run_send_inputs(run)) return false;
    for (int i = 0; i < run->plan->step_count; i++) {
        CoupletHealth worst;
        if (!couplet_run_launch_steps(run, i, 1) || !couplet_run_step_health(run, i, &worst))
            return false;
        t->health[i] = (unsigned char)worst;
    }
    return true;
}

/* Finds the reason for which an element of a result of `step` is not finite. */
static bool origin(Trace *t, int step, int buffer, int64_t element, CoupletFinding *out) {
    CoupletRun *run = t->run;
    const CoupletStep *s = &run->plan->steps[step];
    const CoupletArrays arrays = {read_element, &t->arrays, false};
    if (!run_up_to(run, step)) return false;
    if (buffer != s->buffers[s->buffer_count - s->output_count] && !run_one(run, step))
        return false;
    arrays_forget(&t->arrays);
    return couplet_formula_origin(run->plan, step, buffer, element, &arrays, out);
}

/* Finds the reason for which a step has a bad result. The first bad result with a formula is
 * explained, because partial sums have no formula. */
static bool origin_of_step(Trace *t, int step, bool infinite, CoupletFinding *out) {
    const CoupletStep *s = &t->run->plan->steps[step];
    int64_t element[COUPLET_MAX_KERNEL_BUFFERS];
    const int first = s->buffer_count - s->output_count;
    if (!run_up_to(t->run, step + 1)) return false;
    arrays_forget(&t->arrays);
    for (int k = first; k < s->buffer_count; k++)
        element[k] = first_bad(t, s->buffers[k], infinite);
    for (int k = first; k < s->buffer_count; k++)
        if (element[k] >= 0 && origin(t, step, s->buffers[k], element[k], out)) return true;
    return false;
}

/* If the finding is that a bad value was read, replaces it by the finding where this value arose,
 * and so on, for at most MOST_HOPS steps back. */
static void follow(Trace *t, int before, CoupletFinding *found) {
    CoupletFinding next;
    for (int hop = 0; hop < MOST_HOPS && found->buffer >= 0; hop++) {
        const int maker = maker_of(t->run->plan, found->buffer, before);
        if (maker < 0 || !origin(t, maker, found->buffer, found->element, &next)) return;
        *found = next;
        before = maker;
    }
}

/* A result that is not finite: an output, or the new value of a state. */
typedef struct End {
    int step, buffer; /* `step` makes the buffer; -1: the buffer comes from outside */
    char name[160];   /* the name of the element, such as "grad_z[3, 7]" */
} End;

/* Makes a fault of `what`, the finding, and the result in which the value ends. `found` and `end`
 * may be NULL. */
static void tell_finding(CoupletRun *run, const char *what, const CoupletFinding *found,
                         const End *end, const char *source, CoupletFault *fault) {
    snprintf(run->sentence, sizeof run->sentence, "%s%s%s%s%s", what, found ? ": " : "",
             found ? found->sentence : "", end ? ", and ends in " : "", end ? end->name : "");
    *fault = (CoupletFault){
        .sentence = run->sentence, .source = source, .kind = COUPLET_FAULT_NAN, .input = -1};
    if (!found) return;
    if (found->place[0]) fault->source = found->place;
    if (found->inner[0]) fault->inner = found->inner;
    fault->advice = found->advice;
    fault->kind = found->kind;
    for (int i = 0; i < run->plan->input_count; i++)
        if (run->plan->inputs[i].buffer == found->buffer)
            fault->input = i, fault->element = found->element;
}

/* Finds the first output or commit that has a NaN or, with `infinite`, an infinite value. */
static bool find_end(Trace *t, bool infinite, End *end) {
    const CoupletPlan *plan = t->run->plan;
    for (int i = 0; i < plan->output_count + plan->commit_count; i++) {
        const bool output = i < plan->output_count;
        const CoupletCommit *c = &plan->commits[output ? 0 : i - plan->output_count];
        end->buffer = output ? plan->outputs[i].buffer : c->value;
        const int64_t at = first_bad(t, end->buffer, infinite);
        if (at < 0) continue;
        const CoupletBuffer *b = &plan->buffers[end->buffer];
        couplet_element_text(output ? plan->outputs[i].name : c->name, b->rank, b->shape, at,
                             end->name, sizeof end->name);
        end->step = maker_of(plan, end->buffer, plan->step_count);
        return true;
    }
    return false;
}

/* Adds to the sentence about an infinite value that a NaN at `place` follows from it. */
static void add_consequence(CoupletFinding *found, const char *place) {
    const bool elsewhere = strcmp(place, found->place) != 0;
    char whole[sizeof found->sentence];
    snprintf(whole, sizeof whole, "%.400s, which gives a value that is no number (NaN)%s%.150s",
             found->sentence, elsewhere ? " at " : "", elsewhere ? place : "");
    memcpy(found->sentence, whole, sizeof whole);
}

/* Explains the first value that is not finite. Returns false if no result has such a value, or if
 * the steps cannot be run again. */
static bool explain(Trace *t, bool infinite, CoupletFault *fault) {
    CoupletRun *run = t->run;
    CoupletFinding *found = &run->finding;
    const char *what = infinite ? "the first infinite value arose here"
                                : "the first value that is no number (NaN) arose here";
    End end;
    if (!find_end(t, infinite, &end)) return false;
    if (end.step < 0) { /* the value came from outside, and is returned or stored unchanged */
        tell_finding(run,
                     infinite ? "an infinite value comes from outside"
                              : "a value that is no number (NaN) comes from outside",
                     NULL, &end, run->plan->name, fault);
        return true;
    }
    if (!look_at_all(t)) return false;
    const CoupletHealth bad = infinite ? COUPLET_INFINITE : COUPLET_NOT_A_NUMBER;
    int step = next_that_leads_to(t, end.step, bad, -1);
    const char *source = run->plan->steps[step].source;
    bool known = origin_of_step(t, step, infinite, found);
    for (int i = 1; !known && i < MOST_TRIES && step < end.step; i++) {
        step = next_that_leads_to(t, end.step, bad, step);
        known = origin_of_step(t, step, infinite, found);
    }
    if (!known) {
        tell_finding(run, what, NULL, &end, source, fault);
        return true;
    }
    char place[sizeof found->place];
    memcpy(place, found->place, sizeof place);
    follow(t, step, found);
    if (!infinite && found->kind == COUPLET_FAULT_INFINITE) {
        add_consequence(found, place);
        what = "the first infinite value arose here";
    }
    if (found->buffer >= 0) what = "this reads what is not finite";
    tell_finding(run, what, found, &end, source, fault);
    return true;
}

bool couplet_run_explain_value(CoupletRun *run, bool infinite, CoupletFault *fault) {
    if (run->part && !couplet_run_whole(run)) {
        tell_finding(
            run,
            infinite ? "a result is infinite, and there is no memory to find out where it arose"
                     : "a result is no number (NaN), and there is no memory to find out where it "
                       "arose",
            NULL, NULL, run->plan->name, fault);
        return false;
    }
    Trace t = {.run = run, .health = calloc((size_t)run->plan->step_count + 1, 1)};
    const bool good = arrays_begin(&t.arrays, run) && t.health && explain(&t, infinite, fault);
    if (!good && run->device->fault.kind != COUPLET_NO_FAULT)
        couplet_run_fail(run, fault);
    else if (!good)
        tell_finding(run, infinite ? "a result is infinite" : "a result is no number (NaN)", NULL,
                     NULL, run->plan->name, fault);
    free(t.arrays.at);
    free(t.health);
    return false;
}
