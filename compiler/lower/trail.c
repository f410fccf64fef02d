/* Adds to a message about a place inside a function or a network the calls that gave it these
 * sizes, the innermost first. A line of the library is right for most sizes, so what must change is
 * mostly at one of the calls. */
#include "compiler/lower/internal.h"

#include <stdio.h>
#include <string.h>

enum {
    MOST_CALLS = 4,
    TEXT = 256,
};

static void append_value(char *text, const char *name, const Value *value) {
    size_t length = strlen(text);
    const char *between = length ? ", " : "where ";
    if (value->kind != VALUE_SCALAR || value->scalar->op != G_CONST) return;
    if (value->scalar->type == GT_INT)
        snprintf(text + length, TEXT - length, "%s%s = %lld", between, name,
                 (long long)value->scalar->integer);
    else if (value->scalar->type == GT_REAL)
        snprintf(text + length, TEXT - length, "%s%s = %g", between, name, value->scalar->real);
}

static void append_known(char *text, const Frame *frame, const char *name, const void *key) {
    const Value *value = key ? frame_find(frame, key) : NULL;
    if (value) append_value(text, name, value);
}

/* Writes the known settings and dimensions, as in "where C = 31, H = 28, W = 28, groups = 8". */
static void sizes_of(const Call *c, char *text) {
    text[0] = 0;
    for (int i = 0; i < c->fn->config_count; i++)
        append_known(text, c->frame, c->fn->config[i].name, c->fn->config[i].symbol);
    for (int i = 0; i < c->fn->param_count; i++) {
        const Param *p = &c->fn->params[i];
        for (int k = 0; k < p->dim_count; k++) {
            bool first = p->dims[k]->kind == EXPR_NAME;
            for (int q = 0; first && q <= i; q++) /* a dimension is mentioned once */
                for (int r = 0; r < (q < i ? c->fn->params[q].dim_count : k); r++)
                    first &= c->fn->params[q].dims[r]->symbol != p->dims[k]->symbol;
            if (first) {
                append_known(text, c->frame, p->dims[k]->name, p->dims[k]->symbol);
            }
        }
        if (!p->has_shape) {
            append_known(text, c->frame, p->name, p->symbol);
        }
    }
}

static void note_call(Diag *diag, const Call *c) {
    char sizes[TEXT];
    sizes_of(c, sizes);
    const Made *made = c->net ? c->net->made : NULL;
    if (!made) {
        diag_trail(diag, c->call->span, "in this call of `%s`%s%s", c->fn->name,
                   sizes[0] ? ", " : "", sizes);
        return;
    }
    diag_trail(diag, made->place, "in this `%s`%s%s", c->fn->name, sizes[0] ? ", " : "", sizes);
    for (made = made->in; made; made = made->in)
        diag_trail(diag, made->place, "which is a part of this `%s`", made->name);
}

static void write_trail(void *context, Diag *diag) {
    const Lower *l = context;
    int left = MOST_CALLS;
    for (const Call *c = l->call; c && left > 0; c = c->outer) {
        if (!c->call) continue; /* the function that the user named, which no line calls */
        note_call(diag, c);
        left--;
        if (c->net && c->net->made) {
            diag_trail(diag, c->call->span, "which is applied here");
        }
    }
}

const GPlace *trail_place_at(Lower *l, Span span) {
    GPlace *place = arena_new_of(l->arena, GPlace);
    *place = (GPlace){span, l->call ? l->call->place : NULL, false};
    return place;
}

void call_enter(Lower *l, Call *call) {
    call->outer = l->call;
    call->place = call->call ? trail_place_at(l, call->call->span)
                  : l->call  ? l->call->place
                             : NULL;
    l->call = call;
    diag_follow(l->diag, write_trail, l);
}

void call_leave(Lower *l) {
    l->call = l->call->outer;
    if (!l->call) diag_follow(l->diag, NULL, NULL);
}
