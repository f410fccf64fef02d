/* Fine-tunes a network as an evaluation (finetune.h). */
#include "runtime/finetune.h"

#include "runtime/executor.h"
#include "runtime/random.h"
#include "runtime/samples.h"
#include "runtime/undo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Tuning {
    CoupletSession *s;
    const CoupletEval *e;
    const CoupletFinetuneRows *from;
    const void **columns; /* the bank's columns, by field of the plan */
    CoupletSamples samples;
    char **batch; /* by field of the plan */
    void **inputs;
    int32_t *order; /* [from->count] */
    int32_t step;
    int32_t steps;
    CoupletRun *run;
    char *error;
    size_t error_bytes;
} Tuning;

static bool fail(const Tuning *t, const char *sentence) {
    snprintf(t->error, t->error_bytes, "%s: error: fine-tuning: %s", t->e->place, sentence);
    return false;
}

static bool fail_on_device(const Tuning *t) {
    const CoupletDevice *d = t->s->device;
    return fail(t, d->fault.kind ? d->fault.sentence : "out of memory");
}

/* ---- the steps ------------------------------------------------------------------------------- */

/* Allocates an array for a batch of each field, and binds it to the plan's input. */
static bool bind_fields(Tuning *t) {
    const CoupletPlan *plan = t->e->tune;
    const CoupletBuffer *b;
    for (int f = 0; (b = couplet_features_field(plan, f, NULL)); f++) {
        t->batch[f] = malloc((size_t)(couplet_buffer_count(b) * couplet_type_bytes(b->type)));
        if (!t->batch[f]) return false;
        for (int i = 0; i < plan->input_count; i++)
            if (&plan->buffers[plan->inputs[i].buffer] == b) t->inputs[i] = t->batch[f];
    }
    return true;
}

/* Sets the clock of the schedule, which counts the steps of the fine-tuning. */
static void bind_clock(Tuning *t) {
    const int step = couplet_plan_input(t->e->tune, "step");
    const int steps = couplet_plan_input(t->e->tune, "steps");
    couplet_session_scalars(t->s, t->e->tune, t->inputs);
    if (step >= 0) t->inputs[step] = &t->step;
    if (steps >= 0) t->inputs[steps] = &t->steps;
}

static bool open_tuning(Tuning *t) {
    const CoupletPlan *plan = t->e->tune;
    const size_t fields = (size_t)couplet_features_field_count(plan) + 1;
    t->columns = malloc(fields * sizeof *t->columns);
    t->batch = calloc(fields, sizeof *t->batch);
    t->inputs = calloc((size_t)plan->input_count + 1, sizeof *t->inputs);
    t->order = malloc(((size_t)t->from->count + 1) * sizeof *t->order);
    if (!t->columns || !t->batch || !t->inputs || !t->order || !bind_fields(t))
        return fail(t, "out of memory");
    bind_clock(t);
    return couplet_samples_of(plan, t->from->bank, t->columns, &t->samples, t->error,
                              t->error_bytes) &&
           ((t->run = couplet_run_on(t->s->device, plan)) != NULL || fail_on_device(t));
}

static void close_tuning(Tuning *t) {
    couplet_run_free(t->run);
    for (int f = 0; t->batch && f < couplet_features_field_count(t->e->tune); f++)
        free(t->batch[f]);
    free(t->columns);
    free(t->batch);
    free(t->inputs);
    free(t->order);
}

/* Shuffles the rows (Fisher, Yates), in the same way in every run. */
static void shuffle(Tuning *t, int64_t epoch) {
    enum { SITE = 0x46494e45 };
    for (int64_t i = 0; i < t->from->count; i++)
        t->order[i] = t->from->rows[i];
    for (int64_t i = t->from->count - 1; i > 0; i--) {
        const uint32_t drawn = couplet_random_bits(0, 0, (uint32_t)epoch, SITE, (uint64_t)i, 0);
        const int64_t other = (int64_t)(drawn % (uint64_t)(i + 1));
        const int32_t row = t->order[i];
        t->order[i] = t->order[other];
        t->order[other] = row;
    }
}

/* Fills the batch from position `first` of the order on. Behind the end the order begins again. */
static void fill_batch(Tuning *t, int64_t first, int64_t batch) {
    for (int f = 0; couplet_features_field(t->e->tune, f, NULL); f++) {
        const int64_t bytes = couplet_features_field_bytes(t->e->tune, f);
        for (int64_t i = 0; i < batch; i++) {
            const int64_t sample = t->order[(first + i) % t->from->count];
            const int64_t row = t->samples.origin ? t->samples.origin[sample] : sample;
            memcpy(t->batch[f] + i * bytes, (const char *)t->samples.rows[f] + row * bytes,
                   (size_t)bytes);
        }
    }
}

