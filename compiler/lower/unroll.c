/* Unrolls lets that apply a network for each index, `let z[v] = encoder(g[v])`. A network takes one
 * array at a time and has the batch statistics of each application apart. So the let becomes an
 * application for each value of the indices in the network's arguments, with shared weights, and
 * the results are stacked. */
#include "compiler/lower/internal.h"

#include <string.h>

enum { MOST_APPLICATIONS = 64 };

typedef struct Unrolled {
    const Stmt *let;
    /* By binder: true if its values are written out; the others stay indices. */
    bool unrolls[GRAPH_MAX_RANK];
    int64_t extent[GRAPH_MAX_RANK];
    /* The axes of the result: those of the binders, then those of an element. */
    const GExpr *axes[GRAPH_MAX_RANK];
    int binder_count;
    int own_count;
    int64_t total;
} Unrolled;

bool let_unrolls(const Stmt *s) {
    for (int i = 0; i < s->binder_count; i++)
        if (net_takes_index(s->value, s->binders[i])) return true;
    return false;
}

static void open_unrolled(Lower *l, const Stmt *s, Unrolled *u) {
    u->let = s;
    u->binder_count = s->binder_count;
    u->total = 1;
    for (int i = 0; i < s->binder_count; i++) {
        lower_eval_dim(l, s->binders[i]->extent, s->binders[i]->span, &u->extent[i]);
        u->unrolls[i] = net_takes_index(s->value, s->binders[i]);
        u->axes[i] = graph_named_index(l->g, u->extent[i], s->binders[i]->name);
        if (u->unrolls[i]) u->total *= u->extent[i];
    }
    if (u->total <= MOST_APPLICATIONS) return;
    diag_report(l->diag, CODE_NETWORK_ARGUMENT, s->span,
                "this applies its networks %lld times; at most %d applications are written out",
                (long long)u->total, MOST_APPLICATIONS);
    diag_suggest(l->diag, "`reshape(x, A * B, ..)` puts both axes into one batch, to which the "
                          "network is applied once");
    u->total = 1; /* After an error the result keeps its shape, so that the rest is checked too. */
}

/* Binds the indices of application number `number`, which are its digits in mixed radix. */
static void bind_application(Lower *l, const Unrolled *u, Frame *frame, int64_t number) {
    for (int i = u->binder_count - 1; i >= 0; i--) {
        Value index = value_scalar(u->axes[i]);
        if (u->unrolls[i]) {
            index = value_static(l, (double)(number % u->extent[i]), true);
            number /= u->extent[i];
        }
        frame_set(l, frame, u->let->binders[i], index);
    }
}

/* Lowers one application, as an element of the result at its axes. */
static const GExpr *application(Lower *l, Unrolled *u, int64_t number) {
    Frame *outer = l->frame;
    l->frame = frame_new(l, outer);
    bind_application(l, u, l->frame, number);
    Value value = lower_value(l, u->let->value);
    l->frame = outer;
    int own = value_rank(&value);
    for (int i = u->own_count; i < own; i++)
        u->axes[u->binder_count + i] = graph_fresh_index(l->g, value_extent(&value, i));
    u->own_count = own;
    return value_element(l, &value, u->axes + u->binder_count, u->let->span);
}

Value let_unrolled_value(Lower *l, const Stmt *s) {
    Unrolled u;
    memset(&u, 0, sizeof u);
    Graph *g = l->g;
    const GExpr *number = gx_int(g, 0);
    const GExpr *element = NULL;
    const GExpr *pieces[MOST_APPLICATIONS];
    open_unrolled(l, s, &u);
    for (int64_t k = 0; k < u.total; k++)
        pieces[k] = application(l, &u, k);
    for (int i = 0; i < u.binder_count; i++)
        if (u.unrolls[i])
            number = gx2(g, G_ADD, gx2(g, G_MUL, number, gx_int(g, u.extent[i])), u.axes[i]);
    for (int64_t k = u.total - 1; k >= 0; k--)
        element = element ? gx_select(g, gx2(g, G_EQ, number, gx_int(g, k)), pieces[k], element)
                          : pieces[k];
    if (u.binder_count + u.own_count > GRAPH_MAX_RANK) {
        diag_report(l->diag, CODE_TOO_MANY_AXES, s->span,
                    "an array has at most %d axes, and `%s` would have %d", GRAPH_MAX_RANK, s->name,
                    u.binder_count + u.own_count);
        return value_scalar(gx_real(g, 0));
    }
    return lower_array_from(l, element, u.axes, u.binder_count + u.own_count, s->name, s->span);
}
