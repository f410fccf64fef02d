/* couplet verify: compares a formula with a Python loss, on random arrays, in values and gradients.
 *
 * The reference evaluator computes the formula in float64, with the gradient of the finished graph.
 * The loss runs in the user's python3, which gets each case as a line of JSON and .npy files
 * (verify.py). If the two differ, smaller sizes are tried for as long as they still differ. */
#include "compiler/driver/function_arrays.h"
#include "compiler/driver/load.h"
#include "compiler/driver/peer.h"
#include "compiler/driver/report.h"
#include "compiler/driver/temporary.h"
#include "compiler/reference/reference.h"
#include "runtime/npy.h"
#include "runtime/numbers.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    USUAL_CASES = 5,
    MOST_SHRINKS = 60,
    PLACE_BYTES = 256,
};
/* Values are held to `tolerance`, exact gradients to ten times that, and gradients by differences,
 * which have fewer digits, to `of_differences`. */
static const double tolerance = 1e-7, of_differences = 1e-5;
/* Entries of a gradient below these sizes are rounding. Where the formula gives exactly 0, a
 * program may give the rest of a difference of float64 terms near 1. */
static const double least_exact = 1e-8, least_of_differences = 1e-5;

/* The outcome of one case. */
typedef enum {
    CASE_AGREES,
    CASE_PARTS,
    CASE_FAILS,
} CaseEnd;

typedef struct Outcome {
    CaseEnd end;
    double value, off; /* the formula's value, and the largest deviation */
    const char *way;   /* how the gradients of the loss were made: "torch" or "differences" */
    const char *where; /* where the deviation is: "the gradient of z[1, 0]", "the value" */
    double ours;
    double theirs;
} Outcome;

typedef struct Verify {
    Arena *arena;
    Options *options;
    const Method *method;
    const Stmt *fn;
    Peer *peer;
    const char *folder; /* the folder of the .npy files */
} Verify;

/* ---- one case on our side -------------------------------------------------------------------- */

typedef struct Formula {
    FunctionArrays arrays;
    Graph *graph;
    Reference *run;
} Formula;

static const double *output_of(const Formula *f, const char *name, int64_t *count) {
    for (int i = 0; i < f->graph->outputs.count; i++) {
        const GOutput *o = &f->graph->outputs.items[i];
        if (strcmp(o->name, name) != 0) continue;
        if (count) *count = graph_element_count(o->node);
        return reference_value(f->run, o->node);
    }
    return NULL;
}

/* Runs the formula. Returns false after messages, some of which are in `diag`, if the case cannot
 * be lowered or its run has a fault. */
static bool run_formula(const Verify *v, Diag *diag, Formula *f) {
    *f = (Formula){.arrays = {.arena = v->arena}};
    static const CompileOptions plain = {.after = NULL};
    if (!arrays_read(&f->arrays, v->options) || !arrays_make_up(&f->arrays, v->fn, v->options))
        return false;
    f->graph = compile_function(v->arena, diag, v->method, v->options->fn, f->arrays.inputs,
                                f->arrays.count, &plain);
    if (!f->graph) return false;
    arrays_fit_indices(&f->arrays, f->graph);
    f->run = reference_run(f->graph, arrays_find, &f->arrays);
    Span span;
    const char *fault = f->run ? reference_fault(f->run, &span) : "out of memory";
    if (!fault && output_of(f, "value", NULL)) return true;
    diag_report(diag, CODE_RUN_FAULT, fault && f->run ? span : v->fn->name_span, "%s",
                fault ? fault : "the function gives no number");
    return false;
}

/* ---- one case on theirs ---------------------------------------------------------------------- */

static int input_of(const FunctionArrays *a, const char *name) {
    for (int i = 0; i < a->count; i++)
        if (strcmp(a->inputs[i].name, name) == 0) return i;
    return -1;
}

static const char *kind_word(const Param *p) {
    return p->type->kind == KIND_BOOL ? "bool" : p->type->kind == KIND_INT ? "int" : "real";
}

