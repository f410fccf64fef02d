/* Makes a plan of scheduled kernels: the buffers, the steps with their costs and labels, the
 * outputs and the commits. */
#include "compiler/plan/plan.h"

#include "compiler/graph/formulas.h"
#include "compiler/graph/reducer.h"
#include "compiler/graph/text.h"
#include "compiler/graph/visit.h"
#include "compiler/plan/bucket.h"
#include "compiler/plan/contraction.h"
#include "compiler/plan/sweep.h"
#include "compiler/plan/whole.h"

#include <stdlib.h>
#include <string.h>

static CoupletType type_of(GType type) {
    return type == GT_REAL ? COUPLET_F32 : type == GT_INT ? COUPLET_I32 : COUPLET_U8;
}

static const char *source_line_of(Arena *arena, const GNode *node) {
    return node->span.source
               ? arena_printf(arena, "%s:%d", node->span.source->path, node->span.line)
               : "?";
}

static const void *constant_data(Arena *arena, const GNode *n) {
    int64_t count = graph_element_count(n);
    unsigned char *data = arena_alloc(arena, (size_t)graph_bytes(n));
    for (int64_t i = 0; i < count; i++) {
        float real = (float)n->data[i];
        int32_t integer = (int32_t)n->data[i];
        if (n->type == GT_REAL)
            memcpy(data + 4 * i, &real, 4);
        else if (n->type == GT_INT)
            memcpy(data + 4 * i, &integer, 4);
        else
            data[i] = (unsigned char)n->data[i];
    }
    return data;
}

/* ---- buffers --------------------------------------------------------------------------------- */

static int find_state(const ProgramState *states, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(states[i].name, name) == 0) return i;
    return -1;
}

/* True of an input such as "train.all.image", which stays on the device between steps
 * (runtime/sources.c). */
static bool is_whole_source(const GNode *input) {
    return strstr(input->name, ".all.") != NULL;
}

static void add_input_buffer(Plan *p, int number, const GNode *input, const PlanTarget *target,
                             CoupletNamed *inputs) {
    CoupletBuffer *b = &p->buffers[number];
    b->place = COUPLET_IN_INPUT;
    b->slot = p->out->input_count;
    b->offset = -1;
    if (target->sends_inputs && !is_whole_source(input))
        p->lives[number].bytes = round_up(graph_bytes(input), target->alignment);
    inputs[p->out->input_count++] = (CoupletNamed){input->name, number};
}

/* The inputs of placement: the states of the program, the target, and the list of inputs. */
typedef struct BufferWish {
    const ProgramState *states;
    int state_count;
    const PlanTarget *target;
    CoupletNamed *inputs;
} BufferWish;

/* Places the buffer of node or extra array number i. */
static bool place_buffer(Plan *p, int i, const GNode *n, const ExtraBuffer *extra,
                         const BufferWish *wish, const char **error) {
    CoupletBuffer *b = &p->buffers[i];
    switch (n->kind) {
    case GN_INPUT:
        add_input_buffer(p, i, n, wish->target, wish->inputs);
        return true;
    case GN_STATE:
        b->place = COUPLET_IN_STATE;
        b->slot = find_state(wish->states, wish->state_count, n->name);
        if (b->slot >= 0) return true;
        *error = arena_printf(p->arena, "a fault of the compiler: the state `%s` is in no table",
                              n->name);
        return false;
    case GN_CONST:
        b->place = COUPLET_IN_CONST;
        b->constant = extra ? extra->entries : constant_data(p->arena, n);
        return true;
    case GN_COMPUTE:
    case GN_TOPK:
    case GN_CALL:
    case GN_STOP:
        b->place = COUPLET_IN_ARENA;
        p->lives[i].bytes = round_up(graph_bytes(n), wish->target->alignment);
        break;
    }
    return true;
}

