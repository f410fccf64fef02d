/* Draws a method from its text. The walk goes from the loss back to the data (lang/flow.h) and
 * makes a box for each view, network, queue and state on the way, and an arrow for each value.
 *
 * A network that is applied to the same inputs twice is one box. A loss that is symmetric in two
 * views has each branch twice, and only one half is drawn then, as papers do. dot.c writes the
 * result for Graphviz, describe.c in words. */
#include "compiler/picture/picture.h"

#include <string.h>

typedef struct Application { /* a network that is applied somewhere, while its inputs are drawn */
    const Expr *e;
    int box;
    const struct Application *outer;
} Application;

typedef struct Drawing {
    Arena *arena;
    Flow *flow;
    Picture *picture;
    const Application *open; /* the innermost application */
} Drawing;

typedef struct Consumer { /* the box whose inputs are being found */
    Drawing *drawing;
    int box;
    ArrowKind kind;
    bool clusters;
} Consumer;

static void draw_inputs(Drawing *d, const Expr *e, const FlowFrame *frame, int box, ArrowKind kind);

/* ---- boxes and arrows ------------------------------------------------------------------------ */

static int add_box(Drawing *d, Box box) {
    array_push(d->arena, &d->picture->boxes, box);
    return d->picture->boxes.count - 1;
}

static int find_or_add(Drawing *d, Box box) {
    for (int i = 0; i < d->picture->boxes.count; i++) {
        const Box *b = &d->picture->boxes.items[i];
        if (b->kind == box.kind && strcmp(b->name, box.name) == 0) return i;
    }
    return add_box(d, box);
}

static bool has_arrow(const Picture *p, Arrow a) {
    for (int i = 0; i < p->arrows.count; i++) {
        const Arrow *b = &p->arrows.items[i];
        if (b->kind == a.kind && b->from == a.from && b->to == a.to && b->stopped == a.stopped)
            return true;
    }
    return false;
}

static void add_arrow(Drawing *d, Arrow arrow) {
    if (!has_arrow(d->picture, arrow)) {
        array_push(d->arena, &d->picture->arrows, arrow);
    }
}

static bool same_inputs(const Picture *p, int a, int b) {
    int mine = 0;
    int theirs = 0;
    int common = 0;
    for (int i = 0; i < p->arrows.count; i++) {
        Arrow arrow = p->arrows.items[i];
        mine += arrow.to == a;
        theirs += arrow.to == b;
        if (arrow.to != a) continue;
        arrow.to = b;
        common += has_arrow(p, arrow);
    }
    return mine == theirs && mine == common;
}

/* ---- networks -------------------------------------------------------------------------------- */

/* Draws a box for each array that a network is applied to. The box is drawn with its inputs, and
 * dropped if an older box has the same inputs. */
static int draw_net(Drawing *d, const FlowVisit *v, const Stmt *net, const char *part) {
    Picture *p = d->picture;
    const char *name = part ? arena_printf(d->arena, "%s.%s", net->name, part) : net->name;
    int boxes = p->boxes.count;
    int arrows = p->arrows.count;
    int box = add_box(d, (Box){.kind = BOX_NET, .name = name, .stmt = net, .part = part});
    Application self = {.e = v->e, .box = box, .outer = d->open};
    d->open = &self;
    for (int i = 0; i < v->e->arg_count; i++)
        draw_inputs(d, v->e->args[i], v->frame, box, ARROW_VALUE);
    d->open = self.outer;
    for (int i = 0; i < box; i++) {
        const Box *other = &p->boxes.items[i];
        if (other->kind != BOX_NET || strcmp(other->name, name) != 0 || !same_inputs(p, box, i))
            continue;
        p->boxes.count = boxes; /* the box and what was drawn for its inputs are dropped again */
        p->arrows.count = arrows;
        return i;
    }
    return box;
}

/* ---- from a value to what it is made of ------------------------------------------------------ */

static bool is_trained_param(const Symbol *s) {
    return s->kind == SYMBOL_PARAM && s->stmt && s->stmt->kind == STMT_PARAM;
}

/* Returns the box of a view. A view of computed arrays has arrows from the arrays that these are
 * made of. */
static int box_of_view(Drawing *d, const char *name, Stmt *view) {
    const int before = d->picture->boxes.count;
    const int box = find_or_add(d, (Box){.kind = BOX_VIEW, .name = name, .stmt = view});
    for (int i = 0; box >= before && i < view->reads.count; i++)
        draw_inputs(d, view->reads.items[i], NULL, box, ARROW_VALUE);
    return box;
}

