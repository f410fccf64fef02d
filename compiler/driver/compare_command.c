/* couplet compare: trains every spec with every combination of settings and every seed. Each run is
 * a `couplet train` of its own, in a folder of the comparison. Repeating the command continues the
 * comparison: finished runs are not trained again, and interrupted runs go on. */
#include "compiler/driver/compare.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/driver/span.h"
#include "runtime/clock.h"
#include "runtime/files.h"
#include "runtime/hash.h"
#include "runtime/random.h"
#include "runtime/record.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A --set of the command line: a hyper and the values that it takes in turn. */
typedef struct Sweep {
    const char *name;
    /* The values that are tried. With --random they are the values that were drawn, one for each
     * variant. */
    ARRAY(const char *) values;
    bool used;
} Sweep;

typedef struct Request {
    ARRAY(const char *) files;
    ARRAY(Sweep) sweeps;
    ARRAY(const char *) passed; /* the options that are passed on to `couplet train` */
    ARRAY(const char *) hypers; /* the hypers of all specs */
    const char *folder;
    long seeds;
    long first_seed;
    Options options;
} Request;

static volatile sig_atomic_t interrupted; /* the number of the signal that came; 0: none */
static volatile sig_atomic_t child;       /* the process of the current run; 0: none */

/* Notes a signal. On Ctrl-C the terminal sends the signal to the child as well. A signal that
 * someone sent to this process alone is passed on to the child. */
static void note_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    interrupted = number;
    if (info->si_code <= 0 && child > 0) kill((pid_t)child, number);
}

/* ---- the command line ------------------------------------------------------------------------ */

/* Returns draw `number` of a setting, from its list or from its range of numbers. A draw depends on
 * the seed, the name and `number` alone, so a larger --random adds variants and keeps the old
 * ones. */
static const char *draw_value(Arena *arena, const Request *r, const Sweep *list,
                              const NumberSpan *span, int number) {
    const uint64_t seed = (uint64_t)r->options.seed;
    const uint64_t site = couplet_hash(COUPLET_HASH_START, list->name, strlen(list->name));
    const double place = couplet_random_unit((uint32_t)seed, (uint32_t)(seed >> 32), 0,
                                             (uint32_t)(site ^ site >> 32), (uint64_t)number, 0);
    if (!span) return list->values.items[(int)(place * list->values.count)];
    if (!span->is_whole) return arena_printf(arena, "%.6g", span_at(span, place));
    /* Both ends are to be as likely as the numbers between. So the range is one wider, and a draw
     * is rounded down. */
    NumberSpan wide = *span;
    if (!wide.is_log) wide.high += 1;
    const double drawn = span_at(&wide, place);
    const double whole = wide.is_log ? round(drawn) : floor(drawn);
    return arena_printf(arena, "%.0f", fmin(fmax(whole, span->low), span->high));
}

static void draw_sweep(Arena *arena, Request *r, const Sweep *list, const char *text) {
    NumberSpan span;
    const bool is_span = span_read(text, &span);
    Sweep drawn = {.name = list->name};
    for (int i = 0; i < r->options.random; i++)
        array_push(arena, &drawn.values, draw_value(arena, r, list, is_span ? &span : NULL, i));
    array_push(arena, &r->sweeps, drawn);
}

static bool read_sweep(Arena *arena, Request *r, const Setting *set) {
    Sweep sweep = {.name = set->name};
    for (const char *at = set->value; *at;) {
        const size_t length = strcspn(at, ",");
        array_push(arena, &sweep.values, arena_intern(arena, at, length));
        at += length + (at[length] == ',');
    }
    if (r->options.random) {
        draw_sweep(arena, r, &sweep, set->value);
        return true;
    }
    if (span_is_meant(set->value))
        return report(CODE_SETTING,
                      "--set %s=%s: values are drawn from a stretch, and --random N says how many",
                      set->name, set->value);
    array_push(arena, &r->sweeps, sweep);
    return true;
}

static void pass_on(Arena *arena, Request *r, const char *name, const char *value) {
    array_push(arena, &r->passed, name);
    array_push(arena, &r->passed, value);
}

