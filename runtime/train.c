#include "runtime/train.h"

#include "runtime/epoch.h"
#include "runtime/evaluate.h"
#include "runtime/evaluation.h"
#include "runtime/files.h"
#include "runtime/metrics.h"
#include "runtime/sources.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char checkpoint_name[] = "checkpoint.safetensors", metrics_name[] = "metrics.jsonl";
static const double collapsed = 0.1; /* of couplet_embedding_deviation, which is about 1 for a spread embedding */

typedef struct Trainer {
    const CoupletProgram *program;
    const CoupletTrainOptions *options;
    CoupletSession *session;
    CoupletThreads *threads;
    CoupletDevice *device, *own_device;
    CoupletSources sources;
    const CoupletPhase *phase;
    CoupletRun *run; /* of the phase */
    void **inputs;
    FILE *metrics;
    char checkpoint[COUPLET_PATH_BYTES], metrics_path[COUPLET_PATH_BYTES];
    double *percents; /* of the evaluations, for the subject measured last */
    int64_t per_epoch, first_step;
    double started, line_at, loss_sum;
    int64_t loss_count;
    bool terminal, warned;
    char *error;
    size_t error_bytes;
} Trainer;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void say(Trainer *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(Trainer *t, const char *format, ...) {
    if (t->options->quiet) return;
    va_list args;
    va_start(args, format);
    vfprintf(t->options->out, format, args);
    va_end(args);
    fflush(t->options->out);
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static bool open_data(Trainer *t) {
    t->percents = calloc((size_t)t->program->eval_count + 1, sizeof *t->percents);
    if (!t->percents) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    return couplet_sources_open(t->program, t->options->data, &t->sources, t->error, t->error_bytes) &&
           couplet_evaluations_fit(t->program, t->sources.data, t->error, t->error_bytes);
}

static bool open_session(Trainer *t) {
    t->threads = couplet_threads_new(t->options->threads);
    if (!t->threads) {
        snprintf(t->error, t->error_bytes, "%d threads cannot be started", t->options->threads);
        return false;
    }
    t->device = t->options->device ? t->options->device : (t->own_device = couplet_host_device_new(t->threads));
    if (!t->device) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    t->session = couplet_session_new(t->program, t->device, t->threads, t->options->seed, t->error, t->error_bytes);
    return t->session != NULL;
}

static bool open_folder(Trainer *t) {
    const CoupletTrainOptions *o = t->options;
    return couplet_path_join(o->folder, checkpoint_name, t->checkpoint, t->error, t->error_bytes) &&
           couplet_path_join(o->folder, metrics_name, t->metrics_path, t->error, t->error_bytes);
}

static bool resume(Trainer *t) {
    bool same_plan = true;
    int64_t steps = t->session->total_steps;
    if (!couplet_session_load(t->session, t->checkpoint, &same_plan, t->error, t->error_bytes)) return false;
    say(t, "going on from step %" PRId64 " of %s\n", t->session->step, t->checkpoint);
    if (!same_plan) say(t, "note: the checkpoint was made by other machine code; the run is continued, but not exactly to the bit\n");
    if (t->session->total_steps != steps)
        say(t, "note: the schedule spanned %" PRId64 " steps and now spans %" PRId64 "\n", t->session->total_steps, steps);
    t->session->total_steps = steps;
    return true;
}

static bool write_settings(Trainer *t) {
    const CoupletProgram *p = t->program;
    char path[COUPLET_PATH_BYTES];
    if (!couplet_path_join(t->options->folder, "spec.cpl", path, t->error, t->error_bytes)) return false;
    if (!couplet_text_write(path, p->spec_text, t->error, t->error_bytes)) return false;
    if (!couplet_path_join(t->options->folder, "settings.json", path, t->error, t->error_bytes)) return false;
    FILE *file = couplet_file_begin(path, t->error, t->error_bytes);
    if (!file) return false;
    fprintf(file, "{\n  \"method\": \"%s\",\n  \"seed\": %" PRIu64 ",\n  \"batch\": %" PRId64 ",\n  \"epochs\": %.9g,\n  \"steps\": %" PRId64, p->name, t->session->seed, p->batch,
            p->epochs, t->session->total_steps);
    fprintf(file, ",\n  \"method_hash\": \"%016" PRIx64 "\",\n  \"plan_hash\": \"%016" PRIx64 "\",\n  \"hypers\": {", p->method_hash, p->plan_hash);
    for (int i = 0; i < p->hyper_count; i++) fprintf(file, "%s\"%s\": %.9g", i ? ", " : "", p->hypers[i].name, p->hypers[i].value);
    fprintf(file, "}\n}\n");
    return couplet_file_commit(path, file, t->error, t->error_bytes);
}

static bool inputs_fit(Trainer *t, const CoupletPlan *plan) {
    for (int i = 0; i < plan->input_count; i++) {
        const CoupletBuffer *b = &plan->buffers[plan->inputs[i].buffer];
        const char *dot = strchr(plan->inputs[i].name, '.');
        if (!dot || strcmp(dot, ".image") != 0) continue;
        for (int s = 0; s < t->program->source_count; s++) {
            const CoupletDataset *data = &t->sources.data[s];
            size_t length = (size_t)(dot - plan->inputs[i].name);
            if (strncmp(t->program->sources[s].name, plan->inputs[i].name, length) != 0 || t->program->sources[s].name[length]) continue;
            if (b->rank == 4 && b->shape[1] == data->shape[0] && b->shape[2] == data->shape[1] && b->shape[3] == data->shape[2]) continue;
            char wanted[COUPLET_SHAPE_BYTES];
            snprintf(t->error, t->error_bytes, "%s: the images are %lld x %lld x %lld, and the method was compiled for %s", data->name, (long long)data->shape[0],
                     (long long)data->shape[1], (long long)data->shape[2], couplet_shape_text(b->rank - 1, b->shape + 1, " x ", wanted));
            return false;
        }
    }
    return true;
}

/* Makes ready to run the steps of a phase; one phase has memory at a time. */
static bool enter_phase(Trainer *t, const CoupletPhase *phase) {
    if (t->phase == phase) return true;
    couplet_run_free(t->run);
    free(t->inputs);
    const CoupletPlan *plan = phase->train;
    t->phase = phase;
    t->run = couplet_run_on(t->device, plan);
    t->inputs = calloc((size_t)plan->input_count + 1, sizeof *t->inputs);
    if (t->run && t->inputs && couplet_sources_attach(&t->sources, t->device, plan, t->run)) return inputs_fit(t, plan);
    snprintf(t->error, t->error_bytes, "a step of this method needs %.0f MB: %s", (double)plan->arena_bytes / 1e6, t->device->fault.sentence);
    return false;
}

/* ---- one step ---------------------------------------------------------------------------------------------------------- */

static bool step(Trainer *t, float *loss) {
    CoupletSession *s = t->session;
    CoupletFault fault;
    s->epoch = s->step / t->per_epoch;
    const CoupletPhase *phase = couplet_program_phase(t->program, s->epoch, s->step);
    if (s->step % t->per_epoch == 0 && !couplet_epoch_begin(s, phase, &t->sources, t->error, t->error_bytes)) return false;
    if (!enter_phase(t, phase)) return false;
    const CoupletPlan *plan = t->phase->train;
    couplet_session_scalars(s, plan, t->inputs);
    couplet_sources_whole(&t->sources, plan, t->inputs);
    couplet_sources_next(&t->sources, plan, t->inputs);
    for (int i = 0; i < plan->input_count; i++) {
        if (t->inputs[i]) continue;
        snprintf(t->error, t->error_bytes, "a fault of the compiler: the step reads `%s`, which nothing provides", plan->inputs[i].name);
        return false;
    }
    bool good = couplet_run_steps(t->run, t->inputs, s->states, &fault) && couplet_run_finite(t->run, &fault);
    const float *value = good ? couplet_run_output(t->run, "loss") : NULL;
    if (good && !value) fault = (CoupletFault){.sentence = t->device->fault.sentence, .source = t->device->name, .kind = t->device->fault.kind};
    if (value) *loss = *value;
    if (!value || !couplet_run_commit(t->run, s->states, t->program->states, &fault)) {
        char when[40];
        snprintf(when, sizeof when, "in step %" PRId64, s->step);
        couplet_fault_text(&fault, when, t->error, t->error_bytes);
        return false;
    }
    s->step++;
    s->epoch = s->step / t->per_epoch;
    return true;
}

/* ---- what is shown and kept -------------------------------------------------------------------------------------------------- */

static void erase_line(Trainer *t) {
    if (t->terminal) say(t, "\r\033[K");
}

static double views_per_second(const Trainer *t) {
    double seconds = now() - t->started;
    return seconds > 0 ? (double)((t->session->step - t->first_step) * t->program->views) / seconds : 0;
}

static void progress_line(Trainer *t, float loss) {
    if (!t->terminal || now() - t->line_at < 0.2) return;
    t->line_at = now();
    const CoupletSession *s = t->session;
    int64_t done = s->step - t->first_step, left = s->total_steps - s->step;
    double seconds = done ? (now() - t->started) / (double)done * (double)left : 0;
    say(t, "\r\033[Kepoch %" PRId64 "/%.9g  step %" PRId64 "/%" PRId64 "  loss %.4f  %.0f views/s  %.0f:%02.0f left", s->epoch + 1, t->program->epochs, s->step,
        s->total_steps, (double)loss, views_per_second(t), floor(seconds / 60), floor(fmod(seconds, 60)));
}

static bool metrics_step(Trainer *t, float loss) {
    const CoupletMetric row[] = {{"step", (double)t->session->step, NULL}, {"epoch", (double)(t->session->step - 1) / (double)t->per_epoch, NULL}, {"loss", (double)loss, NULL}};
    return couplet_metrics_row(t->metrics, t->metrics_path, row, 3, t->error, t->error_bytes);
}

static double deviation(const Trainer *t) {
    const CoupletBuffer *b = couplet_plan_output(t->phase->train, "embedding");
    const float *embedding = b ? couplet_run_output(t->run, "embedding") : NULL;
    if (!embedding) return NAN;
    int64_t views = b->rank == 3 ? b->shape[0] : 1;
    return couplet_embedding_deviation(embedding, views * b->shape[b->rank - 2], b->shape[b->rank - 1]);
}

static bool end_epoch(Trainer *t) {
    const CoupletSession *s = t->session;
    double mean = t->loss_count ? t->loss_sum / (double)t->loss_count : NAN, spread = deviation(t), rate = views_per_second(t);
    erase_line(t);
    char watch[48] = "";
    if (!isnan(spread)) snprintf(watch, sizeof watch, "embedding deviation %.3f   ", spread);
    say(t, "epoch %-3" PRId64 " loss %.4f   %s%.0f views/s\n", s->step / t->per_epoch, mean, watch, rate);
    if (spread < collapsed && !t->warned) {
        say(t, "warning: the embedding has collapsed: its rows all but agree (deviation %.3f, 1 is spread out)\n", spread);
        t->warned = true;
    }
    t->loss_sum = 0;
    t->loss_count = 0;
    const CoupletMetric row[] = {{"step", (double)s->step, NULL},        {"epochs", (double)(s->step / t->per_epoch), NULL}, {"epoch_loss", mean, NULL},
                                 {"embedding_deviation", spread, NULL}, {"views_per_second", rate, NULL}};
    return couplet_metrics_row(t->metrics, t->metrics_path, row, 5, t->error, t->error_bytes);
}

static bool save(Trainer *t) { return couplet_session_save(t->session, t->checkpoint, t->error, t->error_bytes); }

static bool show_results(Trainer *t, CoupletSubject subject) {
    for (int i = 0; i < t->program->eval_count; i++) {
        char name[64];
        couplet_eval_name(&t->program->evals[i], t->program, t->sources.data, name, sizeof name);
        say(t, "%-16s %-14s %6.2f %%\n", couplet_subject_names[subject], name, t->percents[i]);
        if (!t->metrics) continue;
        const CoupletMetric row[] = {{"step", (double)t->session->step, NULL}, {"of", 0, couplet_subject_names[subject]}, {"evaluation", 0, name},
                                     {"percent", t->percents[i], NULL}};
        if (!couplet_metrics_row(t->metrics, t->metrics_path, row, 4, t->error, t->error_bytes)) return false;
    }
    return true;
}

static bool measure(Trainer *t, CoupletSubject subject) {
    if (!t->program->eval_count) return true;
    if (t->terminal) say(t, "evaluating %s ...", couplet_subject_names[subject]);
    bool good = couplet_measure(t->session, t->sources.data, subject, t->percents, t->error, t->error_bytes);
    erase_line(t);
    return good && show_results(t, subject);
}

/* ---- the loop -------------------------------------------------------------------------------------------------------------------- */

static bool stopped(const Trainer *t) { return t->options->stop && *t->options->stop; }

static bool train_steps(Trainer *t, int64_t last) {
    CoupletSession *s = t->session;
    t->started = now();
    t->first_step = s->step;
    while (s->step < last && !stopped(t)) {
        float loss;
        if (!step(t, &loss) || !metrics_step(t, loss)) return false;
        t->loss_sum += (double)loss;
        t->loss_count++;
        progress_line(t, loss);
        bool epoch_ends = s->step % t->per_epoch == 0;
        if (epoch_ends && !end_epoch(t)) return false;
        int64_t every = t->options->checkpoint_every;
        bool due = every ? s->step % every == 0 : epoch_ends;
        if (due && s->step < last && !save(t)) return false;
    }
    erase_line(t);
    return save(t);
}

static bool open_all(Trainer *t) {
    const CoupletTrainOptions *o = t->options;
    if (!open_data(t)) return false;
    const CoupletDataset *data = &t->sources.data[t->program->train_source];
    t->per_epoch = couplet_sources_batches(&t->sources);
    if (t->per_epoch == 0) {
        snprintf(t->error, t->error_bytes, "the batch of %lld is larger than the %lld images of %s", (long long)t->program->sources[t->program->train_source].batch, (long long)data->count, data->name);
        return false;
    }
    if (!open_folder(t)) return false;
    if (!o->resume && access(t->checkpoint, F_OK) == 0) {
        snprintf(t->error, t->error_bytes, "%s: this folder holds a run already; --resume goes on with it, --out FOLDER names another", o->folder);
        return false;
    }
    if (!o->resume && !couplet_folder_make(o->folder, t->error, t->error_bytes)) return false;
    if (!open_session(t)) return false;
    t->session->total_steps = (int64_t)floor(t->program->epochs * (double)t->per_epoch + 1e-9);
    if (t->session->total_steps < 1) t->session->total_steps = 1;
    if (o->resume && !resume(t)) return false;
    if (!enter_phase(t, couplet_program_phase(t->program, t->session->step / t->per_epoch, t->session->step)) || !write_settings(t)) return false;
    t->metrics = couplet_metrics_open(t->metrics_path, o->resume ? t->session->step : -1, t->error, t->error_bytes);
    if (!t->metrics) return false;
    return couplet_sources_begin(&t->sources, t->session->seed, t->session->step, t->error, t->error_bytes);
}

static void close_all(Trainer *t) {
    couplet_run_free(t->run);
    couplet_sources_close(&t->sources);
    couplet_session_free(t->session);
    couplet_device_free(t->own_device);
    couplet_threads_free(t->threads);
    if (t->metrics) fclose(t->metrics);
    free(t->inputs);
    free(t->percents);
}

static void open_trainer(Trainer *t, const CoupletProgram *program, const CoupletTrainOptions *options, char *error, size_t error_bytes) {
    memset(t, 0, sizeof *t);
    t->program = program;
    t->options = options;
    t->error = error;
    t->error_bytes = error_bytes;
    t->terminal = !options->quiet && isatty(fileno(options->out));
}

bool couplet_train(const CoupletProgram *program, const CoupletTrainOptions *options, char *error, size_t error_bytes) {
    Trainer t;
    open_trainer(&t, program, options, error, error_bytes);
    bool good = open_all(&t);
    if (good) {
        CoupletSession *s = t.session;
        bool whole = options->max_steps == 0 || options->max_steps >= s->total_steps;
        int64_t last = whole ? s->total_steps : options->max_steps;
        say(&t, "%s: %lld images, batch %lld, %" PRId64 " steps, %.0f MB for a step, %d threads, run folder %s\n", program->name,
            (long long)t.sources.data[program->train_source].count, (long long)program->batch, s->total_steps, (double)program->train->arena_bytes / 1e6,
            couplet_threads_count(t.threads), options->folder);
        if (whole && !options->resume) good = measure(&t, COUPLET_RAW_PIXELS) && measure(&t, COUPLET_BEFORE_TRAINING);
        good = good && train_steps(&t, last);
        if (good && s->step < s->total_steps)
            say(&t, "stopped after step %" PRId64 " of %" PRId64 "; --resume goes on from here\n", s->step, s->total_steps);
        else good = good && measure(&t, COUPLET_AFTER_TRAINING);
    }
    close_all(&t);
    return good;
}

bool couplet_evaluate(const CoupletProgram *program, const CoupletTrainOptions *options, char *error, size_t error_bytes) {
    Trainer t;
    open_trainer(&t, program, options, error, error_bytes);
    bool same_plan, good = open_data(&t) && open_folder(&t) && open_session(&t);
    if (good && !program->eval_count) {
        snprintf(error, error_bytes, "%s has no `eval` block, so there is nothing to measure", program->spec_path);
        good = false;
    }
    CoupletSession *trained = NULL;
    if (good) { /* the checkpoint first: a damaged one is said before minutes of work */
        trained = couplet_session_new(program, t.device, t.threads, options->seed, error, error_bytes);
        good = trained && couplet_session_load(trained, t.checkpoint, &same_plan, error, error_bytes);
    }
    if (good && trained->seed != t.session->seed) { /* the start that this run had */
        couplet_session_free(t.session);
        t.session = couplet_session_new(program, t.device, t.threads, trained->seed, error, error_bytes);
        good = t.session != NULL;
    }
    good = good && measure(&t, COUPLET_RAW_PIXELS) && measure(&t, COUPLET_BEFORE_TRAINING);
    if (good) {
        couplet_session_free(t.session);
        t.session = trained;
        trained = NULL;
        good = measure(&t, COUPLET_AFTER_TRAINING);
    }
    couplet_session_free(trained);
    close_all(&t);
    return good;
}
