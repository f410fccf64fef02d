/* Prints the progress of a run, and logs its steps and epochs. */
#include "runtime/trainer.h"

#include "runtime/evaluate.h"
#include "runtime/range.h"
#include "runtime/ranks.h"
#include "runtime/terminal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void couplet_trainer_say(Trainer *t, const char *format, ...) {
    if (t->options->quiet) return;
    va_list args;
    va_start(args, format);
    bool written = vfprintf(t->options->out, format, args) >= 0 && fflush(t->options->out) == 0;
    if (!written && !t->output_fault) {
        t->output_fault = errno ? errno : EIO;
    }
    va_end(args);
}

/* Returns false with a sentence if something could not be printed, since a lost line is an
 * error. */
bool couplet_trainer_was_heard(Trainer *t) {
    if (t->output_fault)
        snprintf(t->error, t->error_bytes, "standard output cannot be written: %s",
                 strerror(t->output_fault));
    return !t->output_fault;
}

void couplet_trainer_erase_line(Trainer *t) {
    if (t->terminal) couplet_trainer_say(t, "\r\033[K");
}

enum { NAME_COLUMN = 14 };

void couplet_trainer_say_number(Trainer *t, const char *of, const char *name, double value) {
    const double size = fabs(value);
    const bool is_plain = size == 0 || (size >= 0.001 && size < 100000);
    couplet_trainer_say(t, is_plain ? "%-16s %-*s %8.4f\n" : "%-16s %-*s %8.2e\n", of, NAME_COLUMN,
                        name, value);
}

void couplet_trainer_note(void *context, const char *sentence) {
    couplet_trainer_say(context, "note: %s\n", sentence);
}

void couplet_trainer_say_line(void *context, const char *line) {
    couplet_trainer_say(context, "%s\n", line);
}

/* Returns the views per second in this epoch, or in its part since a resume. */
static double views_per_second(const Trainer *t) {
    double seconds = couplet_trainer_now() - t->rate_started;
    return seconds > 0 ? (double)((t->session->step - t->rate_step) *
                                  (couplet_trainer_stage(t) ? couplet_trainer_stage(t)->views
                                                            : t->program->views)) /
                             seconds
                       : 0;
}

/* Writes named losses, of the last step or over the epoch, as in "near 1.2345, length 0.0500". */
static const char *named_losses(const Trainer *t, bool of_epoch, char *out, size_t bytes) {
    const CoupletSession *s = t->session;
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < t->program->loss_count && used < bytes; i++) {
        const CoupletMean *m = &s->named[i];
        const double value = of_epoch ? (m->count ? m->sum / (double)m->count : NAN) : m->latest;
        if (!isnan(value))
            used += (size_t)snprintf(out + used, bytes - used, "%s%s %.4f", used ? ", " : "",
                                     t->program->losses[i].name, value);
    }
    return out;
}

/* ---- rates and gradients --------------------------------------------------------------------- */

static CoupletHyper hyper_of(const char *name, double value) {
    return (CoupletHyper){.name = name, .value = value};
}

/* Returns rate number `rate` of the phase, as the last step used it. */
static double rate_of(const Trainer *t, int rate) {
    const CoupletSession *s = t->session;
    const CoupletProgram *p = t->program;
    const int64_t step = s->step - s->stage_first - 1;
    CoupletHyper *numbers = malloc(sizeof *numbers * (size_t)(p->hyper_count + 3));
    int count = 0;
    if (!numbers) return NAN;
    for (int i = 0; i < p->hyper_count; i++) {
        const bool is_own = (float)p->hypers[i].value == s->hyper_reals[i];
        numbers[count++] =
            hyper_of(p->hypers[i].name, is_own ? p->hypers[i].value : (double)s->hyper_reals[i]);
    }
    numbers[count++] = hyper_of("step", (double)step);
    numbers[count++] =
        hyper_of("steps", (double)(s->stage_steps ? s->stage_steps : s->total_steps));
    numbers[count++] = hyper_of("epoch", (double)(step / t->per_epoch));
    const double value = couplet_range_value(t->phase->rates[rate].formula, numbers, count);
    free(numbers);
    return value;
}

