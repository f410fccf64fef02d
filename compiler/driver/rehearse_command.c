/* couplet train --dry-run, and couplet find: show what the first steps of a run tell about it.
 * Neither writes into a run folder. */
#include "runtime/rehearse.h"

#include "compiler/driver/gnuplot.h"
#include "compiler/driver/rehearsal.h"
#include "compiler/driver/report.h"
#include "compiler/driver/span.h"
#include "compiler/driver/temporary.h"
#include "runtime/files.h"
#include "runtime/interrupt.h"
#include "runtime/numbers.h"
#include "runtime/range.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int exit_status(CoupletRunEnd end, const char *error) {
    switch (end) {
    case COUPLET_RUN_FAILED:
    case COUPLET_RUN_REFUSED:
        report_error(CODE_RUN_STOPPED, error);
        return 1;
    case COUPLET_RUN_STOPPED:
        return couplet_interrupt_status();
    case COUPLET_RUN_DONE:
        return 0;
    }
    return 1;
}

/* ---- couplet train --dry-run ----------------------------------------------------------------- */

static void print_bytes(const char *before, int64_t bytes, const char *of) {
    const double size = (double)bytes;
    if (size < 1e9)
        printf("%s%.1f MB%s", before, size / 1e6, of);
    else
        printf("%s%.2f GB%s", before, size / 1e9, of);
}

/* Prints a time as "0.35 s", "2:05" or "1:02:05". */
static void print_time(const char *before, double seconds, const char *of) {
    const long whole = (long)seconds;
    if (seconds < 60)
        printf("%s%.3g s%s", before, seconds, of);
    else if (seconds < 3600)
        printf("%s%ld:%02ld%s", before, whole / 60, whole % 60, of);
    else
        printf("%s%ld:%02ld:%02ld%s", before, whole / 3600, whole / 60 % 60, whole % 60, of);
}

static void print_steps(const CoupletProgram *program, const CoupletRehearsal *r) {
    printf("steps    %lld an epoch", (long long)r->per_epoch);
    if (program->stage_count) {
        printf(" of the stage `%s`", program->stages[0].name);
    }
    printf(", %lld in all\n", (long long)r->total_steps);
    print_time("time     ", r->step_seconds, " a step");
    print_time(", ", r->step_seconds * (double)r->per_epoch, " an epoch");
    print_time(", ", r->step_seconds * (double)r->total_steps, " in all");
    if (program->phase_count > 1)
        printf(", by the first of %d kinds of steps", program->phase_count);
    printf("; evaluations%s come on top\n",
           program->phases[0].action_count ? " and what `every` does" : "");
}

static int print_dry(const CoupletProgram *program, const CoupletRehearsal *r) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%s: %lld steps were tried (the first took ", program->name, (long long)r->made);
    print_time("", r->first_seconds + r->step_seconds, "); nothing is written\n");
    print_steps(program, r);
    if (r->ranks > 1) {
        printf("network  %d ranks", r->ranks);
        print_bytes(", ", (int64_t)r->sent_bytes, " sent by rank 0 in a step");
        printf(", %.3g s of it waited for others\n", r->waited_seconds);
    }
    print_bytes("memory   ", r->arena_bytes, " for a step");
    print_bytes(", ", r->state_bytes, " for parameters and states");
    print_bytes(", ", r->data_bytes, " for data");
    print_bytes("; the process has taken ", (int64_t)usage.ru_maxrss * 1024,
                " at most, with compiling\n");
    const bool good = fflush(stdout) == 0 && !ferror(stdout);
    if (!good) report(CODE_OUTPUT, "standard output cannot be written");
    return good ? 0 : 1;
}

static int rehearse_dry(void *context, const CoupletProgram *program,
                        const CoupletTrainOptions *options) {
    char error[REPORT_BYTES];
    CoupletRehearsal r = {.steps = 20, .seconds = 5};
    (void)context;
    const CoupletRunEnd end = couplet_rehearse(program, options, &r, error, sizeof error);
    return end == COUPLET_RUN_DONE ? print_dry(program, &r) : exit_status(end, error);
}