static bool read_request(Arena *arena, Request *r, int argc, char **argv) {
    if (!options_read(arena, &r->options, "compare",
                      "set random seeds seed out data skip-bad epochs threads [files] [lists]",
                      argc, argv))
        return false;
    const Options o = r->options;
    for (int i = 0; i < o.files.count; i++)
        array_push(arena, &r->files, o.files.items[i]);
    for (int i = 0; i < o.sets.count; i++)
        if (!read_sweep(arena, r, &o.sets.items[i])) return false;
    if (o.random && !o.sets.count)
        return report(CODE_COMMAND_LINE, "--random draws the values of a --set, and there is "
                                         "none, like --set lr=log:1e-3..1");
    for (int i = 0; i < o.data.count; i++)
        pass_on(arena, r, "--data", o.data.items[i]);
    if (o.epochs > 0) pass_on(arena, r, "--epochs", arena_printf(arena, "%.17g", o.epochs));
    if (o.threads) pass_on(arena, r, "--threads", arena_printf(arena, "%" PRId64, o.threads));
    if (o.skip_bad) pass_on(arena, r, "--skip-bad", arena_printf(arena, "%" PRId64, o.skip_bad));
    if (o.out) r->folder = o.out;
    if (o.seeds) r->seeds = o.seeds;
    r->first_seed = o.seed;
    return true;
}

/* ---- the variants ---------------------------------------------------------------------------- */

static bool has_hyper(const Module *spec, const char *name) {
    for (int i = 0; i < spec->stmt_count; i++)
        for (int p = 0; spec->stmts[i]->kind == STMT_HYPER && p < spec->stmts[i]->param_count; p++)
            if (strcmp(spec->stmts[i]->params[p].name, name) == 0) return true;
    return false;
}

static void add_hypers(Arena *arena, Request *r, const Module *spec) {
    for (int i = 0; i < spec->stmt_count; i++)
        for (int p = 0; spec->stmts[i]->kind == STMT_HYPER && p < spec->stmts[i]->param_count; p++)
            array_push(arena, &r->hypers, spec->stmts[i]->params[p].name);
}

static bool has_eval(const Module *spec) {
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_EVAL) return true;
    return false;
}

/* Returns a variant with one more setting. The array of settings of the given variant stays as it
 * is. */
static Variant with_value(Arena *arena, const Variant *variant, const Sweep *sweep, int value) {
    Variant with = *variant;
    memset(&with.sets, 0, sizeof with.sets);
    for (int k = 0; k < variant->sets.count; k++)
        array_push(arena, &with.sets, variant->sets.items[k]);
    const Setting set = {sweep->name, sweep->values.items[value]};
    array_push(arena, &with.sets, set);
    return with;
}

/* Adds a variant, unless an equal one exists. Draws from a short list repeat, and a variant is
 * trained once. */
static void add_variant(Comparison *c, Variant variant, const char *name) {
    variant.label = name;
    for (int i = 0; i < variant.sets.count; i++)
        variant.label = arena_printf(c->arena, "%s %s=%s", variant.label,
                                     variant.sets.items[i].name, variant.sets.items[i].value);
    for (int i = 0; i < c->variants.count; i++)
        if (strcmp(c->variants.items[i].label, variant.label) == 0) return;
    array_push(c->arena, &c->variants, variant);
}

/* Adds the variants of --random: the first draws of all settings are one variant, the second draws
 * another, and so on. */
static void add_drawn(Comparison *c, Request *r, const Method *method, const char *name,
                      const Variant *plain) {
    for (int i = 0; i < r->options.random; i++) {
        Variant variant = *plain;
        for (int k = 0; k < r->sweeps.count; k++) {
            Sweep *s = &r->sweeps.items[k];
            if (!has_hyper(method->spec, s->name)) continue;
            s->used = true;
            variant = with_value(c->arena, &variant, s, i);
        }
        if (variant.sets.count || i == 0) add_variant(c, variant, name);
    }
}

