/* Makes plans, the text of the program that has their kernels, and the launch of each step. */
#include "compiler/opencl/opencl_compile.h"

#include "compiler/graph/reducer.h"
#include "compiler/graph/text.h"
#include "compiler/opencl/write.h"
#include "compiler/plan/plan.h"
#include "compiler/plan/sweep.h"

#include <stdlib.h>
#include <string.h>

extern const char opencl_prelude[]; /* prelude.cl, embedded at build */

enum {
    ALIGNMENT = 256, /* the alignment at which a device reads memory in one piece */
    ORDER = 4096     /* the most entries of a row that is sorted in local memory */
};

/* A kernel of the plans, its text, and how it is launched. Kernels with equal texts become one
 * kernel of the program. */
typedef struct Emitted {
    const char *symbol; /* the symbol of the kernel in the plan */
    const char *text;   /* the text of the kernel; NULL: a library's product */
    const Kernel *kernel;
    CoupletLaunch launch;
} Emitted;

typedef struct Program {
    Arena *arena;
    const OpenclOptions *options;
    const Plan *plans;
    int plan_count;
    Kernel **kernels;
    Emitted *emitted; /* by number of the kernel; after write_program, sorted by symbol */
    int count;
    Text text;
} Program;

/* ---- one kernel ------------------------------------------------------------------------------ */

static Geometry emit_compute(Frame *f) {
    return f->node->reducer == GR_NONE ? write_elements(f) : write_reduction(f);
}

/* The emitter of each kind of kernel. Where a formula needs a kind without one, the user gets a
 * message with the formula's line. */
static Geometry (*const emitters[])(Frame *f) = {
    [KERNEL_COMPUTE] = emit_compute,
    [KERNEL_TOPK] = write_topk,
    [KERNEL_CALL] = NULL, /* the runtime has its code, which runs on the host */
    [KERNEL_ORDER] = write_order,
    [KERNEL_PACK] = NULL, /* tiles read operands in place */
    [KERNEL_PRODUCT] = write_product,
    [KERNEL_GATHER_PARTIALS] = write_gather_partials,
    [KERNEL_BUCKET_SORT] = write_bucket_sort,
    [KERNEL_BUCKET] = write_reduction,
    [KERNEL_SWEEP] = write_sweep,
    [KERNEL_SWEEP_JOIN] = write_sweep_join,
};
_Static_assert(sizeof emitters / sizeof *emitters == KERNEL_KINDS, "a row for each kind");

/* Writes arguments and body, which tell one kernel from another. An operand is an allocation and
 * the place where the operand begins in it (runtime/opencl). */
static const char *write_kernel(Arena *arena, Frame *f) {
    const Kernel *k = f->kernel;
    Text text = {0};
    Text places = {0};
    int inputs = k->operand_count - k->output_count;
    for (int i = 0; i < k->operand_count; i++) {
        const char *type = opencl_element_type(k->operands[i]->type);
        const char *name = i < inputs ? arena_printf(arena, "a%d", i) : frame_output_name(f, i);
        const char *held = i < inputs ? "const " : "";
        const GNode *over = kernel_over(k);
        bool shared = over && (i >= inputs || k->operands[i] == over);
        text_printf(&text, "%sglobal %s *%s%s_in, const ulong %s_at, ", held, type,
                    shared ? "" : "restrict ", name, name);
        text_printf(&places, "    %sglobal %s *%s = %s_in + %s_at;\n", held, type, name, name,
                    name);
    }
    text_printf(&text, "const int count%s) {\n",
                f->raises ? ", global int *restrict fault, const int number" : "");
    text_append(&text, places.data, places.length);
    text_free(&places);
    text_append(&text, f->text.data, f->text.length);
    text_printf(&text, "}\n\n");
    const char *kept = arena_intern(arena, text.data, text.length);
    text_free(&text);
    return kept;
}

static void write_extents(Program *p, int rank, const int64_t *shape) {
    for (int i = 0; i < rank; i++)
        text_printf(&p->text, "%s%lld", i ? ", " : "", (long long)shape[i]);
}

enum { PLACES = 4 };