/* Returns the box of g[0], where `view g[2]` makes several: each is a view of its own. Returns -1
 * for another expression. */
static int box_of_chosen_view(Drawing *d, const Expr *e) {
    const Symbol *s = e->callee->symbol;
    if (!s || s->kind != SYMBOL_VIEW || !s->param->has_shape || e->arg_count == 0 ||
        e->args[0]->kind != EXPR_NUMBER)
        return -1;
    return box_of_view(d, arena_printf(d->arena, "%s[%.0f]", s->name, e->args[0]->number), s->stmt);
}

/* Returns the box of a field of a batch, or -1 for the number of a row, which is no field. */
static int field_box(Drawing *d, const Symbol *s) {
    if (strcmp(s->name, "index") == 0) return -1;
    const bool is_label = s->type && s->type->kind == KIND_INT && s->type->rank <= 1;
    const char *name = arena_printf(d->arena, "%s.%s", s->stmt->name, s->name);
    return find_or_add(
        d, (Box){.kind = BOX_FIELD, .name = name, .stmt = s->stmt, .is_label = is_label});
}

/* Returns the box that a name stands for, or -1 for a value that is made of others. */
static int box_of_name(Drawing *d, const Expr *e) {
    if (e->kind == EXPR_INDEX) return box_of_chosen_view(d, e);
    const Symbol *s = e->symbol;
    if (!s) return -1;
    switch (s->kind) {
    case SYMBOL_VIEW:
        return box_of_view(d, s->name, s->stmt);
    case SYMBOL_QUEUE:
    case SYMBOL_COLUMN:
        return find_or_add(
            d, (Box){.kind = BOX_QUEUE, .name = s->stmt->name, .stmt = s->stmt, .type = s->type});
    case SYMBOL_STATE:
        return find_or_add(
            d, (Box){.kind = BOX_STATE, .name = s->name, .stmt = s->stmt, .type = s->type});
    case SYMBOL_FIELD:
        return field_box(d, s);
    case SYMBOL_PARAM:
        return is_trained_param(s) ? find_or_add(d, (Box){.kind = BOX_PARAM,
                                                          .name = s->name,
                                                          .stmt = s->stmt,
                                                          .type = s->type})
                                   : -1;
    default:
        return -1;
    }
}

static bool draw_visit(void *context, const FlowVisit *v) {
    const Consumer *c = context;
    const char *part;
    const Stmt *net = flow_applied(v->e, &part);
    for (const Application *a = c->drawing->open; net && a; a = a->outer)
        /* a scan carries the result of the round before, for which no arrow is drawn */
        if (a->e == v->e) return false;
    int from = net ? draw_net(c->drawing, v, net, part) : box_of_name(c->drawing, v->e);
    if (from < 0) return true;
    Picture *p = c->drawing->picture;
    BoxKind kind = p->boxes.items[from].kind;
    /* a state that is updated from itself, such as a running average, gets no arrow for that */
    if (from == c->box) return false;
    const bool learns = kind == BOX_NET || kind == BOX_PARAM;
    const bool chosen = learns && c->kind == ARROW_VALUE && v->stopped && !v->stop;
    add_arrow(c->drawing, (Arrow){.kind = chosen ? ARROW_CHOICE : c->kind,
                                  .from = from,
                                  .to = c->box,
                                  .stopped = kind == BOX_NET && v->stop && c->kind == ARROW_VALUE,
                                  .clusters = c->clusters});
    return false;
}

static void draw_inputs(Drawing *d, const Expr *e, const FlowFrame *frame, int box,
                        ArrowKind kind) {
    const char *called = e && e->kind == EXPR_CALL ? e->callee->name : NULL;
    /* kmeans is the one call whose result has centres and members */
    Consumer c = {d, box, kind, kind == ARROW_UPDATE && called && strcmp(called, "kmeans") == 0};
    /* The inputs get a walk of their own, because the walk under way keeps what it has seen. */
    Flow *outer = d->flow;
    d->flow = flow_new(d->arena, d->picture->method);
    flow_walk(d->flow, e, frame, draw_visit, &c);
    d->flow = outer;
}

/* ---- statements ------------------------------------------------------------------------------ */

static void draw_loss(void *context, Stmt *s) {
    if (s->kind == STMT_LOSS) {
        draw_inputs(context, s->value, NULL, 0, ARROW_VALUE);
    }
}

