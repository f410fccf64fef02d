/* A rehearsal: a run that saves nothing. It opens what a run opens and makes its steps, and it
 * writes no log. */
#include "runtime/rehearse.h"

#include "runtime/ranks.h"
#include "runtime/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds, int64_t count) {
    if (count == 0) return NAN;
    qsort(seconds, (size_t)count, sizeof *seconds, compare);
    return seconds[count / 2];
}

static bool open_rehearsal(Trainer *t, char **log, size_t *length) {
    if (!couplet_trainer_open_data(t) || !couplet_trainer_open_schedule(t) ||
        !couplet_trainer_compare_ranks(t, "train --dry-run") || !couplet_trainer_open_session(t))
        return false;
    const Clock *last = &t->clocks[couplet_trainer_stages(t) - 1];
    t->session->total_steps = last->first + last->steps;
    couplet_trainer_set_stage(t);
    t->metrics = open_memstream(log, length);
    if (!t->metrics) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    return couplet_trainer_enter_phase(t, couplet_program_phase(t->program, 0, 0, 0)) &&
           couplet_trainer_begin_sources(t);
}

static void measure_bytes(const Trainer *t, CoupletRehearsal *r) {
    r->arena_bytes = couplet_ranks_arena(t->device, t->program->train);
    for (int i = 0; i < t->program->state_count; i++)
        r->state_bytes += (int64_t)couplet_state_bytes(&t->program->states[i]);
    for (int i = 0; i < t->program->source_count; i++) {
        const CoupletTable *table = &t->sources.data[i];
        for (int f = 0; f < table->field_count; f++)
            r->data_bytes += table->held * couplet_field_bytes(&table->fields[f]);
    }
}

/* Notes the counts of the group at the beginning of the steps. */
static void begin_network(const Trainer *t, CoupletRehearsal *r) {
    r->ranks = t->group->ranks;
    r->sent_bytes = (double)t->group->sent_bytes;
    r->waited_seconds = t->group->waited;
}

static void measure_network(const Trainer *t, CoupletRehearsal *r) {
    const double made = r->made > 0 ? (double)r->made : 1;
    r->sent_bytes = ((double)t->group->sent_bytes - r->sent_bytes) / made;
    r->waited_seconds = (t->group->waited - r->waited_seconds) / made;
}

static bool is_over(const CoupletRehearsal *r, double since) {
    return r->made >= r->steps || (r->seconds > 0 && r->made >= 3 && since > r->seconds);
}

/* Sets *goes_on, equally on all ranks. Without that they would decide differently, because the
 * clocks of ranks differ, and a signal may reach one of them alone. */
static bool decide(Trainer *t, const CoupletRehearsal *r, double began, bool *goes_on) {
    *goes_on =
        !is_over(r, couplet_trainer_now() - began) && t->session->step < t->session->total_steps;
    if (!couplet_trainer_take_from_first(t, goes_on, sizeof *goes_on) ||
        !couplet_trainer_hear_signals(t))
        return false;
    *goes_on = *goes_on && !couplet_trainer_stopped(t);
    return true;
}

static bool make_steps(Trainer *t, CoupletRehearsal *r, double *seconds) {
    const double began = couplet_trainer_now();
    begin_network(t, r);
    for (bool goes_on; decide(t, r, began, &goes_on);) {
        if (!goes_on) return true;
        float loss = NAN;
        const double start = couplet_trainer_now();
        if (r->ahead) r->ahead(r->context, t->session, r->made);
        if (!couplet_trainer_step(t, &loss)) {
            r->diverged = !couplet_trainer_ended_by_signal(t) && r->behind && r->made > 0;
            return r->diverged;
        }
        seconds[r->made++] = couplet_trainer_now() - start;
        if (r->behind && !r->behind(r->context, r->made - 1, loss)) return true;
    }
    return false;
}

CoupletRunEnd couplet_rehearse(const CoupletProgram *program, const CoupletTrainOptions *options,
                               CoupletRehearsal *r, char *error, size_t error_bytes) {
    Trainer t;
    CoupletTrainOptions quiet = *options;
    char *log = NULL;
    size_t length;
    quiet.quiet = true;
    quiet.give_every = 0;
    couplet_trainer_init(&t, program, &quiet, error, error_bytes);
    t.rehearses = true;
    double *seconds = malloc(sizeof *seconds * (size_t)(r->steps + 1));
    if (!seconds) snprintf(error, error_bytes, "out of memory");
    bool good = seconds && open_rehearsal(&t, &log, &length);
    if (good) {
        r->total_steps = t.session->total_steps;
        r->per_epoch = t.per_epoch;
        measure_bytes(&t, r);
        good = make_steps(&t, r, seconds);
        measure_network(&t, r);
    }
    if (good && r->made > 0) {
        const double first = seconds[0];
        r->step_seconds = r->made > 1 ? median(seconds + 1, r->made - 1) : first;
        r->first_seconds = fmax(0, first - r->step_seconds);
    }
    couplet_trainer_end_ranks(&t, good);
    const bool was_stopped = couplet_trainer_stopped(&t);
    couplet_trainer_close(&t);
    free(log);
    free(seconds);
    if (was_stopped) return COUPLET_RUN_STOPPED;
    return good ? COUPLET_RUN_DONE : COUPLET_RUN_FAILED;
}