/* True if the step runs this kernel, or another one with the same text. */
static bool runs(const Program *p, const CoupletStep *step, const Emitted *e) {
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->emitted[i].symbol, step->symbol) == 0)
            return e->text ? p->emitted[i].text == e->text : &p->emitted[i] == e;
    return false;
}

/* Writes the places in the spec that a kernel comes from. Equal formulas share a kernel. */
static void write_places(Program *p, const Emitted *e) {
    const char *shown[PLACES];
    int count = 0;
    int more = 0;
    for (int i = 0; i < p->plan_count; i++) {
        for (int s = 0; s < p->plans[i].out->step_count; s++) {
            const CoupletStep *step = &p->plans[i].out->steps[s];
            bool known = !runs(p, step, e);
            for (int k = 0; k < count && !known; k++)
                known = strcmp(shown[k], step->source) == 0;
            if (known) continue;
            if (count < PLACES)
                shown[count++] = step->source;
            else
                more++;
        }
    }
    for (int i = 0; i < count; i++)
        text_printf(&p->text, "%s%s", i ? ", " : "", shown[i]);
    if (more) text_printf(&p->text, " and %d more", more);
}

static const char *reducer_word(GReducer reducer) {
    return reducer == GR_NONE ? "elements" : graph_reducers[reducer].label;
}

/* Gives a word for a kernel's name. The comment of the kernel has more. */
static const char *kernel_word(const Kernel *k) {
    static const char *const words[] = {
        [KERNEL_TOPK] = "topk",          [KERNEL_ORDER] = "order",
        [KERNEL_PRODUCT] = "product",    [KERNEL_GATHER_PARTIALS] = "parts",
        [KERNEL_SWEEP] = "sweep",        [KERNEL_SWEEP_JOIN] = "join",
        [KERNEL_BUCKET_SORT] = "members"};
    return k->kind == KERNEL_COMPUTE || k->kind == KERNEL_BUCKET ? reducer_word(k->node->reducer)
                                                                 : words[k->kind];
}

/* Returns the words of a kernel's comment that say what it does. */
static const char *what_it_does(const Kernel *k) {
    switch (k->kind) {
    case KERNEL_TOPK:
        return "topk";
    case KERNEL_ORDER:
        return couplet_calls[k->node->call].name;
    case KERNEL_SWEEP:
        return "a sweep over pairs, tile by tile, for";
    case KERNEL_SWEEP_JOIN:
        return "the parts of a sweep, joined in order, for";
    case KERNEL_BUCKET_SORT:
        return "members listed by key, for";
    case KERNEL_GATHER_PARTIALS:
        return "parts of a sum of products, added in order";
    case KERNEL_PRODUCT:
        return k->as.contraction->plain ? "matrix product, done by CLBlast"
                                        : "sum of products, in tiles";
    case KERNEL_COMPUTE:
    case KERNEL_BUCKET:
    case KERNEL_CALL:
    case KERNEL_PACK:
        break;
    }
    return reducer_word(k->node->reducer);
}

/* Writes the operands that the kernel has in the first step that runs it. */
static void write_operands(Program *p, const Kernel *k) {
    int inputs = k->operand_count - k->output_count;
    text_printf(&p->text, "\n  ");
    for (int i = 0; i < k->operand_count; i++) {
        const GNode *n = k->operands[i];
        if (i < inputs)
            text_printf(&p->text, " a%d", i);
        else
            text_printf(&p->text, k->output_count == 1 ? " y" : " y%d", i - inputs);
        if (n->name) text_printf(&p->text, " `%s`", n->name);
        text_printf(&p->text, " [");
        write_extents(p, n->rank, n->shape);
        text_printf(&p->text, i + 1 < k->operand_count ? "]," : "]");
    }
}

/* Writes " `name` [rows, columns] over [terms]", behind `before` and, if asked for, the reducer's
 * word. */
static void write_result(Program *p, const char *before, const GNode *n, bool with_terms) {
    if (before) text_printf(&p->text, "%s%s", before, reducer_word(n->reducer));
    if (n->name) text_printf(&p->text, " `%s`", n->name);
    text_printf(&p->text, " [");
    write_extents(p, n->rank, n->shape);
    text_printf(&p->text, "]");
    if (!with_terms || !n->red_rank) return;
    text_printf(&p->text, " over [");
    write_extents(p, n->red_rank, n->red_shape);
    text_printf(&p->text, "]");
}