static int find_box(const Picture *p, BoxKind kind, const char *name) {
    for (int i = 0; i < p->boxes.count; i++)
        if (p->boxes.items[i].kind == kind && strcmp(p->boxes.items[i].name, name) == 0) return i;
    return -1;
}

/* Draws the arrows into the memory that the loss reads, in a step or before an epoch. */
static void draw_memory(void *context, Stmt *s) {
    Drawing *d = context;
    for (int i = 0; (s->kind == STMT_EVERY || s->kind == STMT_OVER) && i < s->body_count; i++)
        draw_memory(d, s->body[i]);
    if (s->kind == STMT_QUEUE) {
        int box = find_box(d->picture, BOX_QUEUE, s->name);
        if (box >= 0 && s->value) {
            draw_inputs(d, s->value, NULL, box, ARROW_PUSH);
        }
        for (int i = 0; box >= 0 && i < s->param_count; i++)
            draw_inputs(d, s->params[i].value, NULL, box, ARROW_PUSH);
    }
    for (int i = 0; s->kind == STMT_UPDATE && i < s->target_count; i++) {
        const Expr *target =
            s->targets[i]->kind == EXPR_INDEX ? s->targets[i]->callee : s->targets[i];
        int box = target->name ? find_box(d->picture, BOX_STATE, target->name) : -1;
        if (box >= 0) draw_inputs(d, s->value, NULL, box, ARROW_UPDATE);
    }
}

static bool is_use_of(const Box *b, const Stmt *net) {
    return b->kind == BOX_NET && b->stmt == net && !b->hidden;
}

static int first_box_of(const Picture *p, const Stmt *net) {
    for (int i = 0; i < p->boxes.count; i++)
        if (is_use_of(&p->boxes.items[i], net)) return i;
    return -1;
}

/* Draws a moving average. It follows the whole of a network; if only parts are applied, it follows
 * each of them. */
static void draw_average(void *context, Stmt *s) {
    Drawing *d = context;
    Picture *p = d->picture;
    if (s->kind != STMT_EMA || !s->targets[0]->symbol || !s->source->symbol) return;
    const Stmt *source = s->source->symbol->stmt;
    const int to = first_box_of(p, s->targets[0]->symbol->stmt);
    for (int i = 0; to >= 0 && i < p->boxes.count; i++) {
        const Box *b = &p->boxes.items[i];
        if (!is_use_of(b, source)) continue;
        bool drawn = false;
        for (int k = 0; k < i; k++) {
            const Box *other = &p->boxes.items[k];
            drawn |=
                is_use_of(other, source) && (!other->part || strcmp(other->name, b->name) == 0);
        }
        if (!drawn) add_arrow(d, (Arrow){.kind = ARROW_EMA, .from = i, .to = to, .stmt = s});
    }
}

/* ---- what is shared, trained, mirrored ------------------------------------------------------- */

static void draw_shared(Drawing *d) {
    Picture *p = d->picture;
    for (int i = 0; i < p->boxes.count; i++) {
        const Box *a = &p->boxes.items[i];
        for (int k = i + 1; a->kind == BOX_NET && !a->hidden && k < p->boxes.count; k++) {
            const Box *b = &p->boxes.items[k];
            if (b->kind != BOX_NET || b->hidden || strcmp(a->name, b->name) != 0) continue;
            add_arrow(d, (Arrow){.kind = ARROW_SHARED, .from = i, .to = k});
            break;
        }
    }
}

/* Marks the boxes that are trained. A gradient comes to a box along arrows without a stop. */
static void mark_trained(Picture *p) {
    p->boxes.items[0].trained = true;
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < p->arrows.count; i++) {
            const Arrow *a = &p->arrows.items[i];
            Box *from = &p->boxes.items[a->from];
            if (a->kind != ARROW_VALUE || a->stopped || from->trained ||
                !p->boxes.items[a->to].trained)
                continue;
            from->trained = more = true;
        }
    }
    for (int i = 0; i < p->boxes.count;
         i++) /* shared weights are trained through any of their uses */
        for (int k = 0; k < p->boxes.count; k++)
            if (p->boxes.items[i].trained && p->boxes.items[k].stmt == p->boxes.items[i].stmt &&
                p->boxes.items[k].kind == BOX_NET)
                p->boxes.items[k].trained = true;
}

