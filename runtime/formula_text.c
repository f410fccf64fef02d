/* Writes values, places and parts of a formula for messages, in the syntax of the language. */
#include "runtime/formula_parts.h"

void couplet_formula_add(Text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int wrote = vsnprintf(t->at + t->length, t->bytes - t->length, format, args);
    va_end(args);
    if (wrote > 0) t->length += (size_t)wrote;
    if (t->length >= t->bytes) t->length = t->bytes - 1;
}

void couplet_formula_add_real(Text *t, double value) {
    if (isnan(value))
        couplet_formula_add(t, "nan");
    else
        couplet_formula_add(t, "%.6g", value);
}

static void add_value(Text *t, const Expr *e, double value) {
    if (e->is_real)
        couplet_formula_add_real(t, value);
    else
        couplet_formula_add(t, "%.0f", value);
}

void couplet_formula_add_string(Text *t, const Work *w, int number) {
    couplet_formula_add(t, "%.*s", w->strings[number].length, w->strings[number].text);
}

void couplet_element_text(const char *name, int rank, const int64_t *shape, int64_t element,
                          char *text, size_t bytes) {
    Text t = {text, 0, bytes};
    int64_t index[COUPLET_MAX_RANK];
    for (int i = rank - 1; i >= 0; i--) {
        index[i] = element % shape[i];
        element /= shape[i];
    }
    couplet_formula_add(&t, "%s", name);
    for (int i = 0; i < rank; i++)
        couplet_formula_add(&t, i ? ", %lld" : "[%lld", (long long)index[i]);
    if (rank) couplet_formula_add(&t, "]");
}

/* Writes indices and their values, such as " for i = 3, j = 4". If an index has no name, writes "
 * for element [3, 4]". Writes nothing if there are none. */
void couplet_formula_add_point(Text *t, const Point *p, uint32_t which) {
    const Formula *f = p->formula;
    bool named = true;
    int count = 0;
    for (int i = 0; i < f->rank + f->red_rank; i++) {
        if (!(which >> i & 1)) continue;
        named &= f->index_name[i] >= 0 || f->extent[i] == 1;
        count++;
    }
    const char *between = named ? " for " : " for element [";
    for (int i = 0; i < f->rank + f->red_rank; i++) {
        if (!(which >> i & 1) || (named && f->index_name[i] < 0)) continue;
        couplet_formula_add(t, "%s", between);
        if (named)
            couplet_formula_add_string(t, p->work, f->index_name[i]), couplet_formula_add(t, " = ");
        couplet_formula_add(t, "%lld", (long long)p->index[i]);
        between = ", ";
    }
    if (!named && count) couplet_formula_add(t, "]");
}

uint32_t couplet_formula_result_indices(const Formula *f) {
    return (1u << f->rank) - 1;
}

/* Writes an element that is read, such as `y[1]`, or its value if the array has no name. */
void couplet_formula_add_load(Text *t, Point *p, int number) {
    const Expr *e = &p->formula->exprs[number];
    if (e->name < 0) {
        add_value(t, e, couplet_formula_eval(p, number));
        return;
    }
    couplet_formula_add_string(t, p->work, e->name);
    for (int i = 0; i < e->rank; i++)
        couplet_formula_add(t, i ? ", %.0f" : "[%.0f", couplet_formula_eval(p, e->args[i]));
    if (e->rank) couplet_formula_add(t, "]");
}

typedef struct Written {
    const char *before;
    const char *between;
    const char *after;
    int binds; /* the precedence of its outermost operator; 0: never in parentheses */
} Written;

