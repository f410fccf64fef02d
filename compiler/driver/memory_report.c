/* `couplet check --memory`: the arena of a step as its plan has it, the needs of the loss, and the
 * decision about each array of pairs with its reason. Formulas of the loss are known by their
 * spans, which survive every pass. */
#include "compiler/driver/memory_report.h"
#include "compiler/driver/report.h"

#include "compiler/cpu/cpu.h"
#include "compiler/plan/plan.h"

static const double mib = 1 << 20;

static bool make_plan(Arena *arena, Graph *g, const LoweredProgram *program, Plan *plan) {
    const PlanTarget target = cpu_plan_target(arena);
    const char *error = NULL;
    if (plan_make(plan, arena, g, program->states.items, program->states.count, &target, &error))
        return true;
    report_error(CODE_RUN_STOPPED, error);
    return false;
}

/* ---- the loss -------------------------------------------------------------------------------- */

static bool is_of_loss(const Graph *g, Span span) {
    for (int i = 0; i < g->loss.count; i++)
        if (span_same(g->loss.items[i], span)) return true;
    return false;
}

/* Returns the most bytes that the results of the loss's own kernels, gradients included, take at
 * once. */
static int64_t loss_peak(Arena *arena, const Graph *g, const Plan *plan) {
    int64_t peak = 0;
    int steps = plan->kernels.items.count;
    bool *of_loss = arena_array(arena, bool, steps + 1);
    for (int s = 0; s < steps; s++)
        of_loss[s] = is_of_loss(g, plan->kernels.items.items[s].node->span);
    for (int s = 0; s < steps; s++) {
        int64_t bytes = 0;
        for (int b = 0; b < plan->out->buffer_count; b++) {
            const Life *life = &plan->lives[b];
            if (life->bytes && of_loss[life->first] && life->first <= s && s <= life->last)
                bytes += life->bytes;
        }
        if (bytes > peak) peak = bytes;
    }
    return peak;
}

/* ---- lines ----------------------------------------------------------------------------------- */

void memory_report_choice(const GChoice *c, FILE *out) {
    fprintf(out, "an array of %lld x %lld pairs is ", (long long)c->shape[0],
            (long long)c->shape[1]);
    const char *but = c->stored < c->streamed ? "; there is no room for it" : "";
    if (c->is_streamed)
        fprintf(out,
                "made tile by tile, %d time%s: about %.3g ms a step, against %.3g ms stored, with "
                "%.1f MiB%s\n",
                c->passes, c->passes == 1 ? "" : "s", c->streamed, c->stored,
                (double)c->bytes / mib, but);
    else if (!c->reason)
        fprintf(out,
                "stored, with %.1f MiB: about %.3g ms a step, against %.3g ms tile by tile, %d "
                "time%s\n",
                (double)c->bytes / mib, c->stored, c->streamed, c->passes,
                c->passes == 1 ? "" : "s");
    else if (c->where.source)
        fprintf(out, "stored, with %.1f MiB: %s (%s:%d)\n", (double)c->bytes / mib, c->reason,
                c->where.source->path, c->where.line);
    else
        fprintf(out, "stored, with %.1f MiB: %s\n", (double)c->bytes / mib, c->reason);
}

static void print_choice(const GChoice *c, FILE *out) {
    if (c->span.source) {
        fprintf(out, "%s:%d: ", c->span.source->path, c->span.line);
    }
    memory_report_choice(c, out);
}

/* Prints a line for each formula whose arrays are rematerialised. */
static void print_again(const Graph *g, FILE *out) {
    for (int i = 0; i < g->again.count; i++) {
        const Span *span = &g->again.items[i].span;
        int64_t bytes = 0;
        int count = 0;
        bool said = false;
        for (int k = 0; k < g->again.count; k++) {
            bool same = g->again.items[k].span.source == span->source &&
                        g->again.items[k].span.line == span->line;
            said |= same && k < i;
            count += same;
            bytes += same ? g->again.items[k].bytes : 0;
        }
        if (said || !span->source) continue;
        fprintf(
            out,
            "%s:%d: %d array%s, %.1f MiB, computed again for the gradient instead of being kept\n",
            span->source->path, span->line, count, count == 1 ? "" : "s", (double)bytes / mib);
    }
}