int train_dry(Arena *arena, Options *options) {
    return train_with(arena, options, rehearse_dry, NULL);
}

/* ---- couplet find: the test ------------------------------------------------------------------ */

/* A range test (Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017, section
 * 3.3). The value grows from step to step, and the loss shows which values train. */
typedef struct Finder {
    Arena *arena;
    const char *name; /* the name of the hyper */
    NumberSpan span;
    const char *out; /* the file of the picture; NULL: none */
    int64_t steps;
    int hyper;
    double *losses;
    double *smoothed;
    double lowest;
    int64_t count;
    bool rose; /* true if the loss rose far above its least value, which ended the test */
    /* the formula of the rate of which the hyper is a factor; NULL: there is none */
    const char *rate;
    double highest; /* the highest rate that the run reaches if the hyper is 1 */
} Finder;

/* `keeps` is the weight that the smoothed loss gives its past. The test ends where the loss is
 * above its least value by `too_high` times its fall, or times its size if that is more. */
static const double keeps = 0.9, too_high = 3;

static double hyper_at(const Finder *f, int64_t step) {
    return span_at(&f->span, f->steps > 1 ? (double)step / (double)(f->steps - 1) : 0);
}

static int64_t steps_of(const CoupletSession *s) {
    return s->stage_steps ? s->stage_steps : s->total_steps;
}

/* Returns the rate at a step of a run of a given length, for a value of the hyper. */
static double rate_at(const Finder *f, const CoupletSession *s, double value, int64_t step,
                      int64_t steps) {
    const CoupletProgram *p = s->program;
    CoupletHyper *numbers = calloc((size_t)p->hyper_count + 3, sizeof *numbers);
    const struct {
        const char *name;
        int64_t value;
    } clocks[] = {{"step", step}, {"steps", steps}, {"epoch", 0}};
    int count = p->hyper_count;
    if (!numbers) return NAN;
    for (int i = 0; i < count; i++)
        numbers[i] = (CoupletHyper){.name = p->hypers[i].name,
                                    .value = i == f->hyper ? value : p->hypers[i].value};
    for (int i = 0; i < 3; i++)
        numbers[count++] = (CoupletHyper){.name = clocks[i].name, .value = (double)clocks[i].value};
    const double rate = couplet_range_value(f->rate, numbers, count);
    free(numbers);
    return rate;
}

/* Finds the rate of which the hyper is a factor, which doubles when the hyper does, and the highest
 * value that it reaches. set_value scales the hyper by both. A schedule that begins with a warm-up
 * would otherwise hide the values of the first steps. */
static void find_rate(Finder *f, const CoupletSession *s) {
    enum { PLACES = 1000 };
    const CoupletPhase *phase = &s->program->phases[0];
    const int64_t steps = steps_of(s);
    for (int i = 0; i < phase->rate_count && !f->rate; i++) {
        f->rate = phase->rates[i].formula;
        const double one = rate_at(f, s, 1, steps / 2, steps);
        const double two = rate_at(f, s, 2, steps / 2, steps);
        if (!(one > 0) || fabs(two - 2 * one) > 1e-9 * two) {
            f->rate = NULL;
        }
    }
    for (int i = 0; f->rate && i <= PLACES; i++)
        f->highest = fmax(f->highest, rate_at(f, s, 1, steps * i / PLACES, steps));
}

static void set_value(void *context, CoupletSession *session, int64_t step) {
    Finder *f = context;
    double value = hyper_at(f, step);
    if (step == 0) find_rate(f, session);
    /* A run of this length keeps schedules of the whole run at their beginning. */
    session->total_steps = COUPLET_MOST_STEPS;
    if (f->rate) {
        const double now = rate_at(f, session, 1, step, steps_of(session));
        if (now > 0) value *= f->highest / now;
    }
    session->hyper_reals[f->hyper] = (float)value;
}