static const Written written[COUPLET_OP_COUNT] = {
    [COUPLET_OP_ADD] = {"", " + ", "", 1},
    [COUPLET_OP_SUB] = {"", " - ", "", 1},
    [COUPLET_OP_MUL] = {"", " * ", "", 2},
    [COUPLET_OP_DIV] = {"", " / ", "", 2},
    [COUPLET_OP_FLOORDIV] = {"", " div ", "", 2},
    [COUPLET_OP_MOD] = {"", " mod ", "", 2},
    [COUPLET_OP_NEG] = {"-", "", "", 3},
    [COUPLET_OP_POW] = {"", " ^ ", "", 4},
    [COUPLET_OP_MAX] = {"max(", ", ", ")", 0},
    [COUPLET_OP_MIN] = {"min(", ", ", ")", 0},
    [COUPLET_OP_EXP] = {"exp(", "", ")", 0},
    [COUPLET_OP_EXPM1] = {"expm1(", "", ")", 0},
    [COUPLET_OP_LOG] = {"log(", "", ")", 0},
    [COUPLET_OP_LOG1P] = {"log(1 + ", "", ")", 0},
    [COUPLET_OP_SQRT] = {"sqrt(", "", ")", 0},
    [COUPLET_OP_RSQRT] = {"1 / sqrt(", "", ")", 0},
    [COUPLET_OP_TANH] = {"tanh(", "", ")", 0},
    [COUPLET_OP_SIGMOID] = {"sigmoid(", "", ")", 0},
    [COUPLET_OP_SOFTPLUS] = {"softplus(", "", ")", 0},
    [COUPLET_OP_ERF] = {"erf(", "", ")", 0},
    [COUPLET_OP_SIN] = {"sin(", "", ")", 0},
    [COUPLET_OP_COS] = {"cos(", "", ")", 0},
    [COUPLET_OP_ABS] = {"abs(", "", ")", 0},
    [COUPLET_OP_SIGN] = {"sign(", "", ")", 0},
    [COUPLET_OP_FLOOR] = {"floor(", "", ")", 0},
    [COUPLET_OP_CEIL] = {"ceil(", "", ")", 0},
    [COUPLET_OP_ROUND] = {"round(", "", ")", 0},
    [COUPLET_OP_TO_REAL] = {"", "", "", 5},
    [COUPLET_OP_TO_INT] = {"", "", "", 5},
};

/* Writes an index expression as in the text, with numbers for its indices. It is put in parentheses
 * if it binds looser than its surroundings. */
void couplet_formula_add_expr(Text *t, Point *p, int number, int binds) {
    const Expr *e = &p->formula->exprs[number];
    const Written *how = &written[e->op];
    if (e->op == COUPLET_OP_LOAD) {
        couplet_formula_add_load(t, p, number);
    } else if (!how->before) {
        add_value(t, e, couplet_formula_eval(p, number));
    } else {
        const bool parentheses = how->binds && how->binds < binds;
        couplet_formula_add(t, "%s%s", parentheses ? "(" : "", how->before);
        for (int i = 0; i < e->arg_count; i++) {
            if (i) couplet_formula_add(t, "%s", how->between);
            couplet_formula_add_expr(t, p, e->args[i], how->binds + i);
        }
        couplet_formula_add(t, "%s%s", how->after, parentheses ? ")" : "");
    }
}

/* Writes an operation on its operands' values, such as `log(-4)` or `1 / 0`. */
void couplet_formula_add_operation(Text *t, Point *p, int number) {
    const Expr *e = &p->formula->exprs[number];
    const Written *how = &written[e->op];
    if (!how->before) {
        couplet_formula_add(t, "this");
        return;
    }
    couplet_formula_add(t, "%s", how->before);
    for (int i = 0; i < e->arg_count; i++) {
        const double value = couplet_formula_eval(p, e->args[i]);
        const bool parentheses = how->binds && signbit(value) && !isnan(value) && i > 0;
        if (i) couplet_formula_add(t, "%s", how->between);
        if (parentheses) couplet_formula_add(t, "(");
        add_value(t, &p->formula->exprs[e->args[i]], value);
        if (parentheses) couplet_formula_add(t, ")");
    }
    couplet_formula_add(t, "%s", how->after);
}

static bool in_library(const Work *w, const Place *place) {
    static const char library[] = "stdlib/";
    const String *path = &w->strings[place->path];
    return path->length > (int)sizeof library - 1 &&
           memcmp(path->text, library, sizeof library - 1) == 0;
}

static void write_place(const Work *w, const Place *place, char *text, size_t bytes) {
    const String *path = &w->strings[place->path];
    snprintf(text, bytes, "%.*s:%lld:%lld", path->length, path->text, (long long)place->line,
             (long long)place->column);
}

/* Follows the calls that led to the place as far as the first line outside of the library, which is
 * the user's. */
void couplet_formula_set_place(const Work *w, int number, CoupletFinding *out) {
    out->place[0] = out->inner[0] = 0;
    if (number < 0) return;
    int user = number;
    while (in_library(w, &w->places[user]) && w->places[user].call >= 0)
        user = w->places[user].call;
    write_place(w, &w->places[user], out->place, sizeof out->place);
    if (user != number) {
        write_place(w, &w->places[number], out->inner, sizeof out->inner);
    }
}

Text couplet_formula_begin_finding(CoupletFinding *out, CoupletFaultKind kind) {
    *out = (CoupletFinding){.kind = kind, .buffer = -1};
    return (Text){out->sentence, 0, sizeof out->sentence};
}
