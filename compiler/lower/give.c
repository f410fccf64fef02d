/* Lowers `give NAME = E`. The array becomes the output "given NAME" of the step's graph, which the
 * caller of the step reads. */
#include "compiler/lower/internal.h"
#include "runtime/abi.h"

#include <string.h>

void lower_give(Lower *l, const Stmt *s) {
    for (int i = 0; i < l->given.count; i++) {
        if (strcmp(l->given.items[i].name, s->name) != 0) continue;
        diag_report(l->diag, CODE_GIVE, s->name_span, "a step gives `%s` twice", s->name);
        diag_note(l->diag, l->given.items[i].span, "the first time is here");
        return;
    }
    const NamedNode given = {s->name, lower_tensor(l, s->value), s->name_span};
    array_push(l->arena, &l->given, given);
}

/* Returns an array of the step's own. States are renewed at the end of a step, and inputs are the
 * caller's, so these are copied. */
static GNode *own_array(Lower *l, GNode *node, Span span) {
    if (node->kind == GN_COMPUTE) return node;
    ComputeSpec spec = {.out_rank = node->rank, .span = span, .name = "given"};
    for (int i = 0; i < node->rank; i++)
        spec.out[i] = graph_fresh_index(l->g, node->shape[i]);
    spec.value = gx_load(l->g, node, node->rank, spec.out, NULL);
    if (node->type != GT_INT) spec.value = lower_as_real(l, spec.value);
    return graph_compute(l->g, &spec);
}

static bool is_like(const GivenArray *a, const GNode *node) {
    return a->is_integer == (node->type == GT_INT) && a->rank == node->rank &&
           memcmp(a->shape, node->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/* Notes an array that a step gives. A name has one type and shape in all phases that give it. */
static void note_array(Lower *l, const NamedNode *given) {
    const GNode *node = given->node;
    const bool is_integer = node->type == GT_INT;
    for (int i = 0; i < l->program->given.count; i++) {
        const GivenArray *a = &l->program->given.items[i];
        if (strcmp(a->name, given->name) != 0) continue;
        if (is_like(a, node)) return;
        diag_report(l->diag, CODE_GIVE, given->span,
                    "`%s` is %s of %s here, and of another type or shape in an earlier phase",
                    given->name, lower_shape_text(l, node), is_integer ? "ints" : "reals");
        diag_note(l->diag, a->span, "the earlier phase gives it here");
        diag_suggest(l->diag, "give it another name");
        return;
    }
    GivenArray made = {
        .name = given->name, .is_integer = is_integer, .rank = node->rank, .span = given->span};
    memcpy(made.shape, node->shape, (size_t)made.rank * sizeof *made.shape);
    array_push(l->arena, &l->program->given, made);
}

void lower_show_given(Lower *l) {
    for (int i = 0; i < l->given.count; i++) {
        NamedNode *given = &l->given.items[i];
        given->node = own_array(l, given->node, given->span);
        note_array(l, given);
        graph_output(l->g, arena_printf(l->arena, COUPLET_GIVEN "%s", given->name), given->node);
    }
}