static bool take_loss(void *context, int64_t step, float loss) {
    Finder *f = context;
    const double before = step ? f->smoothed[step - 1] * (1 - pow(keeps, (double)step)) : 0;
    f->losses[step] = (double)loss;
    f->smoothed[step] =
        (keeps * before + (1 - keeps) * (double)loss) / (1 - pow(keeps, (double)step + 1));
    f->count = step + 1;
    f->lowest = fmin(f->lowest, f->smoothed[step]);
    const double fall = f->smoothed[0] - f->lowest;
    f->rose = 4 * step >= f->steps &&
              f->smoothed[step] > f->lowest + too_high * fmax(fall, fabs(f->lowest));
    return !f->rose;
}

/* ---- couplet find: what it says -------------------------------------------------------------- */

/* The step from which on the smoothed loss is a mean of several losses. */
enum { SETTLED = 5 };

/* Returns the step with the least smoothed loss. */
static int64_t least_step(const Finder *f) {
    int64_t least = f->count > SETTLED ? SETTLED : 0;
    for (int64_t i = least + 1; i < f->count; i++)
        if (f->smoothed[i] < f->smoothed[least]) least = i;
    return least;
}

/* Returns how far the smoothed loss strays by chance. The differences of neighbouring steps have
 * twice the variance of one step, of which the weighted mean keeps (1 - keeps) / (1 + keeps). */
static double noise_of(const Finder *f, int64_t count) {
    double squares = 0;
    if (count < 2) return 0;
    for (int64_t i = 1; i < count; i++) {
        const double apart = f->losses[i] - f->losses[i - 1];
        squares += apart * apart;
    }
    const double variance = squares / (double)(count - 1) / 2;
    return sqrt(variance * (1 - keeps) / (1 + keeps));
}

/* Returns the step at which the smoothed loss falls fastest, at or before its least. Returns -1
 * unless it falls by a hundredth of its size and by four times what chance does. */
static int64_t steepest_step(const Finder *f) {
    enum { SIGMAS = 4 };
    const int64_t least = least_step(f);
    const int64_t reach = f->steps / 20 > 1 ? f->steps / 20 : 1;
    int64_t best = -1;
    double steepest = 0;
    double highest = -INFINITY;
    for (int64_t i = f->count > SETTLED ? SETTLED : 0; i <= least; i++)
        highest = fmax(highest, f->smoothed[i]);
    const double fall = highest - f->smoothed[least];
    if (fall < fmax(0.01 * fabs(highest), SIGMAS * noise_of(f, least + 1))) return -1;
    for (int64_t i = SETTLED + reach; i + reach < f->count && i <= least; i++) {
        const double slope = f->smoothed[i + reach] - f->smoothed[i - reach];
        if (slope < steepest) {
            steepest = slope;
            best = i;
        }
    }
    return best;
}

static void print_table(const Finder *f) {
    enum { ROWS = 15 };
    printf("%12s %12s %12s\n", f->name, "loss", "smoothed");
    int64_t last = -1;
    for (int row = 0; row < ROWS; row++) {
        const int64_t i = row * (f->count - 1) / (ROWS - 1);
        if (i == last) continue;
        printf("%12.4g %12.5g %12.5g\n", hyper_at(f, i), f->losses[i], f->smoothed[i]);
        last = i;
    }
}

static void print_suggestion(const Finder *f, const CoupletRehearsal *r) {
    const int64_t best = steepest_step(f);
    const int64_t least = least_step(f);
    if (best < 0) {
        printf("no value of `%s` is suggested: the smoothed loss does not fall beyond chance; "
               "--range takes other values, --steps more of them\n",
               f->name);
        return;
    }
    printf("suggested: %s = %.2g\n", f->name, hyper_at(f, best));
    printf("    the smoothed loss falls fastest there; it is least, %.5g, at %.2g",
           f->smoothed[least], hyper_at(f, least));
    if (r->diverged)
        printf(", and the step with %.2g met a number that is not finite\n", hyper_at(f, f->count));
    else if (f->rose)
        printf(", and far above that at %.2g, where the test ended\n", hyper_at(f, f->count - 1));
    else
        printf("; it did not rise far above that up to %.2g\n", hyper_at(f, f->count - 1));
}