static const char *write_array(const Verify *v, const FunctionArrays *a, int i) {
    const FunctionInput *input = &a->inputs[i];
    const int64_t count = arrays_elements(a, i);
    const char *path = arena_printf(v->arena, "%s/%s.npy", v->folder, input->name);
    char error[REPORT_BYTES];
    const bool whole = input->type == GT_INT;
    char *entries = arena_alloc(v->arena, (size_t)count * 4 + 4);
    for (int64_t k = 0; k < count; k++) {
        const float real = (float)a->values[i][k];
        const int32_t number = whole ? (int32_t)a->values[i][k] : 0;
        memcpy(entries + 4 * k, whole ? (const void *)&number : (const void *)&real, 4);
    }
    if (couplet_npy_write(path, whole, entries, input->rank, input->shape, error, sizeof error))
        return path;
    report_error(CODE_OUTPUT, error);
    return NULL;
}

/* Returns an argument in JSON: {"name": "z", "kind": "real", "moves": true, "file":
 * "/tmp/../z.npy"} */
static json_t *json_argument(const Verify *v, const FunctionArrays *a, const Param *p) {
    const int i = input_of(a, p->name);
    if (i < 0) return json_null(); /* the function computes this default by itself */
    json_t *argument = json_pack("{s:s, s:s, s:b}", "name", p->name, "kind", kind_word(p), "moves",
                                 !a->inputs[i].is_constant);
    if (a->inputs[i].is_constant)
        json_object_set_new(argument, "value", json_real(a->inputs[i].value));
    else if (a->inputs[i].rank == 0 && a->values[i])
        json_object_set_new(argument, "value", json_real(a->values[i][0]));
    else {
        const char *path = write_array(v, a, i);
        if (path) {
            json_object_set_new(argument, "file", json_string(path));
        }
    }
    return argument;
}

