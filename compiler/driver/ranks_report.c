/* `couplet check --ranks N`: prints how each step of the plan is spread over the ranks, as
 * plan/lay.c has decided. */
#include "compiler/driver/ranks_report.h"

#include "compiler/driver/report.h"
#include "compiler/plan/plan.h"
#include "runtime/part.h"
#include "runtime/ranks.h"

static const double megabyte = 1e6;

/* Returns the bytes of an exchange that the busiest rank sends. */
static int64_t most_bytes(const CoupletPlan *p, const CoupletExchange *e, int ranks) {
    int64_t most = 0;
    for (int r = 0; r < ranks; r++) {
        const int64_t bytes = couplet_exchange_bytes(p, e, ranks, r);
        if (bytes > most) most = bytes;
    }
    return most;
}

static bool is_combined(const CoupletPlan *p, int step) {
    for (int i = 0; i < p->exchange_count; i++)
        if (p->exchanges[i].kind == COUPLET_COMBINE && p->exchanges[i].instead == step) return true;
    return false;
}

static void print_steps(const CoupletPlan *p, FILE *out) {
    fprintf(out, "  %-8s %-56s %s\n", "lies", "step", "line");
    for (int i = 0; i < p->step_count; i++)
        fprintf(out, "  %-8s %-56.56s %s\n",
                p->steps[i].is_cut  ? "rows"
                : is_combined(p, i) ? "sum"
                                    : "whole",
                p->steps[i].label, p->steps[i].source);
}

static void print_exchange(const CoupletPlan *p, const CoupletExchange *e, int ranks, FILE *out) {
    char shape[COUPLET_SHAPE_BYTES];
    const CoupletBuffer *b = &p->buffers[e->buffer];
    fprintf(out, "  %-8s %-40s %12.3f MB  %s\n", e->kind == COUPLET_GATHER ? "gather" : "sum",
            couplet_shape_text(b->rank, b->shape, " x ", shape),
            (double)most_bytes(p, e, ranks) / megabyte, p->steps[e->made].source);
}

/* Returns the bytes of the largest arena of a rank. */
static int64_t most_memory(const CoupletPlan *p, int ranks) {
    int64_t most = 0;
    for (int r = 0; r < ranks; r++) {
        CoupletPart *part = couplet_part_new(p, ranks, r);
        if (!part) return p->arena_bytes;
        if (couplet_part_bytes(part) > most) most = couplet_part_bytes(part);
        couplet_part_free(part);
    }
    return most;
}

/* Prints the memory of the rank that needs most. Plans for other devices have no blocks, because
 * each rank has the whole arena on its device. */
static void print_memory(const CoupletPlan *p, int ranks, FILE *out) {
    fprintf(out, "a rank needs %.3f MB for the arrays of a step, and one rank alone %.3f MB\n",
            (double)(p->blocks ? most_memory(p, ranks) : p->arena_bytes) / megabyte,
            (double)p->arena_bytes / megabyte);
}

static void print_phase(const CoupletPlan *p, int ranks, FILE *out) {
    int cut = 0;
    int64_t bytes = 0;
    for (int i = 0; i < p->step_count; i++)
        cut += p->steps[i].is_cut;
    for (int i = 0; i < p->exchange_count; i++)
        bytes += most_bytes(p, &p->exchanges[i], ranks);
    fprintf(out, "%d of %d steps are cut among %d ranks, at %lld shards\n", cut, p->step_count,
            ranks, (long long)p->shards);
    print_memory(p, ranks, out);
    print_steps(p, out);
    fprintf(out, "%d exchanges; a rank sends at most %.3f MB in a step\n", p->exchange_count,
            (double)bytes / megabyte);
    for (int i = 0; i < p->exchange_count; i++)
        print_exchange(p, &p->exchanges[i], ranks, out);
}

bool ranks_report(Arena *arena, const LoweredProgram *program, const PlanTarget *target, int ranks,
                  FILE *out) {
    for (int i = 0; i < program->phases.count; i++) {
        const char *error = NULL;
        Plan plan;
        if (!plan_make(&plan, arena, program->phases.items[i].train, program->states.items,
                       program->states.count, target, &error))
            return report_error(CODE_RUN_STOPPED, error);
        print_phase(plan.out, ranks, out);
    }
    return true;
}