static void write_curve(const Finder *f, Text *text, const char *name, const double *values) {
    text_printf(text, "$%s << EOD\n", name);
    for (int64_t i = 0; i < f->count; i++)
        text_printf(text, "%.9g %.9g\n", hyper_at(f, i), values[i]);
    text_printf(text, "EOD\n");
}

/* Plots both curves. A loss that diverges must not flatten the rest of them. */
static void plot_losses(const Finder *f, Text *out) {
    const double low = f->smoothed[least_step(f)];
    double high = f->smoothed[0];
    for (int64_t i = 1; i <= least_step(f); i++)
        high = fmax(high, f->smoothed[i]);
    text_printf(out,
                "set yrange [%.9g:%.9g]\nplot $losses with points pt 7 ps 0.3 lc rgb '#bbbbbb' "
                "title 'of each step', $smoothed with lines lw 2 lc rgb '%s' title 'smoothed'\n",
                low - 0.3 * fmax(high - low, 0.01 * fabs(low)),
                high + 0.5 * fmax(high - low, 0.01 * fabs(low)), gnuplot_colours[0]);
}

static bool draw_rehearsal(const Finder *f, const char *method) {
    char error[REPORT_BYTES];
    const int64_t best = steepest_step(f);
    const char *script = temporary_file(f->arena);
    const char *picture = gnuplot_file(f->arena, f->out);
    Text text = {0};
    if (!script || !picture) return false;
    write_curve(f, &text, "losses", f->losses);
    write_curve(f, &text, "smoothed", f->smoothed);
    text_printf(&text,
                "set terminal svg size 700,460 font 'Helvetica,13' background '#ffffff'\nset "
                "output %s\nset border 3 lw 0.8\nset tics nomirror out\nset grid ytics lc rgb "
                "'#dddddd'\nset title %s noenhanced\nset xlabel %s noenhanced\nset ylabel "
                "'loss'\n",
                picture, gnuplot_quoted(f->arena, method), gnuplot_quoted(f->arena, f->name));
    if (f->span.is_log) {
        text_printf(&text, "set logscale x\nset format x '%%g'\n");
    }
    if (best >= 0)
        text_printf(&text,
                    "set arrow from %.9g, graph 0 to %.9g, graph 1 nohead lc rgb '%s' dt 2\nset "
                    "label \"%.2g\" at %.9g, graph 0.96 offset 0.6,0\n",
                    hyper_at(f, best), hyper_at(f, best), gnuplot_colours[1], hyper_at(f, best),
                    hyper_at(f, best));
    plot_losses(f, &text);
    bool good = couplet_text_write(script, text.data, error, sizeof error);
    if (!good) report_error(CODE_OUTPUT, error);
    good = good && gnuplot_run(script, "; what was found stands above");
    unlink(script);
    text_free(&text);
    return good;
}

/* ---- couplet find: the command --------------------------------------------------------------- */

static bool find_swept_hyper(Finder *f, const CoupletProgram *program) {
    const char **names = arena_array(f->arena, const char *, program->hyper_count + 1);
    f->hyper = -1;
    for (int i = 0; i < program->hyper_count; i++) {
        names[i] = program->hypers[i].name;
        if (strcmp(program->hypers[i].name, f->name) == 0) f->hyper = i;
    }
    if (f->hyper < 0) {
        const char *near = diag_nearest(f->name, names, program->hyper_count);
        return report_with_help(CODE_SETTING,
                                near ? arena_printf(f->arena, "did you mean `%s`?", near)
                                     : "`hyper lr = 0.1` in the spec, and `lr` in the optimiser, "
                                       "make the rate one",
                                "`%s` has no hyper `%s`", program->spec_path, f->name);
    }
    const CoupletHyper *h = &program->hypers[f->hyper];
    if (h->is_static || h->is_integer)
        return report(CODE_SETTING, "`%s` is %s, and a test goes through real numbers in one run",
                      f->name, h->is_integer ? "a whole number" : "a part of the compiled step");
    return true;
}

