/* Runs the child process that compiles a document. It writes one JSON object with its facts and the
 * diagnostics that it found. The server ends it if the text changes, and it ends by itself after a
 * limit of time. */
#include "compiler/lsp/facts.h"

#include "compiler/lsp/reply.h"

#include "compiler/cpu/cpu.h"
#include "compiler/driver/function_arrays.h"
#include "compiler/driver/load.h"
#include "compiler/driver/memory_report.h"
#include "compiler/driver/report.h"
#include "compiler/plan/plan.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- in the child ---------------------------------------------------------------------------- */

enum { MOST_SECONDS = 60 };

static void add_fact(json_t *list, Span span, const char *text) {
    if (!span.source || !text) return;
    json_t *fact = json_pack("{s:o, s:i, s:i, s:o}", "path", reply_text(span.source->path), "begin",
                             span.begin, "end", span.end, "text", reply_text(text));
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(fact, json_array_get(list, i))) {
            json_decref(fact);
            return;
        }
    json_array_append_new(list, fact);
}

static void add_choice(json_t *list, const GChoice *choice) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return;
    memory_report_choice(choice, out);
    fclose(out);
    text[strcspn(text, "\n")] = 0;
    add_fact(list, choice->span, text);
    free(text);
}

static void add_graph(json_t *list, const Graph *g) {
    for (int i = 0; i < g->notes.count; i++)
        add_fact(list, g->notes.items[i].span, g->notes.items[i].text);
    for (int i = 0; i < g->choices.count; i++)
        add_choice(list, &g->choices.items[i]);
}

/* Adds the memory that a step of each phase needs, as facts about the statements that train the
 * method. */
static void add_needs(Arena *arena, json_t *list, const Method *method,
                      const LoweredProgram *program) {
    const PlanTarget target = cpu_plan_target(arena);
    for (int i = 0; i < program->phases.count; i++) {
        Plan plan;
        const char *error;
        if (!plan_make(&plan, arena, program->phases.items[i].train, program->states.items,
                       program->states.count, &target, &error))
            continue;
        const char *text = arena_printf(
            arena, "a step needs %.1f MiB for its arrays and %.1f MiB for each thread",
            (double)plan.out->arena_bytes / (1 << 20), (double)plan.out->scratch_bytes / (1 << 20));
        for (int s = 0; s < method->spec->stmt_count; s++) {
            const Stmt *stmt = method->spec->stmts[s];
            if (stmt->kind == STMT_TRAIN || stmt->kind == STMT_LOSS)
                add_fact(list, stmt->span, text);
        }
    }
}

static void study_method(Analysis *a, json_t *facts) {
    const LoweredProgram *program = load_lowered(a->arena, a->diag, a->method, NULL);
    if (!program) return;
    for (int i = 0; i < program->phases.count; i++)
        add_graph(facts, program->phases.items[i].train);
    add_needs(a->arena, facts, a->method, program);
}

/* Sets the sizes with which a function is studied. They are large, those of a batch and of
 * features, so that arrays of pairs show what becomes of them. */
static void add_sizes(Arena *arena, Options *o, const Stmt *fn) {
    for (int i = 0; i < fn->param_count; i++)
        for (int d = 0; d < fn->params[i].dim_count; d++) {
            const Expr *dim = fn->params[i].dims[d];
            if (dim->kind != EXPR_NAME || d > 1 || fn->params[i].dim_count != 2) continue;
            const Setting size = {dim->name, d == 0 ? "2048" : "128"};
            bool known = false;
            for (int k = 0; k < o->sizes.count; k++)
                known |= strcmp(o->sizes.items[k].name, size.name) == 0;
            if (!known) array_push(arena, &o->sizes, size);
        }
}

/* Studies one function on arrays of the sizes of add_sizes. An error with these sizes is no mistake
 * of the file, and is dropped. */