/* Returns the length of the last step's gradients, or NAN if the step does not measure it. */
static double gradient_norm(const Trainer *t) {
    static const char name[] = "gradient norm";
    const float *value =
        couplet_plan_output(t->phase->train, name) ? couplet_run_output(t->run, name) : NULL;
    return value ? (double)*value : NAN;
}

/* ---- the line of progress -------------------------------------------------------------------- */

enum {
    PIECE_BYTES = 240,
    PIECES = 7,
};

/* A part of the line of progress. If the terminal is too narrow, parts of the highest `rank` are
 * left out first. */
typedef struct Piece {
    char text[PIECE_BYTES];
    int rank;
} Piece;

/* Writes a time such as "2:05" or "1:02:05". */
static void write_time(double seconds, char *out, size_t bytes) {
    const int64_t whole = (int64_t)fmin(fmax(seconds, 0), 1e9);
    if (whole < 3600)
        snprintf(out, bytes, "%" PRId64 ":%02" PRId64, whole / 60, whole % 60);
    else
        snprintf(out, bytes, "%" PRId64 ":%02" PRId64 ":%02" PRId64, whole / 3600, whole / 60 % 60,
                 whole % 60);
}

/* Estimates the time that the remaining steps take, from those that this process has made. */
static double seconds_left(const Trainer *t) {
    const CoupletSession *s = t->session;
    const int64_t made = s->step - t->pace_step;
    if (made <= 0) return 0;
    return (couplet_trainer_now() - t->pace_started) / (double)made *
           (double)(s->total_steps - s->step);
}

/* Writes the parts of the line of progress, and the ranks by which they are left out. */
static void fill_pieces(const Trainer *t, float loss, Piece pieces[PIECES]) {
    const CoupletSession *s = t->session;
    const CoupletStage *stage = couplet_trainer_stage(t);
    char left[40];
    write_time(seconds_left(t), left, sizeof left);
    snprintf(pieces[0].text, PIECE_BYTES, "%.80s%sepoch %" PRId64 "/%.9g", stage ? stage->name : "",
             stage ? ": " : "", s->epoch + 1, stage ? stage->epochs : t->program->epochs);
    snprintf(pieces[1].text, PIECE_BYTES, "step %" PRId64 "/%" PRId64, s->step, s->total_steps);
    snprintf(pieces[2].text, PIECE_BYTES, "loss %.4f", (double)loss);
    named_losses(t, false, pieces[3].text, PIECE_BYTES);
    if (s->loss_count > 0)
        snprintf(pieces[3].text + strlen(pieces[3].text), PIECE_BYTES - strlen(pieces[3].text),
                 "%smean %.4f", *pieces[3].text ? ", " : "", s->loss_sum / (double)s->loss_count);
    pieces[4].text[0] = 0;
    if (t->phase->rate_count) {
        snprintf(pieces[4].text, PIECE_BYTES, "rate %.3g", rate_of(t, 0));
    }
    snprintf(pieces[5].text, PIECE_BYTES, "%.0f views/s", views_per_second(t));
    snprintf(pieces[6].text, PIECE_BYTES, "%s left", left);
    static const int ranks[PIECES] = {0, 3, 1, 6, 5, 4, 2};
    for (int i = 0; i < PIECES; i++)
        pieces[i].rank = ranks[i];
}

/* Joins the parts that fit into `width` columns. If `width` is 0, all do. */
static void join_pieces(const Piece pieces[PIECES], int width, char *out, size_t bytes) {
    for (int most = PIECES; most >= 0; most--) {
        size_t used = 0;
        out[0] = 0;
        for (int i = 0; i < PIECES && used < bytes; i++)
            if (pieces[i].rank < most && *pieces[i].text)
                used += (size_t)snprintf(out + used, bytes - used, "%s%s", used ? "  " : "",
                                         pieces[i].text);
        if (width == 0 || used < (size_t)width || most == 1) break;
    }
    if (width > 0 && strlen(out) >= (size_t)width) out[width - 1] = 0;
}

/* Shows a step. On a terminal, one line is written again and again. Elsewhere, lines within an
 * epoch are at least ten seconds, and a tenth of the epoch, apart. */