/* Adds a variant for every combination of those sweeps whose hypers the spec has. */
static void add_variants(Comparison *c, Request *r, const Method *method, const char *file,
                         const char *name, int sweep, Variant variant) {
    if (sweep == r->sweeps.count) {
        add_variant(c, variant, name);
        return;
    }
    Sweep *s = &r->sweeps.items[sweep];
    if (!has_hyper(method->spec, s->name)) {
        add_variants(c, r, method, file, name, sweep + 1, variant);
        return;
    }
    s->used = true;
    for (int i = 0; i < s->values.count; i++)
        add_variants(c, r, method, file, name, sweep + 1, with_value(c->arena, &variant, s, i));
}

static const char *unique_name(const Comparison *c, const char *name) {
    const char *unique = name;
    for (int n = 2;; n++) {
        bool taken = false;
        for (int i = 0; i < c->variants.count; i++)
            taken |= strcmp(c->variants.items[i].name, unique) == 0;
        if (!taken) return unique;
        unique = arena_printf(c->arena, "%s-%d", name, n);
    }
}

/* True if `couplet train` would accept the spec with one combination of settings. */
static bool is_trainable(const Comparison *c, const char *file, const Variant *variant) {
    Arena *arena = c->arena;
    Options o = {.file = file, .skip_bad = c->options->skip_bad};
    for (int i = 0; i < c->options->data.count; i++)
        array_push(arena, &o.data, c->options->data.items[i]);
    for (int i = 0; i < variant->sets.count; i++)
        array_push(arena, &o.sets, variant->sets.items[i]);
    Diag *diag = diag_new(arena);
    Method *method = load_method(arena, diag, file, &o);
    const bool good =
        method && load_lowered(arena, diag, method, NULL) && diag_error_count(diag) == 0;
    report_messages(diag);
    if (!good && variant->sets.count)
        report(CODE_SETTING, "this is the variant %s", variant->label);
    return good;
}

/* True if `couplet train` accepts every value of every sweep in some variant. Of many variants,
 * only those are tried that differ in one value from the first variant of their spec. */
static bool are_trainable(const Comparison *c) {
    enum { MOST_TRIED = 64 };
    bool good = true;
    const Variant *first = NULL;
    for (int i = 0; i < c->variants.count; i++) {
        const Variant *v = &c->variants.items[i];
        if (!first || first->spec != v->spec) first = v;
        int differ = 0;
        for (int k = 0; k < v->sets.count; k++)
            differ += v->sets.items[k].value != first->sets.items[k].value;
        if (v->sets.count && (c->variants.count <= MOST_TRIED || differ <= 1))
            good &= is_trainable(c, v->spec, v);
    }
    return good;
}

/* Checks all specs before the first is trained, so that a mistake in the last shows at once and not
 * after hours. */
static bool plan(Comparison *c, Request *r) {
    bool good = true;
    for (int i = 0; i < r->files.count; i++) {
        Diag *diag = diag_new(c->arena);
        Options o = {.file = r->files.items[i]};
        for (int k = 0; k < c->options->data.count; k++)
            array_push(c->arena, &o.data, c->options->data.items[k]);
        Method *method = load_method(c->arena, diag, r->files.items[i], &o);
        LoweredProgram *program = method ? load_lowered(c->arena, diag, method, NULL) : NULL;
        report_messages(diag);
        if (method && !program && diag_error_count(diag) == 0)
            report(CODE_NOTHING_TO_DO, "`%s` has no `loss`: there is nothing to train",
                   r->files.items[i]);
        good &= program != NULL;
        if (!program) continue;
        add_hypers(c->arena, r, method->spec);
        const char *name = unique_name(c, method->spec->name);
        Variant variant = {
            .spec = r->files.items[i], .name = name, .evaluates = has_eval(method->spec)};
        uses_keep(c->arena, diag, method, &variant.files);
        if (r->options.random)
            add_drawn(c, r, method, name, &variant);
        else
            add_variants(c, r, method, r->files.items[i], name, 0, variant);
    }
    for (int i = 0; good && i < r->sweeps.count; i++) {
        if (r->sweeps.items[i].used) continue;
        const char *near = diag_nearest(r->sweeps.items[i].name, r->hypers.items, r->hypers.count);
        good = report_with_help(CODE_SETTING,
                                near ? arena_printf(c->arena, "did you mean `%s`?", near) : NULL,
                                "no spec has a hyper `%s`", r->sweeps.items[i].name);
    }
    return good && are_trainable(c);
}

/* ---- the folder ------------------------------------------------------------------------------ */

