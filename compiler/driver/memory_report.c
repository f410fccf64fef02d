#include "compiler/driver/memory_report.h"

#include "compiler/cpu/cpu.h"
#include "compiler/plan/plan.h"

static const double mib = 1 << 20;

static bool peak_of(Arena *arena, Graph *g, const LoweredProgram *program, double *arena_mib, double *scratch_mib) {
    const PlanTarget target = cpu_plan_target();
    const char *error = NULL;
    Plan plan;
    if (!plan_make(&plan, arena, g, program->states.items, program->states.count, &target, &error)) {
        fprintf(stderr, "%s\n", error);
        return false;
    }
    *arena_mib = (double)plan.out->arena_bytes / mib;
    *scratch_mib = (double)plan.out->scratch_bytes / mib;
    return true;
}

static void print_choice(const GChoice *c, FILE *out) {
    if (c->span.source) fprintf(out, "%s:%d: ", c->span.source->path, c->span.line);
    fprintf(out, "an array of %lld x %lld pairs, %.1f MiB, is ", (long long)c->shape[0], (long long)c->shape[1], (double)c->bytes / mib);
    if (!c->refusal) fprintf(out, "made tile by tile and never stored\n");
    else if (c->where.source) fprintf(out, "stored: %s (%s:%d)\n", c->refusal, c->where.source->path, c->where.line);
    else fprintf(out, "stored: %s\n", c->refusal);
}

bool memory_report(Arena *arena, const LoweredProgram *program, const LoweredProgram *stored, FILE *out) {
    for (int i = 0; i < program->phases.count; i++) {
        Graph *step = program->phases.items[i].train;
        double now, before, scratch, unused;
        if (!peak_of(arena, step, program, &now, &scratch)) return false;
        for (int k = 0; k < step->choices.count; k++) print_choice(&step->choices.items[k], out);
        fprintf(out, "a step needs %.1f MiB for its arrays, and %.1f MiB for each thread\n", now, scratch);
        if (!stored || i >= stored->phases.count || step->choices.count == 0) continue;
        if (!peak_of(arena, stored->phases.items[i].train, stored, &before, &unused)) return false;
        fprintf(out, "with every array of pairs stored it would need %.1f MiB\n", before);
    }
    return true;
}
