/* Prints formulas as LaTeX. Every expression is written with the strength of its outermost sign,
 * and gets parentheses where its surroundings bind more strongly. A reduction takes all factors
 * behind it, so it needs parentheses wherever something follows. */
#include "compiler/picture/tex.h"

#include "lang/ast_walk.h"

#include <stdlib.h>
#include <string.h>

/* The precedence of the outermost sign of an expression. */
typedef enum {
    BINDS_CASES,
    BINDS_OR,
    BINDS_AND,
    BINDS_NOT,
    BINDS_COMPARE,
    BINDS_SUM,
    BINDS_MINUS,
    BINDS_PRODUCT,
    BINDS_POWER,
    BINDS_ATOM
} Strength;

/* The position of an expression. Where another expression may follow, a reduction needs
 * parentheses. */
typedef enum {
    STANDS_LAST,
    STANDS_FIRST,
} Stand;

typedef struct Tex {
    Arena *arena;
    Text text;
} Tex;

static void put_expr(Tex *t, const Expr *e, Strength least, Stand stand);
static Strength strength_of(const Expr *e, Stand stand);

static void put_all(Tex *t, Expr *const *of, int count, const char *between) {
    for (int i = 0; i < count; i++) {
        if (i) text_printf(&t->text, "%s", between);
        put_expr(t, of[i], BINDS_CASES, STANDS_LAST);
    }
}

/* ---- names ----------------------------------------------------------------------------------- */

static const char *const greek[] = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu",
    "nu",    "xi",   "pi",    "rho",   "sigma",   "tau",  "phi", "chi",   "psi",   "omega",  NULL};

static bool is_greek(const char *name, size_t length) {
    for (const char *const *g = greek; *g; g++)
        if (strlen(*g) == length && strncmp(*g, name, length) == 0) return true;
    return false;
}

/* Puts a word, upright or slanted, with its underscores escaped. */
static void put_word(Tex *t, const char *style, const char *word, size_t length) {
    text_printf(&t->text, "\\%s{", style);
    for (size_t i = 0; i < length; i++) {
        if (word[i] == '_') text_printf(&t->text, "\\");
        text_append(&t->text, word + i, 1);
    }
    text_printf(&t->text, "}");
}

static void put_letter(Tex *t, const char *name, size_t length) {
    if (length == 1)
        text_append(&t->text, name, 1);
    else if (is_greek(name, length))
        text_printf(&t->text, "\\%.*s", (int)length, name);
    else
        put_word(t, "mathit", name, length);
}

/* A name in three parts: a letter or word, the digits behind it, and the text behind an underscore.
 * `z1` gets an exponent in parentheses and `s_pos` a subscript, so that indices find room. */
typedef struct NameParts {
    const char *name;
    const char *digits;
    const char *tail;
    size_t head;
} NameParts;

/* Splits a name into a letter and a tail, or into a letter and digits. Any other name stays whole,
 * so that no two names are printed alike. */
static NameParts split_name(const char *name) {
    const NameParts whole = {.name = name, .digits = "", .tail = "", .head = strlen(name)};
    const size_t letters = strcspn(name, "0123456789_");
    const char *rest = name + letters;
    NameParts p = whole;
    if (letters != 1 && !is_greek(name, letters)) return whole;
    p.head = letters;
    if (rest[0] == '_' && rest[1])
        p.tail = rest + 1;
    else if (rest[strspn(rest, "0123456789")] == 0)
        p.digits = rest;
    else
        return whole;
    return p;
}

/* Puts the name, with `indices` as its subscript if there are any. */
static void put_name(Tex *t, const char *name, Expr *const *indices, int count) {
    const NameParts p = split_name(name);
    put_letter(t, p.name, p.head);
    if (*p.digits) text_printf(&t->text, "^{(%s)}", p.digits);
    if (!*p.tail && count == 0) return;
    text_printf(&t->text, "_{");
    if (*p.tail) put_word(t, "mathrm", p.tail, strlen(p.tail));
    if (*p.tail && count) text_printf(&t->text, ", ");
    put_all(t, indices, count, ", ");
    text_printf(&t->text, "}");
}