static const char *comparison_run_folder(const Comparison *c, int variant, long seed) {
    const Variant *v = &c->variants.items[variant];
    const char *name = v->name;
    for (int i = 0; i < v->sets.count; i++)
        name =
            arena_printf(c->arena, "%s_%s=%s", name, v->sets.items[i].name, v->sets.items[i].value);
    return arena_printf(c->arena, "%s/%s_seed=%ld", c->folder, name, c->first_seed + seed);
}

/* True if the folder is new, or belongs to a comparison. A folder with a table or a plot of that
 * name, but without the options of a comparison, belongs to someone else. */
static bool is_free(const Comparison *c, char *error, size_t error_bytes) {
    static const char *const names[] = {"results.csv", "comparison.svg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (access(arena_printf(c->arena, "%s/%s", c->folder, names[i]), F_OK) != 0) continue;
        snprintf(error, error_bytes,
                 "%s: this folder has a file `%s` that no comparison wrote, and this one would "
                 "replace it; --out FOLDER names another",
                 c->folder, names[i]);
        return false;
    }
    return true;
}

/* Takes the folder, which is made if it is missing. The options of the comparison are kept beside
 * its runs, since runs with other options do not belong into the same table. */
static bool claim_folder(const Comparison *c, const Request *r, CoupletRunFolder *held) {
    const char *path = arena_printf(c->arena, "%s/options.txt", c->folder);
    Text text = {0};
    for (int i = 0; i < r->passed.count; i += 2)
        if (strcmp(r->passed.items[i], "--threads") != 0)
            text_printf(&text, "%s %s\n", r->passed.items[i], r->passed.items[i + 1]);
    const char *wanted = text.data ? text.data : "";
    char error[REPORT_BYTES];
    size_t length = 0;
    char *found = NULL;
    bool good = couplet_folder_share(held, c->folder, error, sizeof error);
    if (good && access(path, F_OK) == 0) {
        found = couplet_text_read(path, &length, error, sizeof error);
        good = found != NULL;
    } else if (good)
        good = is_free(c, error, sizeof error) &&
               couplet_text_write(path, wanted, error, sizeof error);
    const bool same = !found || strcmp(found, wanted) == 0;
    if (!good) report_error(CODE_RUN_FOLDER, error);
    if (!same)
        report(CODE_RUN_FOLDER,
               "the runs in `%s` were made with other options (%s); --out names another folder",
               c->folder, *found ? found : "none");
    free(found);
    text_free(&text);
    return good && same;
}

/* ---- the runs -------------------------------------------------------------------------------- */