static void print_chunks(const Graph *g, int64_t batch, FILE *out) {
    if (g->chunks)
        fprintf(out,
                "the batch goes through the network in %lld parts of %lld samples: forward for "
                "what the loss reads, and once more ahead of the gradient\n",
                (long long)g->chunks, (long long)(batch / g->chunks));
}

/* Prints the largest array that the plan keeps in its arena. */
static void print_largest(const Graph *g, const Plan *plan, FILE *out) {
    const CoupletPlan *p = plan->out;
    int largest = -1;
    for (int b = 0; b < p->buffer_count; b++)
        if (plan->lives[b].bytes &&
            (largest < 0 || plan->lives[b].bytes > plan->lives[largest].bytes))
            largest = b;
    if (largest < 0) return;
    const CoupletBuffer *buffer = &p->buffers[largest];
    fprintf(out, "the largest of them has ");
    for (int i = 0; i < buffer->rank; i++)
        fprintf(out, "%s%lld", i ? " x " : "", (long long)buffer->shape[i]);
    fprintf(out, "%s, %.1f MiB", buffer->rank ? " entries" : "one entry",
            (double)plan->lives[largest].bytes / mib);
    const Span *span = largest < g->nodes.count ? &g->nodes.items[largest]->span : NULL;
    if (span && span->source) {
        fprintf(out, " (%s:%d)", span->source->path, span->line);
    }
    fprintf(out, "\n");
}

bool memory_report_function(Arena *arena, const char *name, Graph *g, FILE *out) {
    const PlanTarget target = cpu_plan_target(arena);
    const char *error;
    Plan plan;
    if (!plan_make(&plan, arena, g, NULL, 0, &target, &error)) {
        report_error(CODE_RUN_STOPPED, error);
        return false;
    }
    for (int k = 0; k < g->choices.count; k++)
        print_choice(&g->choices.items[k], out);
    print_again(g, out);
    fprintf(out,
            "%s and its gradient need %.1f MiB for their arrays, and %.1f MiB for each thread\n",
            name, (double)plan.out->arena_bytes / mib, (double)plan.out->scratch_bytes / mib);
    print_largest(g, &plan, out);
    return true;
}

bool memory_report(Arena *arena, const LoweredProgram *program, const LoweredProgram *stored,
                   int64_t asked, FILE *out) {
    int64_t budget = asked ? asked : program->memory;
    for (int i = 0; i < program->phases.count; i++) {
        Graph *step = program->phases.items[i].train;
        Plan now;
        Plan before;
        if (!make_plan(arena, step, program, &now)) return false;
        for (int k = 0; k < step->choices.count; k++)
            print_choice(&step->choices.items[k], out);
        print_again(step, out);
        print_chunks(step, program->batch, out);
        fprintf(out, "a step needs %.1f MiB for its arrays", (double)now.out->arena_bytes / mib);
        if (budget) {
            fprintf(out, ", of %.1f MiB that it may take", (double)budget / mib);
        }
        fprintf(out, ", and %.1f MiB for each thread\n", (double)now.out->scratch_bytes / mib);
        fprintf(out, "of these the loss and its gradient need %.1f MiB\n",
                (double)loss_peak(arena, step, &now) / mib);
        if (!stored || i >= stored->phases.count || step->choices.count == 0) continue;
        if (!make_plan(arena, stored->phases.items[i].train, stored, &before)) return false;
        fprintf(out, "with every array of pairs stored a step would need %.1f MiB\n",
                (double)before.out->arena_bytes / mib);
    }
    return true;
}