/* ---- operators ------------------------------------------------------------------------------- */

typedef struct OperatorText {
    const char *sign;
    Strength strength;
} OperatorText;

static OperatorText operator_text(Operator op) {
    switch (op) {
    case OP_ADD:
        return (OperatorText){" + ", BINDS_SUM};
    case OP_SUB:
        return (OperatorText){" - ", BINDS_SUM};
    case OP_MUL:
        return (OperatorText){" \\, ", BINDS_PRODUCT};
    case OP_DIV:
        return (OperatorText){"", BINDS_ATOM};
    case OP_FLOORDIV:
        return (OperatorText){"", BINDS_ATOM};
    case OP_MOD:
        return (OperatorText){" \\bmod ", BINDS_PRODUCT};
    case OP_POW:
        return (OperatorText){"", BINDS_POWER};
    case OP_LT:
        return (OperatorText){" < ", BINDS_COMPARE};
    case OP_LE:
        return (OperatorText){" \\le ", BINDS_COMPARE};
    case OP_GT:
        return (OperatorText){" > ", BINDS_COMPARE};
    case OP_GE:
        return (OperatorText){" \\ge ", BINDS_COMPARE};
    case OP_EQ:
        return (OperatorText){" = ", BINDS_COMPARE};
    case OP_NE:
        return (OperatorText){" \\ne ", BINDS_COMPARE};
    case OP_AND:
        return (OperatorText){" \\land ", BINDS_AND};
    case OP_OR:
        return (OperatorText){" \\lor ", BINDS_OR};
    case OP_NEG:
        return (OperatorText){"-", BINDS_MINUS};
    case OP_NOT:
        return (OperatorText){"\\lnot ", BINDS_NOT};
    }
    return (OperatorText){"", BINDS_ATOM};
}

/* True if a product needs a dot, since its right side begins with a number: 2 3 would read as
 * 23. */
static bool wants_dot(const Expr *right) {
    while (right->kind == EXPR_BINARY && right->op != OP_DIV)
        right = right->args[0];
    return right->kind == EXPR_NUMBER;
}

/* Prints a binary expression. A sign behind the whole expression stands behind its right part,
 * too. */
static void put_binary(Tex *t, const Expr *e, Stand stand) {
    const OperatorText op = operator_text(e->op);
    const Expr *a = e->args[0];
    const Expr *b = e->args[1];
    if (e->op == OP_DIV || e->op == OP_FLOORDIV) {
        const bool floors = e->op == OP_FLOORDIV;
        text_printf(&t->text, floors ? "\\left\\lfloor \\frac{" : "\\frac{");
        put_expr(t, a, BINDS_CASES, STANDS_LAST);
        text_printf(&t->text, "}{");
        put_expr(t, b, BINDS_CASES, STANDS_LAST);
        text_printf(&t->text, floors ? "} \\right\\rfloor" : "}");
        return;
    }
    if (e->op == OP_POW) {
        put_expr(t, a, a->kind == EXPR_BINARY ? BINDS_ATOM + 1 : BINDS_ATOM, STANDS_FIRST);
        text_printf(&t->text, "^{");
        put_expr(t, b, BINDS_CASES, STANDS_LAST);
        text_printf(&t->text, "}");
        return;
    }
    const bool left_joins = op.strength == BINDS_COMPARE;
    put_expr(t, a, op.strength + left_joins, STANDS_FIRST);
    text_printf(&t->text, "%s", e->op == OP_MUL && wants_dot(b) ? " \\cdot " : op.sign);
    const bool alike = e->op == OP_ADD || e->op == OP_MUL || e->op == OP_AND || e->op == OP_OR;
    /* x + (-y) and x (-y) need the parentheses, and x > -y does not. */
    const bool negative = op.strength > BINDS_COMPARE && strength_of(b, STANDS_LAST) == BINDS_MINUS;
    put_expr(t, b, negative ? BINDS_PRODUCT : alike ? op.strength : op.strength + 1, stand);
}