static void write_comment(Program *p, const Emitted *e) {
    if (!p->options->comments) return;
    const Kernel *k = e->kernel;
    const GNode *n = k->node;
    text_printf(&p->text, "/* ");
    write_places(p, e);
    text_printf(&p->text, ": %s", what_it_does(k));
    if (k->kind == KERNEL_SWEEP)
        for (int i = 0; i < k->as.sweep.sweep->sink_count; i++)
            write_result(p, i ? ", " : " ", k->as.sweep.sweep->sinks[i].pair.node, true);
    else
        write_result(p, NULL, n, k->kind == KERNEL_COMPUTE || k->kind == KERNEL_BUCKET);
    if (k->operand_count && e->text) write_operands(p, k);
    text_printf(&p->text, " */\n");
}

/* True if an int indexes every element of the operands. */
static bool fits_limits(const Kernel *k) {
    for (int i = 0; i < k->operand_count; i++)
        if (graph_element_count(k->operands[i]) >= INT32_MAX) return false;
    return true;
}

/* Names a kernel by a word and two hashes of its text, so that kernels of equal text have one
 * name. */
static const char *kernel_name(Arena *arena, const char *word, const char *text) {
    uint64_t a = 1469598103934665603u;
    uint64_t b = 7809847782465536322u;
    for (const char *at = text; *at; at++) {
        a = (a ^ (unsigned char)*at) * 1099511628211u;
        b = (b ^ (unsigned char)*at) * 6364136223846793005u + 1;
    }
    return arena_printf(arena, "%s_%016llx%016llx", word, (unsigned long long)a,
                        (unsigned long long)b);
}

static bool emit_kernel(Program *p, Kernel *k, Emitted *out, const char **error) {
    const Span at = k->node->span;
    const char *place =
        at.source ? arena_printf(p->arena, "%s:%d:%d: error: ", at.source->path, at.line, at.column)
                  : "";
    if (!emitters[k->kind] || !fits_limits(k)) {
        *error = arena_printf(
            p->arena,
            emitters[k->kind]
                ? "%san array here has more than 2^31 elements, which OpenCL kernels do not index"
                : "%sthe OpenCL back end has no kernel for this formula",
            place);
        return false;
    }
    Frame f = {.arena = p->arena, .kernel = k, .node = k->node, .depth = 1};
    for (int i = 0; i < k->node->rank; i++)
        f.extents[i] = k->node->shape[i];
    for (int i = 0; i < k->node->red_rank; i++)
        f.extents[k->node->rank + i] = k->node->red_shape[i];
    Geometry shape = emitters[k->kind](&f);
    out->text = write_kernel(p->arena, &f);
    out->launch = (CoupletLaunch){.symbol = kernel_name(p->arena, kernel_word(k), out->text),
                                  .count = shape.count,
                                  .each = shape.each,
                                  .local = GROUP,
                                  .can_fault = f.raises};
    text_free(&f.text);
    return true;
}

/* ---- the program ----------------------------------------------------------------------------- */

/* The product that the library does, or NULL. */
static const MatrixProduct *plain_product(const Kernel *k) {
    const Contraction *c = kernel_contraction(k);
    return c ? c->plain : NULL;
}

static const CoupletProduct *library_product(Arena *arena, const MatrixProduct *m) {
    CoupletProduct *p = arena_new_of(arena, CoupletProduct);
    *p = (CoupletProduct){.left_transposed = m->left_transposed,
                          .right_transposed = m->right_transposed,
                          .rows = m->rows,
                          .columns = m->columns,
                          .inner = m->inner,
                          .batch = m->batch,
                          .left_offset = m->left_offset,
                          .right_offset = m->right_offset,
                          .out_offset = m->y_offset,
                          .left_row = m->left_row,
                          .right_row = m->right_row,
                          .out_row = m->y_row,
                          .left_batch = m->left_batch,
                          .right_batch = m->right_batch,
                          .out_batch = m->y_batch};
    return p;
}

static int by_symbol(const void *a, const void *b) {
    return strcmp(((const Emitted *)a)->symbol, ((const Emitted *)b)->symbol);
}