/* Returns the box that box i becomes when the two views change places, or -1 if there is none. */
static int mirror_of(const Picture *p, int i, const int *mirror) {
    const Box *b = &p->boxes.items[i];
    if (b->kind != BOX_NET) return i;
    for (int k = 0; k < p->boxes.count; k++) {
        const Box *other = &p->boxes.items[k];
        if (other->kind != BOX_NET || strcmp(other->name, b->name) != 0) continue;
        int mine = 0;
        int theirs = 0;
        int common = 0;
        for (int a = 0; a < p->arrows.count; a++) {
            Arrow arrow = p->arrows.items[a];
            if (arrow.kind != ARROW_VALUE) continue;
            mine += arrow.to == i;
            theirs += arrow.to == k;
            if (arrow.to != i) continue;
            arrow.to = k;
            arrow.from = mirror[arrow.from];
            common += arrow.from >= 0 && has_arrow(p, arrow);
        }
        if (mine == theirs && mine == common) return k;
    }
    return -1;
}

/* Finds for each box the box that it becomes when the two views change places. Returns false if
 * there are not two views, or if the exchange makes another picture. */
static bool find_mirror(const Picture *p, int *mirror) {
    int views[2];
    int count = 0;
    for (int i = 0; i < p->boxes.count; i++) {
        mirror[i] = -1;
        if (p->boxes.items[i].kind == BOX_VIEW && count++ < 2) {
            views[count - 1] = i;
        }
    }
    if (count != 2) return false;
    for (int i = 0; i < p->boxes.count; i++)
        if (p->boxes.items[i].kind != BOX_NET) mirror[i] = i;
    mirror[views[0]] = views[1];
    mirror[views[1]] = views[0];
    for (int round = 0; round < p->boxes.count;
         round++) /* the mirror of a network needs the mirrors of its inputs */
        for (int i = 0; i < p->boxes.count; i++)
            if (mirror[i] < 0) mirror[i] = mirror_of(p, i, mirror);
    for (int i = 0; i < p->arrows.count; i++) {
        Arrow a = p->arrows.items[i];
        if (mirror[a.from] < 0 || mirror[a.to] < 0) return false;
        a.from = mirror[a.from];
        a.to = mirror[a.to];
        if (!has_arrow(p, a)) return false;
    }
    return true;
}

static bool comes_from(const Picture *p, int box, int view) {
    if (box == view) return true;
    for (int i = 0; i < p->arrows.count; i++)
        if (p->arrows.items[i].to == box && p->arrows.items[i].kind == ARROW_VALUE &&
            comes_from(p, p->arrows.items[i].from, view))
            return true;
    return false;
}

/* Marks the box and all boxes from which arrows that are shown lead to it as seen. */
static void hide_unseen(Picture *p, bool *seen, int box) {
    if (seen[box]) return;
    seen[box] = true;
    for (int i = 0; i < p->arrows.count; i++)
        if (p->arrows.items[i].to == box && !p->arrows.items[i].hidden)
            hide_unseen(p, seen, p->arrows.items[i].from);
}

/* Hides half of a loss that treats its two views alike, so that each branch stands twice, with
 * either view. As papers draw it, the branch that learns keeps the first view, and the other branch
 * the second. */
static void fold_mirror(Drawing *d) {
    Picture *p = d->picture;
    int *mirror = arena_array(d->arena, int, p->boxes.count + 1);
    int first_view = -1;
    int pairs = 0;
    int stopped = 0;
    for (int i = p->boxes.count - 1; i >= 0; i--)
        if (p->boxes.items[i].kind == BOX_VIEW) first_view = i;
    if (!find_mirror(p, mirror)) return;
    for (int i = 0; i < p->arrows.count; i++) {
        const bool result =
            p->arrows.items[i].to == 0 && p->boxes.items[p->arrows.items[i].from].kind == BOX_NET;
        pairs += result;
        stopped += result && p->arrows.items[i].stopped;
    }
    /* A loss with two heads on two branches has four results, too, but other stops. */
    if (pairs != 4 || stopped != 2) return;
    for (int i = 0; i < p->arrows.count; i++) {
        Arrow *a = &p->arrows.items[i];
        if (a->to == 0 && p->boxes.items[a->from].kind == BOX_NET)
            a->hidden = comes_from(p, a->from, first_view) == a->stopped;
    }
    bool *seen = arena_array(d->arena, bool, p->boxes.count + 1);
    hide_unseen(p, seen, 0);
    for (int i = 0; i < p->boxes.count; i++)
        p->boxes.items[i].hidden = !seen[i];
    for (int i = 0; i < p->arrows.count; i++)
        p->arrows.items[i].hidden |= !seen[p->arrows.items[i].from] || !seen[p->arrows.items[i].to];
    p->mirrored = true;
}

