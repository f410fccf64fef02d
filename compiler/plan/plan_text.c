/* Prints a plan as text, for --print-after place: one line a step, with its kernel, its tiles and
 * the places of its buffers. */
#include "compiler/plan/plan.h"

static void print_buffer(const Plan *p, int number, FILE *out) {
    const CoupletBuffer *b = &p->buffers[number];
    const GNode *node = number < p->g->nodes.count ? p->g->nodes.items[number] : NULL;
    switch (b->place) {
    case COUPLET_IN_INPUT:
        fprintf(out, "input \"%s\"", node->name);
        if (b->offset < 0) return;
        fprintf(out, " ");
        break;
    case COUPLET_IN_STATE:
        fprintf(out, "state \"%s\"", node->name);
        return;
    case COUPLET_IN_CONST:
        fprintf(out, "constant");
        return;
    case COUPLET_NOWHERE:
        fprintf(out, "nowhere");
        return;
    case COUPLET_IN_ARENA:
        break;
    }
    if (node && b->place == COUPLET_IN_ARENA) {
        fprintf(out, "%%%u ", node->id);
    }
    fprintf(out, "@%lld+%lld", (long long)b->offset, (long long)p->lives[number].bytes);
}

/* Prints what ranks exchange ahead of a step, or in its place. For the number behind the last step,
 * prints what they exchange at the end. */
static void print_exchanges(const Plan *p, int step, FILE *out) {
    for (int i = 0; i < p->out->exchange_count; i++) {
        const CoupletExchange *e = &p->out->exchanges[i];
        if ((e->kind == COUPLET_COMBINE ? e->instead : e->step) != step) continue;
        fprintf(out, e->kind == COUPLET_GATHER ? "gather " : "combine %d rows of ", e->leaves);
        if (e->kind == COUPLET_GATHER) print_buffer(p, e->buffer, out);
        for (int k = 0; k < e->from_count; k++) {
            if (k) fprintf(out, " and ");
            print_buffer(p, e->from[k], out);
        }
        fprintf(out, " of step %d\n", e->made);
    }
}

void plan_print(const Plan *p, FILE *out) {
    fprintf(out, "plan %s {\narena %lld bytes, scratch %lld bytes a worker\n", p->out->name,
            (long long)p->out->arena_bytes, (long long)p->out->scratch_bytes);
    for (int i = 0; i < p->out->step_count; i++) {
        const CoupletStep *s = &p->out->steps[i];
        if (s->abreast > 1) {
            fprintf(out, "launch of steps %d to %d\n", i, i + s->abreast - 1);
        }
        print_exchanges(p, i, out);
        fprintf(out, "step %d: %s, %lld tiles%s:", i, s->label, (long long)s->tiles,
                s->is_cut ? ", cut" : "");
        for (int b = 0; b < s->buffer_count; b++) {
            fprintf(out, b == s->buffer_count - s->output_count ? " -> " : b ? ", " : " ");
            /* The buffer that is written over is printed too, under its own name. */
            print_buffer(p, plan_buffer(p, p->kernels.items.items[i].operands[b]), out);
        }
        fprintf(out, "    # %s\n", s->source);
    }
    print_exchanges(p, p->out->step_count, out);
    for (int i = 0; i < p->out->output_count; i++) {
        fprintf(out, "output \"%s\" ", p->out->outputs[i].name);
        print_buffer(p, p->out->outputs[i].buffer, out);
        fprintf(out, "\n");
    }
    fprintf(out, "}\n");
}