static void put_unary(Tex *t, const Expr *e, Stand stand) {
    const OperatorText op = operator_text(e->op);
    text_printf(&t->text, "%s", op.sign);
    put_expr(t, e->args[0], e->op == OP_NEG ? BINDS_PRODUCT : op.strength, stand);
}

/* ---- reductions ------------------------------------------------------------------------------ */

/* Puts `i, j \,:\, guard`, which stands below the sign of a reduction. */
static void put_binders(Tex *t, const Expr *e, int from) {
    for (int i = from; i < e->binder_count; i++) {
        if (i > from) text_printf(&t->text, ", ");
        put_name(t, e->binders[i]->name, NULL, 0);
        if (!e->binders[i]->bound) continue;
        text_printf(&t->text, " < ");
        put_expr(t, e->binders[i]->bound, BINDS_COMPARE + 1, STANDS_LAST);
    }
    if (!e->guard) return;
    text_printf(&t->text, " \\,:\\, ");
    put_expr(t, e->guard, BINDS_CASES, STANDS_LAST);
}

/* Prints the number of terms of a reduction without a guard: the product of its extents. */
static void put_extents(Tex *t, const Expr *e) {
    for (int i = 0; i < e->binder_count; i++) {
        const Dim *extent = e->binders[i]->extent;
        const char *text = dim_text(t->arena, extent);
        const bool product = e->binder_count > 1 && extent->kind == DIM_ADD;
        text_printf(&t->text, "%s%s", i ? " \\, " : "", product ? "(" : "");
        for (const char *c = text; *c; c++)
            if (*c == '*')
                text_printf(&t->text, " \\, ");
            else if (*c == '_')
                text_printf(&t->text, "\\_");
            else
                text_append(&t->text, c, 1);
        if (product) text_printf(&t->text, ")");
    }
}

static const char *const reduction_signs[REDUCE_KINDS] = {
#define REDUCTION(text, name, takes, gives, slope, least, sign, ...) sign,
#include "lang/reductions.def"
#undef REDUCTION
};

/* Returns the sign of a reduction. A mean of all terms is written as a sum divided by their
 * number. */
static const char *reduction_sign(const Expr *e) {
    const bool is_whole_mean = e->reduce == REDUCE_MEAN && !e->guard;
    return reduction_signs[is_whole_mean ? REDUCE_SUM : e->reduce];
}

static bool is_sum_like(const Expr *e) {
    return e->reduce == REDUCE_SUM || e->reduce == REDUCE_MEAN;
}

static void put_count(Tex *t, const Expr *e) {
    text_printf(&t->text, "\\left|\\left\\{ ");
    put_binders(t, e, 0);
    text_printf(&t->text, " \\right\\}\\right|");
}

/* True if a minus moves to the front of a sum or a mean, where papers write it. */
static bool takes_minus(const Expr *e) {
    return is_sum_like(e) && e->args[0]->kind == EXPR_UNARY && e->args[0]->op == OP_NEG;
}

