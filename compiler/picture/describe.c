/* Describes the method in the survey's words (Zhang et al., Acta Automatica Sinica 49(1), 2023):
 * the updates of each network, whether the branches are alike, whether there are clusters, the
 * family of the loss, and the source of its negatives. */
#include "compiler/picture/picture.h"

#include "lang/ast_walk.h"
#include "lang/edges.h"

#include <string.h>

/* ---- the branches ---------------------------------------------------------------------------- */

/* The boxes through which a walk has come, from the end of a branch towards the view. */
typedef struct Way {
    int box;
    const struct Way *after;
} Way;

static bool passes(const Way *way, int box) {
    for (; way; way = way->after)
        if (way->box == box) return true;
    return false;
}

/* Returns a branch as the names of the networks on it, from the view on. A target counts as the
 * network that it is a copy of. A network that is applied to its own result, as CUT's encoder is,
 * is named once. */
static const char *branch_text(Arena *arena, const Picture *p, int box, const Way *after) {
    const Way way = {box, after};
    const Box *b = &p->boxes.items[box];
    if (b->kind != BOX_NET) return "";
    const Expr *value = b->stmt->value;
    const char *name = b->name;
    if (value && value->kind == EXPR_COPY && value->args[0]->name)
        name = b->part ? arena_printf(arena, "%s.%s", value->args[0]->name, b->part)
                       : value->args[0]->name;
    for (int i = 0; i < p->arrows.count; i++) {
        const Arrow *a = &p->arrows.items[i];
        if (a->to != box || a->kind != ARROW_VALUE || p->boxes.items[a->from].kind != BOX_NET ||
            passes(&way, a->from))
            continue;
        return arena_printf(arena, "%s, %s", branch_text(arena, p, a->from, &way), name);
    }
    return name;
}

/* The texts of the branches that reach the loss, in order, each once. */
typedef struct Branches {
    /* The branches that get a gradient, and the branches that end in a stop. */
    ARRAY(const char *) learning, still;
    /* True if each array that ends in a stop also gets a gradient elsewhere. */
    bool same_box;
} Branches;

typedef ARRAY(const char *) Names;