static bool emit_all(Program *p, const char **error) {
    for (int i = 0; i < p->count; i++) {
        Kernel *k = p->kernels[i];
        Emitted *e = &p->emitted[i];
        e->symbol = k->symbol;
        e->kernel = k;
        if (!plain_product(k) && !emit_kernel(p, k, e, error)) return false;
    }
    return true;
}

/* True if an earlier kernel has this text and name. */
static bool is_repeated(const Program *p, int number) {
    for (int i = 0; p->emitted[number].text && i < number; i++)
        if (p->emitted[i].text == p->emitted[number].text &&
            strcmp(p->emitted[i].launch.symbol, p->emitted[number].launch.symbol) == 0)
            return true;
    return false;
}

/* Writes each text once, in the order of the steps. Returns the number of kernels. */
static int write_program(Program *p) {
    int count = 0;
    text_printf(&p->text, "%s\n", opencl_prelude);
    for (int i = 0; i < p->count; i++) {
        const Emitted *e = &p->emitted[i];
        if (is_repeated(p, i)) continue;
        write_comment(p, e);
        if (e->text)
            text_printf(&p->text,
                        "kernel __attribute__((reqd_work_group_size(%d, 1, 1)))\nvoid %s(%s", GROUP,
                        e->launch.symbol, e->text);
        else if (p->options->comments)
            text_printf(&p->text, "\n");
        count += e->text != NULL;
    }
    return count;
}

static void set_geometry(CoupletLaunch *launch, Geometry shape) {
    launch->count = shape.count;
    launch->each = shape.each;
}

/* Sets the launch of each step. Contractions that share a kernel have launches that differ. */
static void set_launches(Program *p, Plan *plan) {
    CoupletLaunch *launches = arena_array(p->arena, CoupletLaunch, plan->out->step_count + 1);
    for (int i = 0; i < plan->out->step_count; i++) {
        if (plan->kernels.items.items[i].kind == KERNEL_CALL) {
            plan->steps[i].kernel = couplet_call;
            continue;
        }
        const Emitted key = {.symbol = plan->steps[i].symbol};
        const Emitted *found = bsearch(&key, p->emitted, (size_t)p->count, sizeof key, by_symbol);
        const Kernel *k = &plan->kernels.items.items[i];
        launches[i] = found->launch;
        if (k->kind == KERNEL_PRODUCT) set_geometry(&launches[i], product_geometry(k));
        if (k->kind == KERNEL_GATHER_PARTIALS) set_geometry(&launches[i], write_gather_geometry(k));
        if (plain_product(k)) launches[i].product = library_product(p->arena, plain_product(k));
        plan->steps[i].launch = &launches[i];
    }
}

PlanTarget opencl_plan_target(const OpenclOptions *options) {
    return (PlanTarget){.name = "opencl",
                        .alignment = ALIGNMENT,
                        .tile = TILE,
                        .wide_tiles = options->is_gpu,
                        .has_products = options->has_products,
                        .sweeps = true,
                        .buckets = true,
                        .sends_inputs = true,
                        .order = ORDER};
}

bool opencl_compile(Arena *arena, Graph *const *graphs, int graph_count, const ProgramState *states,
                    int state_count, const OpenclOptions *options, CoupletPlan **plans,
                    int *kernel_count, const char **error) {
    const PlanTarget target = opencl_plan_target(options);
    Plan *work = arena_array(arena, Plan, graph_count);
    for (int i = 0; i < graph_count; i++) {
        if (!plan_make(&work[i], arena, graphs[i], states, state_count, &target, error))
            return false;
        plans[i] = work[i].out;
    }
    Program p = {.arena = arena, .options = options, .plans = work, .plan_count = graph_count};
    p.count = plan_unique_kernels(arena, work, graph_count, &p.kernels);
    p.emitted = arena_array(arena, Emitted, p.count + 1);
    bool good = emit_all(&p, error);
    if (good) *kernel_count = write_program(&p);
    qsort(p.emitted, (size_t)p.count, sizeof *p.emitted, by_symbol);
    const char *source = good ? arena_strndup(arena, p.text.data, p.text.length) : NULL;
    text_free(&p.text);
    for (int i = 0; good && i < graph_count; i++) {
        set_launches(&p, &work[i]);
        plans[i]->kernels = source;
    }
    return good;
}