static void put_reduction(Tex *t, const Expr *e) {
    if (e->reduce == REDUCE_COUNT) {
        put_count(t, e);
        return;
    }
    const Expr *body = e->args[0];
    const bool minus = takes_minus(e);
    if (minus) text_printf(&t->text, "-");
    if (e->reduce == REDUCE_MEAN && !e->guard) {
        text_printf(&t->text, "\\frac{1}{");
        put_extents(t, e);
        text_printf(&t->text, "} ");
    }
    const bool top = e->reduce == REDUCE_TOPK && e->binder_count == 2;
    text_printf(&t->text, "%s", reduction_sign(e));
    if (top) text_printf(&t->text, "^{(%s)}", e->binders[1]->name);
    text_printf(&t->text, "_{");
    if (top)
        put_name(t, e->binders[0]->name, NULL, 0);
    else
        put_binders(t, e, 0);
    text_printf(&t->text, "} ");
    put_expr(t, minus ? body->args[0] : body, BINDS_PRODUCT, STANDS_LAST);
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* The built-ins that papers write with signs around their argument. */
typedef struct Around {
    const char *name;
    const char *open;
    const char *close;
} Around;

static const Around arounds[] = {
    {"norm", "\\left\\lVert ", " \\right\\rVert"},
    {"abs", "\\left| ", " \\right|"},
    {"sqrt", "\\sqrt{", "}"},
    {"floor", "\\left\\lfloor ", " \\right\\rfloor"},
    {"ceil", "\\left\\lceil ", " \\right\\rceil"},
    {"real", "", ""},
};

/* The functions for which LaTeX has a command. All others are set upright. */
static const char *const signs[][2] = {
    {"exp", "\\exp"}, {"log", "\\log"}, {"tanh", "\\tanh"}, {"sin", "\\sin"},
    {"cos", "\\cos"}, {"min", "\\min"}, {"max", "\\max"},   {NULL, NULL},
};

static const char *built_in(const Expr *callee) {
    const bool is =
        callee->kind == EXPR_NAME && callee->symbol && callee->symbol->kind == SYMBOL_BUILTIN;
    return is ? callee->name : NULL;
}

static void put_callee(Tex *t, const Expr *callee) {
    const char *own = built_in(callee);
    for (int i = 0; own && signs[i][0]; i++)
        if (strcmp(own, signs[i][0]) == 0) {
            text_printf(&t->text, "%s", signs[i][1]);
            return;
        }
    if (callee->kind == EXPR_NAME || callee->kind == EXPR_MEMBER)
        put_word(t, "operatorname", callee->name, strlen(callee->name));
    else
        put_expr(t, callee, BINDS_ATOM, STANDS_FIRST);
}

/* True for an expression that is no higher than a line, which plain parentheses enclose well. */
static bool is_flat(const Expr *e) {
    const bool high = e->kind == EXPR_REDUCE || e->kind == EXPR_IF || e->kind == EXPR_DEFAULT;
    if (high || (e->kind == EXPR_BINARY && (e->op == OP_DIV || e->op == OP_FLOORDIV))) return false;
    for (int i = 0; i < e->arg_count; i++)
        if (!is_flat(e->args[i])) return false;
    return !e->callee || is_flat(e->callee);
}

static bool is_fraction(const Expr *e) {
    return e->kind == EXPR_BINARY && e->op == OP_DIV;
}

/* True if the function needs no parentheses around its argument, as log in `\log \frac{a}{b}`, or
 * exp. */
static bool goes_bare(const Expr *call) {
    const char *own = built_in(call->callee);
    const bool is = own && (strcmp(own, "log") == 0 || strcmp(own, "exp") == 0);
    return is && call->arg_count == 1 && is_fraction(call->args[0]);
}

static void put_arguments(Tex *t, const Expr *e) {
    bool flat = true;
    for (int i = 0; i < e->arg_count; i++)
        flat &= is_flat(e->args[i]);
    const bool bare = goes_bare(e);
    text_printf(&t->text, "%s", bare ? " " : flat ? "(" : "\\left( ");
    for (int i = 0; i < e->arg_count; i++) {
        if (i) text_printf(&t->text, ", ");
        if (e->arg_names && e->arg_names[i]) {
            put_word(t, "mathit", e->arg_names[i], strlen(e->arg_names[i]));
            text_printf(&t->text, " = ");
        }
        put_expr(t, e->args[i], BINDS_CASES, STANDS_LAST);
    }
    text_printf(&t->text, "%s", bare ? "" : flat ? ")" : " \\right)");
}

/* Puts arrays one below the other, as `concat` joins them along the first axis. Returns false for a
 * call that names another axis. */
static bool put_stacked(Tex *t, const Expr *e) {
    if (e->arg_names) return false;
    text_printf(&t->text, "\\begin{bmatrix} ");
    put_all(t, e->args, e->arg_count, " \\\\ ");
    text_printf(&t->text, " \\end{bmatrix}");
    return true;
}

static bool put_own_form(Tex *t, const char *name, const Expr *e) {
    if (strcmp(name, "dot") == 0) {
        text_printf(&t->text, "\\left\\langle ");
        put_all(t, e->args, e->arg_count, ", ");
        text_printf(&t->text, " \\right\\rangle");
        return true;
    }
    if (strcmp(name, "transpose") == 0) {
        put_expr(t, e->args[0], BINDS_ATOM, STANDS_FIRST);
        text_printf(&t->text, "^{\\top}");
        return true;
    }
    if (strcmp(name, "concat") == 0) return put_stacked(t, e);
    for (size_t i = 0; i < sizeof arounds / sizeof *arounds; i++)
        if (strcmp(name, arounds[i].name) == 0) {
            text_printf(&t->text, "%s", arounds[i].open);
            put_expr(t, e->args[0], *arounds[i].open ? BINDS_CASES : BINDS_ATOM, STANDS_LAST);
            text_printf(&t->text, "%s", arounds[i].close);
            return true;
        }
    return false;
}

static void put_call(Tex *t, const Expr *e) {
    const char *own = built_in(e->callee);
    if (own && put_own_form(t, own, e)) return;
    put_callee(t, e->callee);
    put_arguments(t, e);
}

/* ---- expressions ----------------------------------------------------------------------------- */

static void put_index(Tex *t, const Expr *e) {
    if (e->callee->kind == EXPR_NAME) {
        put_name(t, e->callee->name, e->args, e->arg_count);
        return;
    }
    put_expr(t, e->callee, BINDS_ATOM, STANDS_FIRST);
    text_printf(&t->text, "_{");
    put_all(t, e->args, e->arg_count, ", ");
    text_printf(&t->text, "}");
}

static void put_cases(Tex *t, const Expr *e) {
    text_printf(&t->text, "\\begin{cases} ");
    put_expr(t, e->args[1], BINDS_CASES, STANDS_LAST);
    text_printf(&t->text, " & \\text{if } ");
    put_expr(t, e->args[0], BINDS_CASES, STANDS_LAST);
    text_printf(&t->text, " \\\\ ");
    put_expr(t, e->args[2], BINDS_CASES, STANDS_LAST);
    text_printf(&t->text, " & \\text{otherwise} \\end{cases}");
}

/* Puts `(LOAD else E)`, which is the entry where there is one, or `(REDUCTION else E)`, which is
 * the value where there is a term. */
static void put_default(Tex *t, const Expr *e) {
    text_printf(&t->text, "\\begin{cases} ");
    put_expr(t, e->args[0], BINDS_CASES, STANDS_LAST);
    text_printf(&t->text, " & \\text{where defined} \\\\ ");
    put_expr(t, e->args[1], BINDS_CASES, STANDS_LAST);
    text_printf(&t->text, " & \\text{otherwise} \\end{cases}");
}

/* True for a number that is written as a multiple of a power of ten. */
static bool has_power(double value) {
    const double size = value < 0 ? -value : value;
    return size >= 1e7 || (size > 0 && size < 1e-4);
}

/* Puts a number with the fewest digits that give it back. */
static void put_number(Tex *t, double value) {
    char text[40];
    const bool power = has_power(value);
    for (int digits = 0; digits <= 17; digits++) {
        snprintf(text, sizeof text, power ? "%.*e" : "%.*f", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    if (!power) {
        text_printf(&t->text, "%s", text);
        return;
    }
    char *exponent = strchr(text, 'e');
    const int mantissa = (int)(exponent - text);
    if (mantissa != 1 || *text != '1') {
        text_printf(&t->text, "%.*s \\cdot ", mantissa, text);
    }
    text_printf(&t->text, "10^{%ld}", strtol(exponent + 1, NULL, 10));
}

static void put_plain(Tex *t, const Expr *e, Stand stand) {
    switch (e->kind) {
    case EXPR_NUMBER:
        put_number(t, e->number);
        break;
    case EXPR_BOOL:
        text_printf(&t->text, "\\text{%s}", e->boolean ? "true" : "false");
        break;
    case EXPR_NAME:
        put_name(t, e->name, NULL, 0);
        break;
    case EXPR_MEMBER:
        put_expr(t, e->args[0], BINDS_ATOM, STANDS_FIRST);
        put_word(t, "mathrm", ".", 1);
        put_word(t, "mathit", e->name, strlen(e->name));
        break;
    case EXPR_CALL:
        put_call(t, e);
        break;
    case EXPR_INDEX:
        put_index(t, e);
        break;
    case EXPR_UNARY:
        put_unary(t, e, stand);
        break;
    case EXPR_BINARY:
        put_binary(t, e, stand);
        break;
    case EXPR_REDUCE:
        put_reduction(t, e);
        break;
    case EXPR_IF:
        put_cases(t, e);
        break;
    case EXPR_DEFAULT:
        put_default(t, e);
        break;
    case EXPR_STOP:
        text_printf(&t->text, "\\operatorname{sg}\\left(");
        put_expr(t, e->args[0], BINDS_CASES, STANDS_LAST);
        text_printf(&t->text, "\\right)");
        break;
    case EXPR_STRING:
    case EXPR_COPY:
    case EXPR_RANGE:
    case EXPR_COMPOSE: /* networks and data are composed at top level, and not inside functions */
        break;
    }
}

static Strength strength_of(const Expr *e, Stand stand) {
    switch (e->kind) {
    case EXPR_UNARY:
    case EXPR_BINARY:
        return operator_text(e->op).strength;
    case EXPR_REDUCE:
        if (e->reduce == REDUCE_COUNT) return BINDS_ATOM;
        if (stand == STANDS_FIRST) return BINDS_CASES;
        return takes_minus(e) ? BINDS_MINUS : BINDS_PRODUCT;
    case EXPR_IF:
    case EXPR_DEFAULT:
        return stand == STANDS_FIRST ? BINDS_CASES : BINDS_PRODUCT;
    case EXPR_NUMBER:
        if (e->number < 0) return BINDS_MINUS;
        return has_power(e->number) ? BINDS_PRODUCT : BINDS_ATOM;
    case EXPR_CALL: {
        const char *own = built_in(e->callee);
        if (own && strcmp(own, "real") == 0) return strength_of(e->args[0], stand);
        return BINDS_ATOM;
    }
    case EXPR_STRING:
    case EXPR_BOOL:
    case EXPR_NAME:
    case EXPR_MEMBER:
    case EXPR_INDEX:
    case EXPR_STOP:
    case EXPR_COPY:
    case EXPR_RANGE:
    case EXPR_COMPOSE:
        return BINDS_ATOM;
    }
    return BINDS_ATOM;
}

static void put_expr(Tex *t, const Expr *e, Strength least, Stand stand) {
    const bool wrapped = strength_of(e, stand) < least;
    const bool flat = wrapped && is_flat(e);
    if (wrapped) text_printf(&t->text, flat ? "(" : "\\left( ");
    put_plain(t, e, wrapped ? STANDS_LAST : stand);
    if (wrapped) text_printf(&t->text, flat ? ")" : " \\right)");
}

/* ---- statements ------------------------------------------------------------------------------ */

static void begin_row(Tex *t) {
    if (t->text.length) text_printf(&t->text, " \\\\\n");
}

static void put_heading(Tex *t, const Stmt *s) {
    put_name(t, s->name, NULL, 0);
    if (s->binder_count == 0) return;
    /* The subscript of a name joins the name's own tail, as in s_{pos, i}. */
    const bool has_tail = *split_name(s->name).tail;
    if (has_tail) t->text.length--;
    text_printf(&t->text, has_tail ? ", " : "_{");
    for (int i = 0; i < s->binder_count; i++) {
        if (i) text_printf(&t->text, ", ");
        put_name(t, s->binders[i]->name, NULL, 0);
    }
    text_printf(&t->text, "}");
}

/* Puts `(i < N)` behind a row, for the indices whose range is written. */
static void put_ranges(Tex *t, const Stmt *s) {
    int seen = 0;
    for (int i = 0; i < s->binder_count; i++) {
        if (!s->binders[i]->bound) continue;
        text_printf(&t->text, seen++ ? ", " : " \\qquad (");
        put_name(t, s->binders[i]->name, NULL, 0);
        text_printf(&t->text, " < ");
        put_expr(t, s->binders[i]->bound, BINDS_COMPARE + 1, STANDS_LAST);
    }
    if (seen) text_printf(&t->text, ")");
}

static void put_parameters(Tex *t, const Stmt *s) {
    text_printf(&t->text, "(");
    for (int i = 0; i < s->param_count; i++) {
        if (i) text_printf(&t->text, ", ");
        put_name(t, s->params[i].name, NULL, 0);
    }
    text_printf(&t->text, ")");
}

static void put_statement(Tex *t, const Stmt *s, const char *equals);

static void put_let_function(Tex *t, const Stmt *s) {
    for (int i = 0; i < s->body_count; i++)
        put_statement(t, s->body[i], " &= ");
    if (!s->value) return;
    begin_row(t);
    put_word(t, "operatorname", s->name, strlen(s->name));
    put_parameters(t, s);
    text_printf(&t->text, " &= ");
    put_expr(t, s->value, BINDS_CASES, STANDS_LAST);
}

static void put_let(Tex *t, const Stmt *s, const char *equals) {
    if (s->is_function) {
        put_let_function(t, s);
        return;
    }
    begin_row(t);
    put_heading(t, s);
    text_printf(&t->text, "%s", equals);
    put_expr(t, s->value, BINDS_CASES, STANDS_LAST);
    put_ranges(t, s);
}

/* Puts the starts of a scan, then its rounds. The value that a round gives stands behind an
 * arrow. */
static void put_scan(Tex *t, const Stmt *s) {
    for (int i = 0; i < s->carry_count; i++)
        put_let(t, s->carry[i], " &\\gets ");
    begin_row(t);
    text_printf(&t->text, "&\\text{for } ");
    put_name(t, s->binders[0]->name, NULL, 0);
    text_printf(&t->text, " = 0, 1, \\ldots, ");
    put_expr(t, s->binders[0]->bound, BINDS_SUM + 1, STANDS_LAST);
    text_printf(&t->text, " - 1\\text{:}");
    for (int i = 0; i < s->body_count; i++)
        put_statement(t, s->body[i], " &= ");
    begin_row(t);
    text_printf(&t->text, "&\\text{end}");
}

static void put_draws(Tex *t, const Stmt *s) {
    for (int i = 0; i < s->param_count; i++) {
        begin_row(t);
        put_name(t, s->params[i].name, NULL, 0);
        text_printf(&t->text, " &\\sim ");
        put_expr(t, s->params[i].value, BINDS_CASES, STANDS_LAST);
    }
}

/* Puts a statement of a function: a let, a draw, a scan or the value that it returns. */
static void put_statement(Tex *t, const Stmt *s, const char *equals) {
    if (s->kind == STMT_LET)
        put_let(t, s, equals);
    else if (s->kind == STMT_NEXT)
        put_let(t, s, " &\\gets ");
    else if (s->kind == STMT_SCAN)
        put_scan(t, s);
    else if (s->kind == STMT_DRAW)
        put_draws(t, s);
}

static void put_space(Tex *t, const Param *p) {
    const char *kind = p->kind_name ? p->kind_name : "real";
    const bool whole = strcmp(kind, "int") == 0;
    const bool truth = strcmp(kind, "bool") == 0;
    put_name(t, p->name, NULL, 0);
    text_printf(&t->text, " \\in %s", whole ? "\\mathbb{Z}" : truth ? "\\{0, 1\\}" : "\\mathbb{R}");
    if (p->dim_count == 0) return;
    text_printf(&t->text, "^{");
    put_all(t, p->dims, p->dim_count, " \\times ");
    text_printf(&t->text, "}");
}

static void put_spaces(Tex *t, const Stmt *fn) {
    if (fn->param_count == 0) return;
    begin_row(t);
    text_printf(&t->text, "&");
    for (int i = 0; i < fn->param_count; i++) {
        if (i) text_printf(&t->text, ", \\quad ");
        put_space(t, &fn->params[i]);
    }
}

static const Expr *returned_of(const Stmt *fn) {
    if (fn->value) return fn->value;
    for (int i = 0; i < fn->body_count; i++)
        if (fn->body[i]->kind == STMT_RETURN) return fn->body[i]->value;
    return NULL;
}

enum { COLUMNS = 100 };

/* Returns the length of the word at `at`, which ends ahead of a blank or a line's end. */
static size_t word_at(const char *at) {
    return strcspn(at, " \n");
}

/* Prints a text with lines cut at blanks, which mean as much to LaTeX as the end of a line does. */
static void print_wrapped(const char *text, FILE *out) {
    size_t column = 0;
    for (const char *at = text; *at;) {
        const size_t word = at[0] == ' ' ? 1 + word_at(at + 1) : word_at(at);
        const bool cut = at[0] == ' ' && column + word > COLUMNS;
        if (cut) fprintf(out, "\n   ");
        column = cut ? 3 + word : column + word;
        fprintf(out, "%.*s", (int)word, at);
        at += word;
        if (*at != '\n') continue;
        fputc(*at++, out);
        column = 0;
    }
}

static void print_rows(Tex *t, FILE *out) {
    fprintf(out, "\\begin{aligned}\n");
    print_wrapped(t->text.data ? t->text.data : "", out);
    fprintf(out, "\n\\end{aligned}\n");
    text_free(&t->text);
}

void tex_print(Arena *arena, const Stmt *fn, FILE *out) {
    Tex t = {.arena = arena};
    put_spaces(&t, fn);
    for (int i = 0; i < fn->body_count; i++)
        put_statement(&t, fn->body[i], " &= ");
    begin_row(&t);
    put_word(&t, "operatorname", fn->name, strlen(fn->name));
    put_parameters(&t, fn);
    text_printf(&t.text, " &= ");
    const Expr *value = returned_of(fn);
    if (value) put_expr(&t, value, BINDS_CASES, STANDS_LAST);
    print_rows(&t, out);
}

/* ---- the losses of a method ------------------------------------------------------------------ */

static bool find_unprintable(void *context, Expr *e) {
    bool *found = context;
    *found |= e->kind == EXPR_STRING || e->kind == EXPR_COPY || e->kind == EXPR_COMPOSE ||
              e->kind == EXPR_RANGE;
    return !*found;
}

/* True for a `let` or a loss that stands in a formula. */
static bool has_formula(Stmt *s) {
    bool unprintable = s->kind != STMT_LET && s->kind != STMT_LOSS;
    if (!unprintable) ast_walk_stmt(s, find_unprintable, &unprintable);
    return !unprintable;
}

void tex_print_losses(Arena *arena, const Module *spec, FILE *out) {
    Tex t = {.arena = arena};
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_LET && has_formula(spec->stmts[i]))
            put_statement(&t, spec->stmts[i], " &= ");
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        if (s->kind != STMT_LOSS || !has_formula(spec->stmts[i])) continue;
        begin_row(&t);
        text_printf(&t.text, "\\mathcal{L}");
        if (s->name) {
            text_printf(&t.text, "_{");
            put_word(&t, "mathrm", s->name, strlen(s->name));
            text_printf(&t.text, "}");
        }
        text_printf(&t.text, " &= ");
        put_expr(&t, s->value, BINDS_CASES, STANDS_LAST);
    }
    print_rows(&t, out);
}

typedef struct Called {
    Arena *arena;
    ARRAY(const Stmt *) functions;
} Called;

static bool take_called(void *context, Expr *e) {
    Called *c = context;
    const Expr *callee = e->kind == EXPR_CALL ? e->callee : NULL;
    const bool known = callee && callee->symbol && callee->symbol->stmt;
    const Stmt *fn = known ? callee->symbol->stmt : NULL;
    bool seen = !fn || fn->kind != STMT_FN || !returned_of(fn);
    for (int i = 0; i < c->functions.count; i++)
        seen |= c->functions.items[i] == fn;
    if (!seen) array_push(c->arena, &c->functions, fn);
    return true;
}

const Stmt **tex_functions_of_losses(Arena *arena, const Module *spec, int *count) {
    Called called = {.arena = arena};
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_LOSS || spec->stmts[i]->kind == STMT_LET)
            ast_walk_stmt(spec->stmts[i], take_called, &called);
    for (int i = 0; i < called.functions.count; i++)
        ast_walk_stmt((Stmt *)called.functions.items[i], take_called, &called);
    *count = called.functions.count;
    return called.functions.items;
}