static bool holds_name(const char *const *names, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static Branches find_branches(Arena *arena, const Picture *p) {
    Branches b = {{0}, {0}, true};
    for (int i = 0; i < p->arrows.count; i++) {
        const Arrow *a = &p->arrows.items[i];
        if (a->to != 0 || a->kind != ARROW_VALUE || p->boxes.items[a->from].kind != BOX_NET)
            continue;
        const char *text = branch_text(arena, p, a->from, NULL);
        if (a->stopped && !holds_name(b.still.items, b.still.count, text))
            array_push(arena, &b.still, text);
        if (!a->stopped && !holds_name(b.learning.items, b.learning.count, text))
            array_push(arena, &b.learning, text);
        bool learns = !a->stopped;
        for (int k = 0; k < p->arrows.count; k++) {
            const Arrow *other = &p->arrows.items[k];
            learns |= other->to == 0 && other->kind == ARROW_VALUE && other->from == a->from &&
                      !other->stopped;
        }
        b.same_box &= learns;
    }
    return b;
}

static const char *join_names(Arena *arena, const char *between, const char *const *names,
                              int count) {
    const char *all = "";
    for (int i = 0; i < count; i++)
        all = arena_printf(arena, "%s%s%s", all, i ? between : "", names[i]);
    return all;
}

/* True if every branch that ends in a stop also gets a gradient. So two heads on both branches are
 * no asymmetry. */
static bool are_alike(const Branches *b) {
    for (int i = 0; i < b->still.count; i++)
        if (!holds_name(b->learning.items, b->learning.count, b->still.items[i])) return false;
    return true;
}

/* True if the branches are alike. They are not if a branch that learns is a branch that ends in a
 * stop with one network more: a predictor stands on the branch that learns, and on that alone. */
static bool are_symmetric(const Branches *b) {
    if (b->still.count == 0) return true;
    for (int i = 0; i < b->learning.count; i++)
        for (int k = 0; k < b->still.count; k++) {
            const size_t length = strlen(b->still.items[k]);
            if (strncmp(b->learning.items[i], b->still.items[k], length) == 0 &&
                b->learning.items[i][length] == ',')
                return false;
        }
    return are_alike(b) || b->still.count > 1;
}

/* True if the branches differ and one of them is only stopped, which the survey counts as an
 * asynchronous update. */
static bool is_copied_by_stop(Arena *arena, const Picture *p) {
    const Branches b = find_branches(arena, p);
    return b.still.count && !are_symmetric(&b);
}

/* Adds the views from which arrows lead to the box, each once. */
static void add_views(Arena *arena, const Picture *p, int box, const Way *after, Names *names) {
    const Way way = {box, after};
    const Box *b = &p->boxes.items[box];
    const char *name =
        b->kind == BOX_VIEW ? arena_strndup(arena, b->name, strcspn(b->name, "[")) : NULL;
    if (name && !holds_name(names->items, names->count, name)) {
        array_push(arena, names, name);
    }
    for (int i = 0; i < p->arrows.count; i++)
        if (p->arrows.items[i].to == box && p->arrows.items[i].kind == ARROW_VALUE &&
            !passes(&way, p->arrows.items[i].from))
            add_views(arena, p, p->arrows.items[i].from, &way, names);
}

static void describe_gradient(Arena *arena, const Picture *p, const Branches *b, FILE *out) {
    Names learning = {0};
    Names still = {0};
    Names only = {0};
    for (int i = 0; i < p->arrows.count; i++) {
        const Arrow *a = &p->arrows.items[i];
        if (a->to == 0 && a->kind == ARROW_VALUE && p->boxes.items[a->from].kind == BOX_NET)
            add_views(arena, p, a->from, NULL, a->stopped ? &still : &learning);
    }
    for (int i = 0; i < still.count; i++)
        if (!holds_name(learning.items, learning.count, still.items[i]))
            array_push(arena, &only, still.items[i]);
    if (b->still.count == 0)
        fprintf(out, "gradient    through both branches\n");
    else if (b->same_box)
        fprintf(out, "gradient    through every branch; it is stopped where the same features are "
                     "the target\n");
    else if (learning.count > 1 && only.count)
        fprintf(out, "gradient    through the branches of %s; it is stopped on that of %s\n",
                join_names(arena, " and ", learning.items, learning.count),
                join_names(arena, " and ", only.items, only.count));
    else
        fprintf(out, "gradient    through one branch; it is stopped on the other\n");
}

static void describe_structure(Arena *arena, const Picture *p, FILE *out) {
    const Branches b = find_branches(arena, p);
    const char *learning = join_names(arena, "; and ", b.learning.items, b.learning.count);
    const char *still = join_names(arena, "; and ", b.still.items, b.still.count);
    if (b.learning.count + b.still.count == 0) {
        fprintf(out, "structure   no network reaches the loss\n");
        return;
    }
    if (!are_symmetric(&b))
        fprintf(out, "structure   asymmetric: one branch is %s, the other %s%s\n", learning, still,
                p->mirrored ? "; the loss takes both views through both" : "");
    else if (b.learning.count > 1)
        fprintf(out, "structure   symmetric: both branches have the heads %s\n", learning);
    else
        fprintf(out, "structure   symmetric: both branches are %s\n",
                b.learning.count ? learning : still);
    describe_gradient(arena, p, &b, out);
}

static const Stmt *find_average(const Picture *p) {
    for (int i = 0; i < p->arrows.count; i++)
        if (p->arrows.items[i].kind == ARROW_EMA) return p->arrows.items[i].stmt;
    return NULL;
}

static void describe_update(Arena *arena, const Picture *p, FILE *out) {
    const Stmt *edge = find_average(p);
    if (edge) {
        const Expr *rate = edge->value;
        fprintf(out, "update      asynchronous: `%s` follows `%s` as a moving average, rate %.*s\n",
                edge->targets[0]->name, edge->source->name, rate->span.end - rate->span.begin,
                rate->span.source->text + rate->span.begin);
        return;
    }
    const char *nets = NULL;
    for (int i = 0; i < p->boxes.count; i++) {
        const Box *b = &p->boxes.items[i];
        if (b->kind != BOX_NET || !b->trained) continue;
        bool said = false;
        for (int k = 0; k < i; k++)
            said |= p->boxes.items[k].kind == BOX_NET && p->boxes.items[k].stmt == b->stmt;
        if (!said)
            nets = nets ? arena_printf(arena, "%s, `%s`", nets, b->stmt->name)
                        : arena_printf(arena, "`%s`", b->stmt->name);
    }
    fprintf(out, "update      synchronous: one gradient step for both branches%s%s%s\n",
            nets ? ": " : "", nets ? nets : "",
            is_copied_by_stop(arena, p)
                ? " (the survey counts a branch that is only stopped as asynchronous)"
                : "");
}

/* ---- the loss -------------------------------------------------------------------------------- */

typedef struct LossFacts {
    Arena *arena;
    const Picture *picture;
    bool exponentials;
    bool hinge;
    bool library_clusters;
    bool in_batch;
    bool assigns;
    bool transposes;
    bool classifies;
    /* The memories whose rows are candidates, as in "the queue `Q`". */
    ARRAY(const char *) memory;
    ARRAY(const char *) prototypes; /* the parameters whose rows samples are assigned to */
    /* The function, of the library or the spec, that the loss calls. */
    const char *function;
} LossFacts;

typedef struct Candidates {
    const Binder *binder;
    const FlowFrame *frame;
    LossFacts *facts;
    const Symbol *memory;
    bool features;
} Candidates;

/* Notes whether a network made the array that is walked, and which memory it is read from. */
static bool find_origin(void *context, const FlowVisit *v) {
    Candidates *c = context;
    const char *part;
    if (flow_applied(v->e, &part)) c->features = true;
    const Symbol *s = v->e->symbol;
    if (s && (s->kind == SYMBOL_QUEUE || s->kind == SYMBOL_COLUMN ||
              (s->kind == SYMBOL_STATE && s->stmt && s->stmt->kind == STMT_BANK)))
        c->memory = s;
    return !flow_applied(v->e, &part);
}

/* Returns the binder of a subscript that is an index and nothing else, or NULL. */
static const Binder *plain_binder(const Expr *e) {
    return e->kind == EXPR_NAME && e->symbol && e->symbol->kind == SYMBOL_INDEX
               ? (e->symbol->binder->same ? e->symbol->binder->same : e->symbol->binder)
               : NULL;
}

/* Looks at the arrays whose rows the index runs over, also through lets that are defined by their
 * elements. */
static bool visit_index(void *context, Expr *e) {
    Candidates *c = context;
    if (e->kind != EXPR_INDEX) return true;
    for (int k = 0; k < e->arg_count; k++) {
        if (plain_binder(e->args[k]) != c->binder) continue;
        const Symbol *s = e->callee->symbol;
        const Stmt *let = s && s->kind == SYMBOL_LET ? s->stmt : NULL;
        if (let && let->binder_count > k) {
            Candidates inner = *c;
            inner.binder = let->binders[k];
            ast_walk_expr(let->value, visit_index, &inner);
            c->memory = inner.memory;
            c->features = inner.features;
        } else if (k == 0 && e->callee->type && e->callee->type->rank >= 2) {
            flow_walk(flow_new(c->facts->arena, c->facts->picture->method), e->callee, c->frame,
                      find_origin, c);
        }
    }
    return true;
}

static void add_memory(LossFacts *f, const Symbol *s) {
    bool queue = s->stmt->kind == STMT_QUEUE;
    const char *text = arena_printf(f->arena, "the %s `%s`", queue ? "queue" : "bank",
                                    queue ? s->stmt->name : s->name);
    for (int i = 0; i < f->memory.count; i++)
        if (strcmp(f->memory.items[i], text) == 0) return;
    array_push(f->arena, &f->memory, text);
}

static void describe_negatives(const LossFacts *f, bool in_batch, bool codes, const Separation *s,
                               FILE *out) {
    fprintf(out, "negatives   ");
    if (codes) {
        fprintf(out, "none; the clusters, which share the samples out among them, keep the "
                     "features apart\n");
        return;
    }
    if (f->memory.count == 0 && !in_batch) {
        fprintf(out, "none; %s\n",
                s->stop        ? "a stopped gradient keeps the features apart"
                : s->statistic ? "statistics over the batch keep the features apart"
                : s->other     ? "a margin or another sample's row keeps the features apart"
                               : "nothing named keeps the features apart");
        return;
    }
    fprintf(out, "from ");
    for (int i = 0; i < f->memory.count; i++)
        fprintf(out, "%s%s", i ? ", " : "", f->memory.items[i]);
    if (in_batch) {
        fprintf(out, "%sthe batch", f->memory.count ? ", and from " : "");
    }
    fprintf(out, "\n");
}

/* Finds candidates for negatives: rows over which an index runs beside the index of the anchor,
 * which is bound outside or by the same reduction. */
static void find_candidates(LossFacts *f, const FlowVisit *v) {
    int from_batch = 0;
    if (!v->scope && v->e->binder_count < 2) return;
    for (int i = 0; i < v->e->binder_count; i++) {
        Candidates c = {v->e->binders[i], v->frame, f, NULL, false};
        if (v->e->arg_count) {
            ast_walk_expr(v->e->args[0], visit_index, &c);
        }
        if (c.memory)
            add_memory(f, c.memory);
        else
            from_batch += c.features;
    }
    f->in_batch |= from_batch > (v->scope ? 0 : 1);
}

static bool is_call_of(const Expr *call, const char *const *names) {
    const Symbol *s = call->callee->symbol;
    for (; s && *names; names++)
        if (strcmp(s->name, *names) == 0) return true;
    return false;
}

/* Finds an int field of the data, with a number for each sample, that is no row number. */
static bool finds_label(void *context, const FlowVisit *v) {
    const Symbol *s = v->e->symbol;
    *(bool *)context |= s && s->kind == SYMBOL_FIELD && s->type && s->type->kind == KIND_INT &&
                        s->type->rank <= 1 && strcmp(s->name, "index") != 0;
    return true;
}

/* True for logits[i, labels[i]]: the entry of the label in a row of classes. */
static bool reads_class(const LossFacts *f, const FlowVisit *v) {
    bool found = false;
    for (int i = 1; v->e->kind == EXPR_INDEX && i < v->e->arg_count && !found; i++)
        flow_walk(flow_new(f->arena, f->picture->method), v->e->args[i], v->frame, finds_label,
                  &found);
    return found;
}

/* ---- prototypes ------------------------------------------------------------------------------ */

static bool find_prototypes(void *context, const FlowVisit *v) {
    LossFacts *f = context;
    const char *part;
    const Symbol *s = v->e->symbol;
    const bool is_matrix = s && s->kind == SYMBOL_PARAM && s->type && s->type->rank == 2;
    if (flow_applied(v->e, &part)) return false;
    if (is_matrix && !holds_name(f->prototypes.items, f->prototypes.count, s->name))
        array_push(f->arena, &f->prototypes, s->name);
    return true;
}

/* True if a sample belongs to one of the rows, or in parts to all of them. Such an expression is an
 * argument of the library's cluster functions or of `assignment`, or the operand of a softmax, an
 * argmax or a top-k. */
static bool assigns(const Expr *e) {
    static const char *const assigning[] = {"assignment", NULL};
    if (e->kind == EXPR_REDUCE)
        return e->reduce == REDUCE_SOFTMAX || e->reduce == REDUCE_ARGMAX ||
               e->reduce == REDUCE_ARGMIN || e->reduce == REDUCE_TOPK;
    if (e->kind != EXPR_CALL || !e->callee->symbol) return false;
    const Module *module = e->callee->symbol->module;
    return is_call_of(e, assigning) ||
           (module && !module->used && strcmp(module->name, "cluster") == 0);
}

/* Collects the prototypes: rows of a trained matrix that samples are assigned to. A matrix that
 * maps features, as CPC's and CURL's do, has no prototypes. */
static void collect_prototypes(LossFacts *f, const FlowVisit *v) {
    for (int i = 0; assigns(v->e) && i < v->e->arg_count; i++)
        flow_walk(flow_new(f->arena, f->picture->method), v->e->args[i], v->frame, find_prototypes,
                  f);
}

static bool collect_facts(void *context, const FlowVisit *v) {
    LossFacts *f = context;
    static const char *const exponential[] = {"exp", "softplus", NULL};
    static const char *const larger[] = {"max", "relu", NULL};
    const Expr *e = v->e;
    if (e->kind == EXPR_REDUCE) {
        f->exponentials |= e->reduce == REDUCE_LOGSUMEXP;
        f->assigns |= e->reduce == REDUCE_SOFTMAX;
        find_candidates(f, v);
    }
    f->classifies |= reads_class(f, v);
    collect_prototypes(f, v);
    if (e->kind == EXPR_CALL) {
        static const char *const transposing[] = {"transpose", NULL};
        const Symbol *s = e->callee->symbol;
        f->transposes |= is_call_of(e, transposing);
        f->exponentials |= is_call_of(e, exponential);
        f->hinge |= is_call_of(e, larger) && s->kind == SYMBOL_BUILTIN;
        if (s && s->module && !s->module->used && strcmp(s->module->name, "cluster") == 0)
            f->library_clusters = true;
        if (s && s->kind == SYMBOL_FN && !f->function && !v->frame)
            f->function = e->callee->kind == EXPR_MEMBER && e->callee->args[0]->name
                              ? arena_printf(f->arena, "%s.%s", e->callee->args[0]->name, s->name)
                              : s->name;
    }
    return true;
}

/* Describes the fields that the loss reads beside views: labels, which are an int for each sample,
 * and other fields. */
static int describe_fields(const Picture *p, bool labels, const char *title, FILE *out) {
    int count = 0;
    for (int i = 0; i < p->boxes.count; i++) {
        const Box *b = &p->boxes.items[i];
        if (b->kind != BOX_FIELD || b->is_label != labels) continue;
        fprintf(out, "%s%s", count++ ? ", " : title, b->name);
    }
    if (count) fprintf(out, "\n");
    return count;
}

static void describe_data(const Picture *p, FILE *out) {
    if (!describe_fields(p, true, "labels      used: the loss reads ", out))
        fprintf(out, "labels      not used\n");
    describe_fields(p, false, "fields      the loss reads ", out);
}

/* Returns the arrow of k-means, which leads from the points that are clustered, or NULL if there is
 * none. */
static const Arrow *find_means(const Picture *p) {
    for (int i = 0; i < p->arrows.count; i++)
        if (p->arrows.items[i].clusters) return &p->arrows.items[i];
    return NULL;
}

/* True if samples agree with the clusters that they are assigned to, and are not compared with each
 * other. */
static bool agrees_with_clusters(const Picture *p, const LossFacts *f, const Separation *s) {
    const bool clustered = f->prototypes.count || find_means(p);
    const bool compared = f->memory.count || (f->in_batch && s->pairs);
    return f->library_clusters || (clustered && !compared);
}

static void describe_loss(const Picture *p, const LossFacts *f, const Separation *s, FILE *out) {
    const char *family;
    const bool codes = agrees_with_clusters(p, f, s);
    bool in_batch = f->in_batch && s->pairs && !codes;
    bool negatives = f->memory.count || in_batch;
    if (codes)
        family = "agreement of cluster assignments";
    else if (negatives && f->exponentials && f->classifies)
        family = "mixed: contrastive, of the InfoNCE family, and a cross-entropy on labels";
    else if (negatives && f->exponentials)
        family = "contrastive, of the InfoNCE family: a positive against candidates under one "
                 "exponential";
    else if (negatives || (s->other && !s->statistic))
        family = f->hinge ? "contrastive, with a margin" : "contrastive, over pairs";
    else if (s->statistic)
        family = "redundancy reduction: statistics over the batch";
    else if (f->assigns)
        family = "agreement of distributions";
    else
        family = "regression of one branch on the other";
    fprintf(out, "loss        %s%s%s%s\n", family, f->function ? " (" : "",
            f->function ? f->function : "", f->function ? ")" : "");
    describe_data(p, out);
    describe_negatives(f, in_batch, codes, s, out);
}

static void describe_clusters(const Picture *p, const LossFacts *f, FILE *out) {
    if (f->prototypes.count) {
        fprintf(out, "clusters    yes: trained prototypes `%s`\n", f->prototypes.items[0]);
        return;
    }
    const Arrow *means = find_means(p);
    if (means)
        fprintf(out, "clusters    yes: k-means over `%s` between epochs\n",
                p->boxes.items[means->from].name);
    else if (f->library_clusters)
        fprintf(out, "clusters    yes: assignments from the library's cluster module\n");
    else if (f->assigns && f->transposes)
        fprintf(out, "clusters    yes: a softmax assigns them, and its columns are contrasted as "
                     "its rows are\n");
    else
        fprintf(out, "clusters    no\n");
}

/* ---- counts ---------------------------------------------------------------------------------- */

static void describe_views(const Picture *p, FILE *out) {
    int count = 0;
    for (int i = 0; i < p->method->spec->stmt_count; i++) {
        const Stmt *s = p->method->spec->stmts[i];
        for (int k = 0; s->kind == STMT_VIEW && k < s->param_count; k++) {
            const Param *view = &s->params[k];
            fprintf(out, "%s%s%s", count++ ? ", " : "views       ", view->name,
                    view->has_shape ? "[..]" : "");
            if (k + 1 == s->param_count)
                fprintf(out, " by %.*s", s->value->span.end - s->value->span.begin,
                        s->value->span.source->text + s->value->span.begin);
        }
    }
    fprintf(out, "%s\n", count ? "" : "views       none");
}

/* Returns `names` with the names of the statements of one kind added, also of those in blocks. */
static const char *names_of(Arena *arena, Stmt *const *stmts, int count, StmtKind kind,
                            const char *names) {
    for (int i = 0; i < count; i++) {
        const Stmt *s = stmts[i];
        if (s->kind == kind && s->name)
            names = arena_printf(arena, "%s%s%s", names, *names ? ", " : "", s->name);
        names = names_of(arena, s->body, s->body_count, kind, names);
        names = names_of(arena, s->otherwise, s->otherwise_count, kind, names);
    }
    return names;
}

static void describe_names(Arena *arena, const Picture *p, FILE *out) {
    static const struct {
        StmtKind kind;
        const char *title;
    } rows[] = {{STMT_STAGE, "stages      "},
                {STMT_LOSS, "losses      "},
                {STMT_REPORT, "reports     "},
                {STMT_GIVE, "gives       "}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *names =
            names_of(arena, p->method->spec->stmts, p->method->spec->stmt_count, rows[i].kind, "");
        if (*names) fprintf(out, "%s%s\n", rows[i].title, names);
    }
}

static void describe_counts(Arena *arena, const Picture *p, const LoweredProgram *program,
                            FILE *out) {
    for (int i = 0; i < p->method->spec->stmt_count; i++) {
        const Stmt *s = p->method->spec->stmts[i];
        bool net = s->kind == STMT_NET && !s->has_config;
        for (int k = 0; k < (net ? 1 : s->kind == STMT_PARAM ? s->param_count : 0); k++) {
            const char *name = net ? s->name : s->params[k].name;
            int64_t count = picture_parameters(program, name, NULL);
            const char *how = net && picture_edge_to(p, s) ? ", moved by its edge" : "";
            if (count >= 0) {
                fprintf(out, "parameters  %s: %lld%s\n", name, (long long)count, how);
            }
        }
    }
    for (int i = 0; i < program->states.count; i++) {
        const ProgramState *s = &program->states.items[i];
        if (strchr(s->name, '.') || s->role == ROLE_PARAM || s->role == ROLE_OPTIMISER) continue;
        const char *shape = "";
        for (int a = 0; a < s->rank; a++)
            shape = arena_printf(arena, "%s%s%lld", shape, a ? " x " : "", (long long)s->shape[a]);
        fprintf(out, "memory      %s: %s\n", s->name, s->rank ? shape : "one number");
    }
}

void picture_describe(Arena *arena, const Picture *p, const LoweredProgram *program, FILE *out) {
    LossFacts facts = {.arena = arena, .picture = p};
    flow_walk_losses(flow_new(arena, p->method), collect_facts, &facts);
    Separation s = method_separation(arena, p->method);
    fprintf(out, "method      %s\n", p->method->spec->name);
    describe_update(arena, p, out);
    describe_structure(arena, p, out);
    describe_clusters(p, &facts, out);
    describe_loss(p, &facts, &s, out);
    describe_views(p, out);
    describe_names(arena, p, out);
    describe_counts(arena, p, program, out);
}