static json_t *make_request(const Verify *v, const FunctionArrays *a) {
    json_t *arguments = json_array();
    for (int p = 0; p < v->fn->param_count; p++) {
        json_t *argument = json_argument(v, a, &v->fn->params[p]);
        if (json_is_object(argument)) {
            json_array_append_new(arguments, argument);
        }
    }
    json_t *question = json_pack("{s:s, s:o}", "folder", v->folder, "arguments", arguments);
    char *line = json_dumps(question, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(question);
    const char *answer = line ? peer_ask(v->peer, line) : NULL;
    free(line);
    return answer ? json_loads(answer, 0, NULL) : NULL;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool are_close(double a, double b, double scale, double allowed) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    if (isinf(a) || isinf(b)) return a == b;
    return fabs(a - b) <= allowed * scale;
}

static void note_parting(Outcome *out, const char *where, double ours, double theirs) {
    if (out->end != CASE_AGREES) return;
    out->end = CASE_PARTS;
    out->where = where;
    out->ours = ours;
    out->theirs = theirs;
}

static void compare_value(Outcome *out, double theirs) {
    const double scale = fmax(1, fmax(fabs(out->value), fabs(theirs)));
    out->off = fabs(out->value - theirs) / scale;
    if (!are_close(out->value, theirs, scale, tolerance))
        note_parting(out, "the value", out->value, theirs);
}

/* Compares a gradient. Deviations are relative to the largest entry of either, or to 1e-4 of the
 * value if that is more. */
static void compare_gradient(const Verify *v, const FunctionInput *input, const double *ours,
                             const CoupletNpy *theirs, Outcome *out) {
    const bool is_exact = strcmp(out->way, "differences") != 0;
    const double allowed = is_exact ? tolerance * 10 : of_differences;
    double scale = fmax(1e-4 * fabs(out->value), is_exact ? least_exact : least_of_differences);
    for (int64_t k = 0; k < theirs->count; k++) {
        if (isfinite(ours[k])) scale = fmax(scale, fabs(ours[k]));
        if (isfinite(theirs->values[k])) scale = fmax(scale, fabs(theirs->values[k]));
    }
    for (int64_t k = 0; k < theirs->count; k++) {
        const double off = fabs(ours[k] - theirs->values[k]) / scale;
        if (isfinite(off)) out->off = fmax(out->off, off);
        if (are_close(ours[k], theirs->values[k], scale, allowed)) continue;
        char element[PLACE_BYTES];
        couplet_element_text(input->name, input->rank, input->shape, k, element, sizeof element);
        note_parting(out, arena_printf(v->arena, "the gradient of `%s`", element), ours[k],
                     theirs->values[k]);
        return;
    }
}

static bool compare_gradients(const Verify *v, const Formula *f, const json_t *names,
                              Outcome *out) {
    size_t at;
    json_t *name;
    json_array_foreach(names, at, name) {
        const int i = input_of(&f->arrays, json_string_value(name));
        const char *path =
            arena_printf(v->arena, "%s/grad_%s.npy", v->folder, json_string_value(name));
        int64_t count = arrays_elements(&f->arrays, i);
        const double *ours =
            output_of(f, arena_printf(v->arena, "grad_%s", f->arrays.inputs[i].name), NULL);
        CoupletNpy theirs;
        char error[REPORT_BYTES];
        if (!couplet_npy_read(path, &theirs, error, sizeof error))
            return report_error(CODE_OTHER_PROGRAM, error);
        if (theirs.count != count || theirs.is_integer) {
            couplet_npy_free(&theirs);
            return report(CODE_OTHER_PROGRAM,
                          "the gradient of `%s` has %lld entries, and `%s` has %lld",
                          f->arrays.inputs[i].name, (long long)theirs.count,
                          f->arrays.inputs[i].name, (long long)count);
        }
        /* no formula reads the input, so its gradient is 0 */
        if (!ours) ours = arena_array(v->arena, double, count + 1);
        compare_gradient(v, &f->arrays.inputs[i], ours, &theirs, out);
        couplet_npy_free(&theirs);
    }
    return true;
}

static Outcome compare_case(const Verify *v, const Formula *f) {
    Outcome out = {.end = CASE_AGREES, .value = *output_of(f, "value", NULL)};
    json_t *answer = make_request(v, &f->arrays);
    const char *error = json_string_value(json_object_get(answer, "error"));
    const char *value = json_string_value(json_object_get(answer, "value"));
    const char *way = json_string_value(json_object_get(answer, "way"));
    if (!value || !way) {
        report(CODE_OTHER_PROGRAM, "%s: %s", v->options->against,
               error ? error : "python3 ended without an answer");
        out.end = CASE_FAILS;
    } else {
        out.way = arena_strndup(v->arena, way, strlen(way));
        compare_value(&out, strtod(value, NULL));
        if (!compare_gradients(v, f, json_object_get(answer, "gradients"), &out))
            out.end = CASE_FAILS;
    }
    json_decref(answer);
    return out;
}

/* Tries one case, with the sizes and the seed of the options. */
static Outcome try_case(const Verify *v, Diag *diag) {
    Formula f;
    Outcome out = {.end = CASE_FAILS};
    if (run_formula(v, diag, &f)) out = compare_case(v, &f);
    reference_free(f.run);
    return out;
}

/* ---- a small case ---------------------------------------------------------------------------- */

static int64_t size_now(const Verify *v, const char *name) {
    for (int i = 0; i < v->options->sizes.count; i++)
        if (strcmp(v->options->sizes.items[i].name, name) == 0)
            return strtoll(v->options->sizes.items[i].value, NULL, 10);
    return 0;
}

static void set_size(const Verify *v, const char *name, int64_t size) {
    const Setting setting = {name, arena_printf(v->arena, "%lld", (long long)size)};
    for (int i = 0; i < v->options->sizes.count; i++)
        if (strcmp(v->options->sizes.items[i].name, name) == 0) {
            v->options->sizes.items[i] = setting;
            return;
        }
    array_push(v->arena, &v->options->sizes, setting);
}

/* Adds the dimensions of the signature to --size, as large as arrays_make_up makes them, so that
 * shrink can change them. */
static void name_sizes(const Verify *v, const FunctionArrays *a) {
    for (int p = 0; p < v->fn->param_count; p++) {
        const Type *type = v->fn->params[p].type;
        const int i = input_of(a, v->fn->params[p].name);
        for (int d = 0; i >= 0 && d < type->rank; d++)
            if (type->dims[d]->kind == DIM_NAME && !size_now(v, type->dims[d]->symbol->name))
                set_size(v, type->dims[d]->symbol->name, a->inputs[i].shape[d]);
    }
}

/* Tries a case without printing messages about sizes that do not fit the formula. */
static Outcome try_quietly(const Verify *v) {
    Diag *dropped = diag_new(v->arena);
    report_collect(v->arena, dropped, NULL);
    const Outcome out = try_case(v, dropped);
    report_collect(NULL, NULL, NULL);
    return out;
}

/* Looks for a smaller size of one dimension at which the case still differs. Returns false if there
 * is none, or after MOST_SHRINKS tries. */
static bool shrink_once(const Verify *v, Outcome *parts, int *tries) {
    for (int i = 0; i < v->options->sizes.count; i++) {
        const char *name = v->options->sizes.items[i].name;
        const int64_t was = size_now(v, name);
        for (int64_t size = 1; size < was && (*tries)++ < MOST_SHRINKS; size++) {
            set_size(v, name, size);
            const Outcome out = try_quietly(v);
            if (out.end == CASE_PARTS) {
                *parts = out;
                return true;
            }
        }
        set_size(v, name, was);
    }
    return false;
}

static void shrink(const Verify *v, Outcome *parts) {
    int tries = 0;
    while (shrink_once(v, parts, &tries)) {
    }
}

/* ---- the command ----------------------------------------------------------------------------- */

static const char *sizes_text(const Verify *v) {
    const char *text = "";
    for (int i = 0; i < v->options->sizes.count; i++)
        text = arena_printf(v->arena, "%s%s%s=%s", text, i ? "," : "",
                            v->options->sizes.items[i].name, v->options->sizes.items[i].value);
    return text;
}

static int say_parting(const Verify *v, const Outcome *parts) {
    const char *sizes = sizes_text(v);
    const char *again = arena_printf(
        v->arena, "`couplet verify %s --fn %s --against %s%s%s --seed %lld --seeds 1` repeats it",
        v->options->file, v->options->fn, v->options->against, *sizes ? " --size " : "", sizes,
        (long long)v->options->seed);
    report_with_help(CODE_VERIFY, again, "%s is %.10g by `%s`, and %.10g by `%s`, with %s",
                     parts->where, parts->ours, v->options->fn, parts->theirs, v->options->against,
                     *sizes ? sizes : "the given arrays");
    return 1;
}

static int verify_cases(Verify *v) {
    const int64_t first = v->options->seed;
    const int64_t cases = v->options->seeds ? v->options->seeds : USUAL_CASES;
    double off = 0;
    const char *way = "";
    for (int64_t i = 0; i < cases; i++) {
        Diag *diag = diag_new(v->arena);
        v->options->seed = first + i;
        if (i == 0) {
            Formula f;
            if (run_formula(v, diag, &f)) name_sizes(v, &f.arrays);
            reference_free(f.run);
        }
        Outcome out = try_case(v, diag);
        report_messages(diag);
        if (out.end == CASE_FAILS) return 2;
        if (out.end == CASE_PARTS) {
            shrink(v, &out);
            return say_parting(v, &out);
        }
        off = fmax(off, out.off);
        way = out.way;
    }
    const bool exact = strcmp(way, "differences") != 0;
    printf(
        "`%s` and `%s` agree in %lld case%s, with %s: values, and gradients by %s, within %.1e\n",
        v->options->fn, v->options->against, (long long)cases, cases == 1 ? "" : "s", sizes_text(v),
        exact ? way : "central differences", off);
    return 0;
}

static bool is_asked_well(const Options *o) {
    const char *colon = o->against ? strrchr(o->against, ':') : NULL;
    if (!o->fn) return report(CODE_COMMAND_LINE, "--fn NAME says which formula is compared");
    if (!o->against || !colon || colon == o->against || !colon[1])
        return report(CODE_COMMAND_LINE,
                      "--against MODULE:FUNCTION, or FILE.py:FUNCTION, says which Python function "
                      "the formula is compared with");
    return true;
}

static int verify(Arena *arena, Options *o) {
    Diag *diag = diag_new(arena);
    Verify v = {.arena = arena, .options = o};
    v.method = load_method(arena, diag, o->file, o);
    v.fn = v.method ? method_find_function(v.method, o->fn) : NULL;
    report_messages(diag);
    if (!v.method) return 2;
    if (!v.fn) {
        report(CODE_FUNCTION_INPUT, "`%s` has no function `%s`", o->file, o->fn);
        return 2;
    }
    if (!arrays_know_sizes(v.method, o)) return 2;
    v.folder = temporary_folder(arena);
    v.peer = v.folder ? peer_start(arena, o->against) : NULL;
    const int status = v.peer ? verify_cases(&v) : 2;
    peer_end(v.peer);
    if (v.folder) peer_remove_folder(v.folder);
    return status;
}

int verify_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    int status = 2;
    if (options_read(arena, &options, "verify", "fn against in set data size seed seeds", argc,
                     argv) &&
        is_asked_well(&options))
        status = verify(arena, &options);
    arena_free(arena);
    return status;
}