void couplet_trainer_show_step(Trainer *t, float loss) {
    enum { TENTHS = 10 };
    const double now = couplet_trainer_now();
    const double since = now - t->line_at;
    const int64_t made = t->session->step - t->session->stage_first;
    if (t->options->quiet || since < (t->terminal ? 0.1 : 10)) return;
    if (!t->terminal &&
        (made % t->per_epoch == 0 || (t->session->step - t->line_step) * TENTHS < t->per_epoch))
        return;
    Piece pieces[PIECES];
    char line[PIECES * (PIECE_BYTES + 2)];
    const int width = t->terminal ? couplet_terminal_width(t->options->out) : 0;
    fill_pieces(t, loss, pieces);
    join_pieces(pieces, width, line, sizeof line);
    t->line_at = now;
    t->line_step = t->session->step;
    if (t->terminal)
        couplet_trainer_say(t, t->colours ? "\r\033[K\033[36m%s\033[0m" : "\r\033[K%s", line);
    else
        couplet_trainer_say(t, "%s\n", line);
}

/* ---- rows of steps and epochs ---------------------------------------------------------------- */

/* Logs a row, with the named losses behind it: those of the last step under their names, or those
 * of the epoch with "epoch_" before them. */
static bool row_with_losses(Trainer *t, const CoupletMetric *row, int count, bool of_epoch) {
    enum { KEY_BYTES = 300 };
    const int named = t->program->loss_count;
    const CoupletStage *stage = couplet_trainer_stage(t);
    CoupletMetric *all = malloc(sizeof *all * (size_t)(count + named + 1));
    char(*keys)[KEY_BYTES] = malloc(sizeof *keys * (size_t)(named + 1));
    if (all) memcpy(all, row, sizeof *all * (size_t)count);
    for (int i = 0; all && keys && i < named; i++) {
        const CoupletMean *m = &t->session->named[i];
        snprintf(keys[i], KEY_BYTES, "%s%s", of_epoch ? "epoch_" : "", t->program->losses[i].name);
        if (of_epoch ? m->count > 0 : !isnan(m->latest))
            all[count++] =
                (CoupletMetric){keys[i], of_epoch ? m->sum / (double)m->count : m->latest, NULL};
    }
    bool good = all && keys;
    if (!good) snprintf(t->error, t->error_bytes, "out of memory");
    if (good && stage) all[count++] = (CoupletMetric){"stage", 0, stage->name};
    good = good && couplet_trainer_row(t, all, count);
    free(all);
    free(keys);
    return good;
}

bool couplet_trainer_log_step(Trainer *t, float loss) {
    const CoupletSession *s = t->session;
    const int rates = t->phase->rate_count;
    const double epoch = (double)(s->step - s->stage_first) / (double)t->per_epoch;
    const double norm = gradient_norm(t);
    CoupletMetric *row = malloc(sizeof *row * (size_t)(rates + 4));
    int count = 0;
    if (!row) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    row[count++] = (CoupletMetric){"step", (double)s->step, NULL};
    row[count++] = (CoupletMetric){"epoch", epoch, NULL};
    row[count++] = (CoupletMetric){"loss", (double)loss, NULL};
    for (int i = 0; i < rates; i++)
        row[count++] = (CoupletMetric){t->phase->rates[i].name, rate_of(t, i), NULL};
    if (!isnan(norm)) row[count++] = (CoupletMetric){"gradient_norm", norm, NULL};
    const bool good = row_with_losses(t, row, count, false);
    free(row);
    return good;
}

/* Returns the deviation of the last step's embedding, or NAN if the step has none. */
static double deviation(const Trainer *t) {
    const CoupletBuffer *b = couplet_plan_output(t->phase->train, "embedding");
    const float *embedding = b ? couplet_run_output(t->run, "embedding") : NULL;
    if (!embedding) return NAN;
    int64_t views = b->rank == 3 ? b->shape[0] : 1;
    return couplet_embedding_deviation(embedding, views * b->shape[b->rank - 2],
                                       b->shape[b->rank - 1]);
}