static bool make_step(Tuning *t) {
    CoupletFault fault;
    if (couplet_run_steps(t->run, t->inputs, t->s->states, &fault) &&
        couplet_run_finite(t->run, &fault) &&
        couplet_run_commit(t->run, t->s->states, t->s->program->states, &fault))
        return true;
    couplet_fault_text(&fault, "in fine-tuning", t->error, t->error_bytes);
    return false;
}

static bool train_epochs(Tuning *t) {
    const int64_t batch = couplet_features_field(t->e->tune, 0, NULL)->shape[0];
    const int64_t per_epoch = (t->from->count + batch - 1) / batch;
    const int64_t epochs = (int64_t)t->e->epochs;
    if (epochs > INT32_MAX / per_epoch) return fail(t, "more steps than a run may have");
    t->steps = (int32_t)(epochs * per_epoch);
    for (t->step = 0; t->step < t->steps; t->step++) {
        if (couplet_threads_stopped(t->s->threads)) return false;
        if (t->step % per_epoch == 0) shuffle(t, t->step / per_epoch);
        fill_batch(t, t->step % per_epoch * batch, batch);
        if (!make_step(t)) return false;
    }
    return true;
}

/* ---- the queries ----------------------------------------------------------------------------- */

/* Returns a copy of a state from malloc, or NULL if the device fails or memory is out. */
static float *read_state(const Tuning *t, int slot) {
    CoupletDevice *d = t->s->device;
    const int64_t bytes = (int64_t)couplet_state_bytes(&t->s->program->states[slot]);
    float *values = malloc((size_t)bytes + 1);
    if (values && d->calls->read(d, values, t->s->states[slot], 0, bytes)) return values;
    free(values);
    return NULL;
}

/* Returns the class with the highest log-odds for a row of features. */
static int32_t told(const float *row, const float *weights, const float *bias, int64_t classes,
                    int64_t width) {
    int32_t best = 0;
    double highest = -INFINITY;
    for (int64_t c = 0; c < classes; c++) {
        double odds = bias[c];
        for (int64_t d = 0; d < width; d++)
            odds += (double)row[d] * weights[c * width + d];
        if (odds <= highest) continue;
        highest = odds;
        best = (int32_t)c;
    }
    return best;
}

/* Computes the percentage of queries whose class the classifier predicts from their features. */
static bool tell_accuracy(const Tuning *t, const float *features, double *percent) {
    const CoupletStateInfo *info = &t->s->program->states[t->e->weights];
    const int64_t count = t->from->query->count;
    const int64_t classes = info->shape[0];
    const int64_t width = info->shape[1];
    float *weights = read_state(t, t->e->weights);
    float *bias = read_state(t, t->e->bias);
    int64_t right = 0;
    for (int64_t i = 0; weights && bias && i < count; i++)
        right += told(features + i * width, weights, bias, classes, width) == t->from->wanted[i];
    *percent = 100 * (double)right / (double)count;
    const bool good = weights && bias;
    free(weights);
    free(bias);
    return good || fail_on_device(t);
}

/* Computes the features of the queries with the tuned network, and the percentage. */
static bool tell_queries(const Tuning *t, double *percent) {
    const CoupletPlan *plan = couplet_program_features(t->s->program, t->e->features);
    const CoupletTable *query = t->from->query;
    const void **columns =
        malloc(((size_t)couplet_features_field_count(plan) + 1) * sizeof *columns);
    const int64_t width = couplet_session_width(t->s, t->e->features);
    float *features = malloc((size_t)(query->count * width) * sizeof *features + 1);
    CoupletSamples samples;
    bool good = columns && features ? true : fail(t, "out of memory");
    good = good && couplet_samples_of(plan, query, columns, &samples, t->error, t->error_bytes) &&
           couplet_session_features(t->s, t->e->features, &samples, features, t->error,
                                    t->error_bytes) &&
           tell_accuracy(t, features, percent);
    free(columns);
    free(features);
    return good;
}

bool couplet_finetune(CoupletSession *s, const CoupletEval *e, const CoupletFinetuneRows *rows,
                      double *percent, char *error, size_t error_bytes) {
    Tuning t = {.s = s, .e = e, .from = rows, .error = error, .error_bytes = error_bytes};
    CoupletUndo undo;
    *error = 0;
    bool good = couplet_undo_begin(&undo, s) && couplet_undo_keep_plan(&undo, e->tune)
                    ? true
                    : fail_on_device(&t);
    if (good) {
        good = open_tuning(&t) && train_epochs(&t) && tell_queries(&t, percent);
        if (!couplet_undo_put_back(&undo) && good) {
            good = fail_on_device(&t);
        }
        close_tuning(&t);
    }
    couplet_undo_end(&undo);
    return good;
}