/* Returns the field of the data that a recipe begins with, however many recipes are put one around
 * the other. Returns NULL if it begins with something else. */
static const Symbol *field_of_recipe(const Expr *e) {
    while (e->kind == EXPR_CALL && e->arg_count)
        e = e->args[0];
    return e->symbol && e->symbol->kind == SYMBOL_FIELD ? e->symbol : NULL;
}

/* Drops the arrow of a choice if the same box also leads to the same place as a value. */
static void drop_choices(Picture *p) {
    int kept = 0;
    for (int i = 0; i < p->arrows.count; i++) {
        Arrow value = p->arrows.items[i];
        value.kind = ARROW_VALUE;
        value.stopped = false;
        bool both = has_arrow(p, value);
        value.stopped = true;
        both |= has_arrow(p, value);
        if (p->arrows.items[i].kind != ARROW_CHOICE || !both)
            p->arrows.items[kept++] = p->arrows.items[i];
    }
    p->arrows.count = kept;
}

static void draw_data(Drawing *d) {
    Picture *p = d->picture;
    int count = p->boxes.count;
    for (int i = 0; i < count; i++) {
        if (p->boxes.items[i].kind != BOX_VIEW || p->boxes.items[i].hidden) continue;
        const Symbol *field = field_of_recipe(p->boxes.items[i].stmt->value);
        if (!field) continue;
        int data =
            find_or_add(d, (Box){.kind = BOX_DATA, .name = field->stmt->name, .stmt = field->stmt});
        add_arrow(d, (Arrow){.kind = ARROW_VALUE, .from = data, .to = i});
    }
}

/* Hides the arrows at hidden boxes. Memory may be fed by both mirror images of a branch, of which
 * one is hidden. */
static void hide_loose_ends(Picture *p) {
    for (int i = 0; i < p->arrows.count; i++)
        p->arrows.items[i].hidden |= p->boxes.items[p->arrows.items[i].from].hidden ||
                                     p->boxes.items[p->arrows.items[i].to].hidden;
}

Picture *picture_of(Arena *arena, const Method *method) {
    Drawing d = {
        .arena = arena, .flow = flow_new(arena, method), .picture = arena_new_of(arena, Picture)};
    d.picture->method = method;
    add_box(&d, (Box){.kind = BOX_LOSS, .name = "loss"});
    method_each_stmt(method->spec, draw_loss, &d);
    drop_choices(d.picture);
    mark_trained(d.picture);
    fold_mirror(&d);
    /* a box that feeds memory may itself be memory */
    for (int before = 0; before < d.picture->boxes.count;) {
        before = d.picture->boxes.count;
        method_each_stmt(method->spec, draw_memory, &d);
    }
    draw_data(&d);
    draw_shared(&d);
    method_each_stmt(method->spec, draw_average, &d);
    hide_loose_ends(d.picture);
    return d.picture;
}

typedef struct EdgeSearch {
    const Stmt *net;
    const Stmt *found;
} EdgeSearch;

static void match_edge(void *context, Stmt *s) {
    EdgeSearch *search = context;
    if (s->kind == STMT_EMA && s->targets[0]->symbol && s->targets[0]->symbol->stmt == search->net)
        search->found = s;
}

const Stmt *picture_edge_to(const Picture *p, const Stmt *net) {
    EdgeSearch search = {net, NULL};
    method_each_stmt(p->method->spec, match_edge, &search);
    return search.found;
}

int64_t picture_parameters(const LoweredProgram *program, const char *net, const char *part) {
    int64_t total = -1;
    size_t length = strlen(net);
    size_t part_length = part ? strlen(part) : 0;
    for (int i = 0; i < program->states.count; i++) {
        const ProgramState *s = &program->states.items[i];
        const char *rest = s->name + length;
        if (s->role != ROLE_PARAM || strncmp(s->name, net, length) != 0 ||
            (*rest != '.' && *rest != 0))
            continue;
        if (part && (strncmp(rest + 1, part, part_length) != 0 ||
                     (rest[1 + part_length] != '.' && rest[1 + part_length] != 0)))
            continue;
        int64_t count = 1;
        for (int a = 0; a < s->rank; a++)
            count *= s->shape[a];
        total = (total < 0 ? 0 : total) + count;
    }
    return total;
}