bool couplet_trainer_end_epoch(Trainer *t) {
    const CoupletSession *s = t->session;
    double mean = s->loss_count ? s->loss_sum / (double)s->loss_count : NAN;
    double spread = deviation(t);
    double rate = views_per_second(t);
    couplet_trainer_erase_line(t);
    char watch[48] = "";
    if (!isnan(spread)) {
        snprintf(watch, sizeof watch, "embedding deviation %.3f   ", spread);
    }
    char named[400];
    const CoupletStage *stage = couplet_trainer_stage(t);
    const int64_t epochs = (s->step - s->stage_first) / t->per_epoch;
    if (stage) couplet_trainer_say(t, "%s: ", stage->name);
    named_losses(t, true, named, sizeof named);
    couplet_trainer_say(t, "epoch %-3" PRId64 " loss %.4f%s%s%s   %s%.0f views/s\n", epochs, mean,
                        *named ? " (" : "", named, *named ? ")" : "", watch, rate);
    t->line_at = couplet_trainer_now();
    t->line_step = s->step;
    if (spread < COUPLET_COLLAPSED && !t->warned) {
        couplet_trainer_say(
            t,
            "%swarning:%s the embedding has collapsed: its rows all but agree (deviation %.3f, 1 "
            "is spread out)\n",
            t->colours ? "\033[1;33m" : "", t->colours ? "\033[0m" : "", spread);
        t->warned = true;
    }
    couplet_trainer_start_clock(t);
    const CoupletMetric row[] = {{"step", (double)s->step, NULL},
                                 {"epochs", (double)epochs, NULL},
                                 {"epoch_loss", mean, NULL},
                                 {"embedding_deviation", spread, NULL},
                                 {"views_per_second", rate, NULL}};
    return row_with_losses(t, row, 5, true);
}

/* Prints what the run is about to do, as in `simclr: 60000 samples, batch 256, 1170 steps, 207 MB
 * for a step, 2 threads, run folder ..`. Batches are those of the sources that the step draws from.
 * The source that sets the epoch comes first: `batch 256, 64 of few`. */
void couplet_trainer_say_size(Trainer *t) {
    const int64_t steps = t->session->total_steps;
    const int threads = couplet_threads_count(t->threads);
    const int at = t->program->train_source;
    couplet_trainer_say(t, "%s: ", t->program->name);
    if (at >= 0) {
        couplet_trainer_say(t, "%lld samples, ", (long long)t->sources.data[at].count);
    }
    if (at >= 0 && !t->program->stage_count)
        couplet_trainer_say(t, "batch %lld, ", (long long)t->program->sources[at].batch);
    for (int i = 0; i < t->program->source_count && !t->program->stage_count; i++)
        if (i != at && t->program->sources[i].drawn)
            couplet_trainer_say(t, "%lld of %s, ", (long long)t->program->sources[i].batch,
                                t->program->sources[i].name);
    for (int i = 0; i < t->program->stage_count; i++)
        couplet_trainer_say(t, "%s %" PRId64 " steps, ", t->program->stages[i].name,
                            t->clocks[i].steps);
    couplet_trainer_say(t, "%" PRId64 " step%s, ", steps, steps == 1 ? "" : "s");
    couplet_trainer_say(t, "%.0f MB for a step, ",
                        (double)couplet_ranks_arena(t->device, t->program->train) / 1e6);
    if (t->group->ranks > 1)
        couplet_trainer_say(t, "%d ranks%s, each of ", t->group->ranks,
                            t->options->unordered ? " that add in any order" : "");
    couplet_trainer_say(t, "%d thread%s, run folder %s\n", threads, threads == 1 ? "" : "s",
                        t->options->folder->path);
}

void couplet_trainer_say_resumed(Trainer *t) {
    const CoupletSession *s = t->session;
    char options[200];
    couplet_record_changed_options(&t->now, s->step, options, sizeof options);
    couplet_trainer_say(t, "going on from step %" PRId64 " of %s\n", s->step, t->checkpoint);
    if (!t->loaded.same_plan)
        couplet_trainer_say(t,
                            "note: the checkpoint was made by other machine code%s%s; the run is "
                            "continued, but not exactly to the bit\n",
                            *options ? ": options have changed since, " : "", options);
    else if (t->options->unordered && t->group->ranks > 1)
        couplet_trainer_say(t, "note: the ranks add in any order (--unordered), so the run is not "
                               "the same to the bit on any number of them, nor once more\n");
    if (t->old_steps != s->total_steps)
        couplet_trainer_say(
            t, "note: the schedule spanned %" PRId64 " steps and now spans %" PRId64 "\n",
            t->old_steps, s->total_steps);
}