/* Runs a program and returns its exit status, or -1 if it cannot be started. */
static int run_child(char **argv) {
    fflush(stdout);
    const pid_t started = fork();
    if (started == 0) {
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    if (started < 0) return -1;
    child = (sig_atomic_t)started;
    /* a signal that came before the child was there is sent to it now */
    if (interrupted) kill(started, interrupted);
    int status = 0;
    int ended;
    while ((ended = waitpid(started, &status, 0)) < 0 && errno == EINTR)
        continue;
    child = 0;
    if (ended < 0) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool train_one(const Comparison *c, const Request *r, int variant, long seed,
                      const char *folder) {
    ARRAY(char *) argv = {0};
    const Variant *v = &c->variants.items[variant];
    const char *const start[] = {
        "couplet", "train", v->spec,  "--quiet",
        "--out",   folder,  "--seed", arena_printf(c->arena, "%ld", c->first_seed + seed)};
    for (size_t i = 0; i < sizeof start / sizeof *start; i++)
        array_push(c->arena, &argv, (char *)(uintptr_t)start[i]);
    for (int i = 0; i < v->sets.count; i++) {
        array_push(c->arena, &argv, (char *)(uintptr_t) "--set");
        array_push(c->arena, &argv,
                   arena_printf(c->arena, "%s=%s", v->sets.items[i].name, v->sets.items[i].value));
    }
    for (int i = 0; i < r->passed.count; i++)
        array_push(c->arena, &argv, (char *)(uintptr_t)r->passed.items[i]);
    if (access(arena_printf(c->arena, "%s/checkpoint.safetensors", folder), F_OK) == 0)
        array_push(c->arena, &argv, (char *)(uintptr_t) "--resume");
    array_push(c->arena, &argv, NULL);
    const int status = run_child(argv.items);
    if (status == 128 + SIGINT || status == 128 + SIGTERM) {
        interrupted = status - 128;
    }
    return status == 0;
}

/* True if a run was made from the files, the seed and the settings of the variant. If not, the run
 * is trained again, and `couplet train --resume` judges the difference. */
static bool is_as_recorded(const Comparison *c, const Variant *v, long seed, const char *folder) {
    char error[REPORT_BYTES];
    CoupletRecord record;
    uint64_t recorded_seed;
    if (!couplet_record_read(folder, &record, error, sizeof error)) return false;
    bool same = couplet_record_seed(&record, &recorded_seed) &&
                recorded_seed == (uint64_t)(c->first_seed + seed);
    for (int i = 0; same && i < v->sets.count; i++) {
        double value = 0;
        const char *set = v->sets.items[i].value;
        const double wanted = strcmp(set, "true") == 0 ? 1 : strtod(set, NULL);
        same = couplet_record_number(
                   &record, arena_printf(c->arena, "hypers.%s", v->sets.items[i].name), &value) &&
               value == wanted;
    }
    for (int i = 0; same && i < v->files.items.count; i++) {
        const Source *file = v->files.items.items[i].source;
        same = couplet_record_has_file(&record, file->text, file->length);
    }
    couplet_record_free(&record);
    return same;
}

static bool run_variants(Comparison *c, const Request *r) {
    int total = (int)(c->variants.count * c->seeds);
    int done = 0;
    int made = 0;
    const double start = couplet_seconds();
    bool good = true;
    c->outcomes = arena_array(c->arena, Outcome, total);
    for (int v = 0; v < c->variants.count; v++)
        for (long s = 0; s < c->seeds; s++) {
            const Variant *variant = &c->variants.items[v];
            const char *folder = comparison_run_folder(c, v, s);
            Outcome *outcome = &c->outcomes[v * c->seeds + s];
            done++;
            outcome_read(c->arena, folder, variant->evaluates, outcome);
            if (interrupted || (outcome->finished && is_as_recorded(c, variant, s, folder)))
                continue;
            printf("run %d of %d: %s, seed %ld\n", done, total, variant->label, c->first_seed + s);
            bool trained = train_one(c, r, v, s, folder);
            outcome_read(c->arena, folder, variant->evaluates, outcome);
            made++;
            if (!trained && !interrupted)
                report(CODE_RUN_STOPPED, "this run failed: %s, seed %ld (its message is above)",
                       variant->label, c->first_seed + s);
            good &= trained;
        }
    if (made)
        printf("run time: %d run%s in %.0f s\n", made, made == 1 ? "" : "s",
               couplet_seconds() - start);
    if (interrupted) report(CODE_RUN_STOPPED, "interrupted; the same command goes on from here");
    return good && !interrupted;
}

int compare_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Request request = {.folder = "runs/compare", .seeds = 1};
    int status = 2;
    if (read_request(arena, &request, argc, argv)) {
        Comparison c = {.arena = arena,
                        .options = &request.options,
                        .folder = request.folder,
                        .first_seed = request.first_seed,
                        .seeds = request.seeds};
        CoupletRunFolder held = {.lock = -1};
        struct sigaction on_signal = {.sa_sigaction = note_signal, .sa_flags = SA_SIGINFO};
        /* the child stops at its next step, with a checkpoint */
        sigaction(SIGINT, &on_signal, NULL);
        sigaction(SIGTERM, &on_signal, NULL);
        status = 1;
        if (plan(&c, &request) && claim_folder(&c, &request, &held)) {
            bool good = run_variants(&c, &request);
            comparison_print(&c, stdout);
            good &= comparison_write_csv(&c);
            if (!interrupted) good &= comparison_plot(&c);
            if (good)
                printf("%s/results.csv has every run, %s/comparison.svg the plot\n", c.folder,
                       c.folder);
            status = interrupted ? 128 + interrupted : good ? 0 : 1;
        }
        couplet_folder_release(&held);
    }
    arena_free(arena);
    return status;
}