static void study_function(Analysis *a, const Stmt *fn, json_t *facts) {
    Options o = {.fn = fn->name};
    FunctionArrays arrays = {.arena = a->arena, .only_shapes = true};
    const PlanTarget target = cpu_plan_target(a->arena);
    const CompileOptions options = {.target = &target};
    Diag *diag = diag_new(a->arena);
    add_sizes(a->arena, &o, fn);
    report_collect(a->arena, diag, a->method);
    const Graph *g = arrays_make_up(&arrays, fn, &o)
                         ? compile_function(a->arena, diag, a->method, fn->name, arrays.inputs,
                                            arrays.count, &options)
                         : NULL;
    report_collect(NULL, NULL, NULL);
    if (g) add_graph(facts, g);
}

static void study(Analysis *a, json_t *facts) {
    if (method_is_trained(a->method)) {
        study_method(a, facts);
        return;
    }
    for (int i = 0; i < a->method->spec->stmt_count; i++) {
        const Stmt *s = a->method->spec->stmts[i];
        const bool number =
            s->kind == STMT_FN && s->result && s->result->kind == KIND_REAL && s->result->rank == 0;
        if (number && s->span.source == a->file) {
            study_function(a, s, facts);
        }
    }
}

static void limit(int what, rlim_t most) {
    const struct rlimit both = {most, most};
    setrlimit(what, &both);
}

/* Does the work of the child. The system ends a child that takes longer than MOST_SECONDS, and it
 * says nothing. */
static _Noreturn void work(const Document *document, Analysis *a, int answer) {
    const int before = diag_error_count(a->diag);
    limit(RLIMIT_CPU, MOST_SECONDS);
    limit(RLIMIT_CORE, 0);
    setpriority(PRIO_PROCESS, 0, 5);
    json_t *facts = json_array();
    study(a, facts);
    json_t *found =
        diag_error_count(a->diag) > before ? reply_diagnostics(document, a) : json_null();
    json_t *all = json_pack("{s:o, s:o}", "facts", facts, "diagnostics", found);
    json_dumpfd(all, answer, JSON_COMPACT);
    _exit(0);
}

/* ---- in the server --------------------------------------------------------------------------- */

void facts_study(Study *study_, Document *document) {
    int ends[2];
    facts_cancel(study_);
    document->is_studied = true;
    if (pipe(ends) != 0) return;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        work(document, document->now, ends[1]);
    }
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return;
    }
    *study_ = (Study){.child = child, .answer = ends[0], .document = document};
}

static void take_facts(Document *d, const json_t *list) {
    const size_t count = json_array_size(list);
    document_free_facts(&d->facts);
    d->facts.items = calloc(count + 1, sizeof *d->facts.items);
    for (size_t i = 0; d->facts.items && i < count; i++) {
        const json_t *fact = json_array_get(list, i);
        const char *path = json_string_value(json_object_get(fact, "path"));
        const char *text = json_string_value(json_object_get(fact, "text"));
        if (!path || !text) continue;
        Fact *taken = &d->facts.items[d->facts.count++];
        *taken = (Fact){strdup(path), strdup(text),
                        (int)json_integer_value(json_object_get(fact, "begin")),
                        (int)json_integer_value(json_object_get(fact, "end"))};
    }
}

static void take_answer(Study *study_) {
    json_t *all =
        study_->text.length ? json_loadb(study_->text.data, study_->text.length, 0, NULL) : NULL;
    if (all) {
        take_facts(study_->document, json_object_get(all, "facts"));
        json_t *found = json_object_get(all, "diagnostics");
        json_decref(study_->document->found);
        study_->document->found = json_is_array(found) ? json_incref(found) : NULL;
    }
    json_decref(all);
}

static void end(Study *study_) {
    close(study_->answer);
    while (waitpid(study_->child, NULL, 0) < 0 && errno == EINTR)
        ;
    text_free(&study_->text);
    *study_ = (Study){0};
}

bool facts_read(Study *study_) {
    char piece[1 << 14];
    const ssize_t got = read(study_->answer, piece, sizeof piece);
    if (got > 0) {
        text_append(&study_->text, piece, (size_t)got);
        return false;
    }
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return false;
    take_answer(study_);
    end(study_);
    return true;
}

void facts_cancel(Study *study_) {
    if (!study_->child) return;
    kill(study_->child, SIGKILL);
    end(study_);
}