static bool make_buffers(Plan *p, const ProgramState *states, int state_count,
                         const PlanTarget *target, const char **error) {
    int nodes = p->g->nodes.count;
    int count = nodes + p->kernels.extra.count;
    CoupletNamed *inputs = arena_array(p->arena, CoupletNamed, count + 1);
    p->buffers = arena_array(p->arena, CoupletBuffer, count + 1);
    p->lives = arena_array(p->arena, Life, count + 1);
    int *numbers = arena_array(p->arena, int, graph_node_ids(p->g) + (uint32_t)(count - nodes));
    const BufferWish wish = {states, state_count, target, inputs};
    p->numbers = numbers;
    for (int i = 0; i < count; i++) {
        const ExtraBuffer *extra = i < nodes ? NULL : &p->kernels.extra.items[i - nodes];
        if (extra) {
            extra->node->id = graph_node_ids(p->g) + (uint32_t)(i - nodes);
        }
        const GNode *n = extra ? extra->node : p->g->nodes.items[i];
        CoupletBuffer *b = &p->buffers[i];
        numbers[n->id] = i;
        b->type = type_of(n->type);
        b->rank = n->rank;
        memcpy(b->shape, n->shape, sizeof b->shape);
        p->lives[i] = (Life){.buffer = i, .first = -1, .last = -1};
        if (!place_buffer(p, i, n, extra, &wish, error)) return false;
    }
    p->out->buffers = p->buffers;
    p->out->buffer_count = count;
    p->out->inputs = inputs;
    return true;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static double operations(const GExpr *e) {
    return e ? (double)expr_operations(e) : 0;
}

/* Estimates the work of a library call, for profiles and for whether threads pay: cubes of
 * matrices, n log n for a sort, the iterations of a quantile. */
static double call_work(const GNode *n) {
    CoupletCallSize size;
    double rows = (double)graph_call_size(n, &size);
    double r = (double)size.rows;
    double c = (double)size.columns;
    return rows * (size.columns > 1 ? r * r * c : size.rows > 1 ? 32 * r : 2000);
}

static double work_of(const GNode *n) {
    double points = (double)graph_element_count(n);
    for (int i = 0; i < n->red_rank; i++)
        points *= (double)n->red_shape[i];
    if (n->kind == GN_TOPK) return points * (double)n->operand->shape[n->operand->rank - 1];
    if (n->kind == GN_CALL) return call_work(n);
    return points * (1 + operations(n->value));
}

/* Estimates the work of a segment reduction. The sort looks at each member twice, and the sum once
 * for each entry of the payload. */
static double bucket_work(const Kernel *k) {
    const Bucket *b = k->as.bucket.bucket;
    double members = (double)(b->segments * b->members);
    double lists = (double)(b->segments * b->targets_size);
    double guard = 1 + operations(k->node->guard);
    if (k->kind == KERNEL_BUCKET_SORT) return lists + 2 * members * guard;
    return (lists + members) * (double)b->payload * (1 + operations(k->node->value));
}

/* Estimates the operations of a step. */
static double step_work(const Kernel *k) {
    double work = 0;
    switch (k->kind) {
    case KERNEL_PACK:
        return (double)contraction_pack_count(k->as.contraction);
    case KERNEL_GATHER_PARTIALS:
        return (double)contraction_part_count(k->as.contraction);
    case KERNEL_PRODUCT:
        return 2.0 * k->as.contraction->form.terms;
    case KERNEL_SWEEP:
        return sweep_flops(k->as.sweep.sweep);
    case KERNEL_SWEEP_JOIN:
        return (double)(k->as.sweep.sweep->parts * graph_element_count(k->node));
    case KERNEL_BUCKET_SORT:
    case KERNEL_BUCKET:
        return bucket_work(k);
    case KERNEL_COMPUTE:
    case KERNEL_TOPK:
    case KERNEL_CALL:
    case KERNEL_ORDER:
        for (int i = 0; i < kernel_node_count(k); i++)
            work += work_of(kernel_node(k, i));
        break;
    }
    return work;
}

/* Returns the step's label for profiles: the sides of a contraction (z, m, n, k), as in "product 1
 * x 512 x 64 x 576", or the space of a node, as in "sum [64] over [256, 28, 28]". */
static const char *kernel_label(Arena *arena, const Kernel *k) {
    static const char *const kinds[] = {[KERNEL_PACK] = "pack for",
                                        [KERNEL_PRODUCT] = "product",
                                        [KERNEL_GATHER_PARTIALS] = "add parts of"};
    const Sweep *s = kernel_sweep(k);
    if (k->kind == KERNEL_SWEEP_JOIN)
        return arena_printf(arena, "join of %lld parts of a sweep", (long long)s->parts);
    if (s)
        return arena_printf(arena, "sweep of %lld x %lld pairs for %d, %s", (long long)s->rows,
                            (long long)s->columns, s->sink_count, sweep_mode_name(s->mode));
    if (kernel_contraction(k)) {
        const Product *p = &k->as.contraction->form;
        return arena_printf(arena, "%s %lld x %lld x %lld x %lld", kinds[k->kind],
                            (long long)p->z_size, (long long)p->m_size, (long long)p->n_size,
                            (long long)p->k_size);
    }
    Text text = {0};
    if (kernel_bucket(k))
        text_printf(&text, k->kind == KERNEL_BUCKET_SORT ? "sort for " : "by key: ");
    text_printf(&text, "%s [",
                k->kind == KERNEL_TOPK     ? "topk"
                : k->node->kind == GN_CALL ? couplet_calls[k->node->call].name
                                           : graph_reducers[k->node->reducer].label);
    for (int i = 0; i < k->node->rank; i++)
        text_printf(&text, i ? ", %lld" : "%lld", (long long)k->node->shape[i]);
    text_printf(&text, k->node->red_rank ? "] over [" : "]");
    for (int i = 0; i < k->node->red_rank; i++)
        text_printf(&text, i ? ", %lld" : "%lld", (long long)k->node->red_shape[i]);
    if (k->node->red_rank) text_printf(&text, "]");
    if (kernel_node_count(k) > 1) text_printf(&text, ", and %d more", kernel_node_count(k) - 1);
    const char *label = arena_strndup(arena, text.data, text.length);
    text_free(&text);
    return label;
}

static int64_t call_scratch(const GNode *call) {
    CoupletCallSize size;
    graph_call_size(call, &size);
    return couplet_call_scratch(call->call, &size);
}

static int64_t kernel_scratch(const Kernel *k, const PlanTarget *target) {
    switch (k->kind) {
    case KERNEL_COMPUTE:
        return target->lanes ? compute_column_totals(k) : 0;
    case KERNEL_BUCKET: /* the totals of a row of sums */
        return target->lanes ? k->as.bucket.bucket->payload * (int64_t)sizeof(double) : 0;
    case KERNEL_SWEEP:
    case KERNEL_SWEEP_JOIN:
        return sweep_scratch(k->as.sweep.sweep);
    case KERNEL_PRODUCT:
        return contraction_scratch(k->as.contraction);
    case KERNEL_CALL:
        return call_scratch(k->node);
    case KERNEL_TOPK:
    case KERNEL_ORDER:
    case KERNEL_PACK:
    case KERNEL_GATHER_PARTIALS:
    case KERNEL_BUCKET_SORT:
        break;
    }
    return 0;
}

static void make_steps(Plan *p, const PlanTarget *target) {
    int count = p->kernels.items.count;
    CoupletStep *steps = arena_array(p->arena, CoupletStep, count + 1);
    for (int i = 0; i < count; i++) {
        const Kernel *k = &p->kernels.items.items[i];
        int *buffers = arena_array(p->arena, int, k->operand_count);
        CoupletStep *s = &steps[i];
        for (int b = 0; b < k->operand_count; b++) {
            /* An array written in place has one buffer, for both operands: OpenCL does not define
             * buffers that overlap. */
            buffers[b] =
                plan_buffer(p, k->operands[b] == kernel_over(k) ? k->node : k->operands[b]);
            s->bytes += (double)graph_bytes(k->operands[b]);
        }
        s->tiles = k->tiles;
        s->rounds = k->rounds;
        s->abreast = k->first == i ? k->last - i + 1 : 0;
        s->buffers = buffers;
        s->buffer_count = k->operand_count;
        s->output_count = k->output_count;
        s->symbol = k->kind == KERNEL_CALL ? "couplet_call" : k->symbol;
        s->source = source_line_of(p->arena, k->node);
        s->label = kernel_label(p->arena, k);
        s->flops = step_work(k);
        int64_t scratch = kernel_scratch(k, target);
        if (scratch > p->out->scratch_bytes) {
            p->out->scratch_bytes = scratch;
        }
    }
    p->out->steps = p->steps = steps;
    p->out->step_count = count;
}

static void make_outputs(Plan *p, const ProgramState *states, int state_count) {
    Graph *g = p->g;
    CoupletNamed *outputs = arena_array(p->arena, CoupletNamed, g->outputs.count + 1);
    for (int i = 0; i < g->outputs.count; i++)
        outputs[i] =
            (CoupletNamed){g->outputs.items[i].name, plan_buffer(p, g->outputs.items[i].node)};
    CoupletCommit *commits = arena_array(p->arena, CoupletCommit, g->commits.count + 1);
    for (int i = 0; i < g->commits.count; i++) {
        const GCommit *from = &g->commits.items[i];
        CoupletCommit *c = &commits[i];
        /* The two enums list the same kinds, in the same order. */
        c->kind = (CoupletCommitKind)from->kind;
        c->state = find_state(states, state_count, from->state->name);
        c->value = plan_buffer(p, from->value);
        c->rows = from->rows ? plan_buffer(p, from->rows) : -1;
        c->source = source_line_of(p->arena, from->value);
        c->name = from->state->name;
        c->head = from->head ? find_state(states, state_count, from->head->name) : -1;
        c->fill = from->fill ? find_state(states, state_count, from->fill->name) : -1;
    }
    p->out->outputs = outputs;
    p->out->output_count = g->outputs.count;
    p->out->commits = commits;
    p->out->commit_count = g->commits.count;
}

/* ---- formulas -------------------------------------------------------------------------------- */

/* Lists the nodes that a kernel computes, or computes a part of, and returns their number. */
static int results_of(const Kernel *k, const GNode **out) {
    int count = 0;
    if (k->kind == KERNEL_SWEEP)
        for (int i = 0; i < k->as.sweep.sweep->sink_count; i++)
            out[count++] = k->as.sweep.sweep->sinks[i].pair.node;
    else
        for (int i = 0; i < kernel_node_count(k); i++)
            out[count++] = kernel_node(k, i);
    return count;
}

static void make_formulas(Plan *p, const PlanTarget *target) {
    Formulas *formulas = formulas_new(p->arena, p->g, p->numbers, !target->sweeps);
    for (int i = 0; i < p->kernels.items.count; i++) {
        const GNode *results[MOST_SINKS + MOST_TOGETHER];
        formulas_step(formulas, results, results_of(&p->kernels.items.items[i], results));
    }
    p->out->formulas = formulas_finish(formulas, &p->out->formula_bytes);
}

/* ---- the whole ------------------------------------------------------------------------------- */

bool plan_make(Plan *p, Arena *arena, Graph *g, const ProgramState *states, int state_count,
               const PlanTarget *target, const char **error) {
    *p = (Plan){.arena = arena, .g = g, .out = arena_new_of(arena, CoupletPlan)};
    p->out->name = g->name;
    if (!schedule(arena, g, target, &p->kernels, error) ||
        !make_buffers(p, states, state_count, target, error))
        return false;
    for (const char *at = target->name; *at; at++)
        p->out->hash = (p->out->hash ^ (unsigned char)*at) * 1099511628211u;
    life_measure(p);
    plan_place(p);
    for (int i = 0; i < p->kernels.items.count; i++) {
        Kernel *kernel = &p->kernels.items.items[i];
        sign_kernel(arena, kernel);
        /* The table's hash counts, because another order of additions gives other bits. */
        if (kernel_contraction(kernel))
            p->out->hash = (p->out->hash ^ kernel->as.contraction->hash) * 1099511628211u;
        for (const char *at = kernel->symbol; *at; at++)
            p->out->hash = (p->out->hash ^ (unsigned char)*at) * 1099511628211u;
    }
    make_steps(p, target);
    make_outputs(p, states, state_count);
    plan_lay(p, target);
    make_formulas(p, target);
    return true;
}

int plan_unique_kernels(Arena *arena, const Plan *plans, int plan_count, Kernel ***out) {
    int total = 0;
    int count = 0;
    for (int i = 0; i < plan_count; i++)
        total += plans[i].kernels.items.count;
    Kernel **kernels = arena_array(arena, Kernel *, total + 1);
    int slots = 64;
    while (slots < 2 * total)
        slots *= 2;
    Kernel **table = arena_array(arena, Kernel *, slots);
    for (int i = 0; i < plan_count; i++) {
        for (int k = 0; k < plans[i].kernels.items.count; k++) {
            Kernel *kernel = &plans[i].kernels.items.items[k];
            if (kernel->kind == KERNEL_CALL) continue; /* the code is the runtime's */
            uint64_t hash = strtoull(kernel->symbol + 17, NULL, 16);
            int at = (int)(hash & (uint64_t)(slots - 1));
            while (table[at] && strcmp(table[at]->symbol, kernel->symbol) != 0)
                at = (at + 1) & (slots - 1);
            if (table[at]) continue;
            table[at] = kernels[count++] = kernel;
        }
    }
    *out = kernels;
    return count;
}