/* True if both ends of --range lie in the range of the hyper. Returns false after a message. */
static bool span_holds(const Finder *f, const CoupletProgram *program) {
    const CoupletHyper *h = &program->hypers[f->hyper];
    CoupletHyper *hypers = malloc(sizeof *hypers * (size_t)program->hyper_count);
    bool holds = hypers != NULL;
    if (hypers) {
        memcpy(hypers, program->hypers, sizeof *hypers * (size_t)program->hyper_count);
    }
    for (int end = 0; holds && h->range && end < 2; end++) {
        hypers[f->hyper].value = end ? f->span.high : f->span.low;
        holds = couplet_range_holds(h->range, hypers, program->hyper_count);
    }
    free(hypers);
    return holds || report(CODE_SETTING, "--range %.9g..%.9g leaves the range of `%s`, %s",
                           f->span.low, f->span.high, f->name, h->range ? h->range_text : "");
}

static int find_in(void *context, const CoupletProgram *program,
                   const CoupletTrainOptions *options) {
    Finder *f = context;
    char error[REPORT_BYTES];
    if (!find_swept_hyper(f, program) || !span_holds(f, program)) return 1;
    CoupletRehearsal r = {.steps = f->steps, .ahead = set_value, .behind = take_loss, .context = f};
    f->losses = malloc(sizeof *f->losses * (size_t)f->steps);
    f->smoothed = malloc(sizeof *f->smoothed * (size_t)f->steps);
    if (!f->losses || !f->smoothed) {
        report(CODE_RUN_STOPPED, "out of memory for %lld steps", (long long)f->steps);
        return 1;
    }
    const CoupletRunEnd end = couplet_rehearse(program, options, &r, error, sizeof error);
    if (end != COUPLET_RUN_DONE) return exit_status(end, error);
    printf("%s: %lld of %lld steps, with `%s` from %.4g to %.4g; nothing is written\n",
           program->name, (long long)f->count, (long long)f->steps, f->name, f->span.low,
           f->span.high);
    print_table(f);
    print_suggestion(f, &r);
    if (f->out && !draw_rehearsal(f, program->name)) return 1;
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    report(CODE_OUTPUT, "standard output cannot be written");
    return 1;
}

int find_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(
            arena, &o, "find",
            "set range steps out data skip-bad seed threads device memory shards no-stream "
            "no-fuse [files]",
            argc, argv)) {
        Finder f = {.arena = arena,
                    .span = {.low = 1e-6, .high = 10, .is_log = true},
                    .out = o.out,
                    .steps = o.steps ? o.steps : 100,
                    .lowest = INFINITY};
        const char *logarithmic = arena_printf(arena, "log:%s", o.range ? o.range : "");
        if (o.files.count != 2)
            report(CODE_COMMAND_LINE, "find needs the name of a hyper and a spec: `couplet find lr "
                                      "simclr.cpl`");
        else if (o.range && !span_read(logarithmic, &f.span))
            report(CODE_COMMAND_LINE,
                   "--range is two numbers above 0, the lower one first, like 1e-5..1, and `%s` "
                   "was given",
                   o.range);
        else if (f.steps < 10 || f.steps > COUPLET_MOST_REHEARSED)
            report(CODE_COMMAND_LINE,
                   "--steps of find is a whole number from 10 to %d, and %lld "
                   "was given",
                   COUPLET_MOST_REHEARSED, (long long)f.steps);
        else {
            f.name = o.files.items[0];
            o.file = o.files.items[1];
            status = train_with(arena, &o, find_in, &f);
        }
        free(f.losses);
        free(f.smoothed);
    }
    arena_free(arena);
    return status;
}
