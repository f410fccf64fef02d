/* Makes a formula from a number (generate.h). Lets are drawn one after the other, each of a kind
 * that the arrays made so far permit. A term carries the interval of its values, and one that
 * leaves `widest` is brought back. */
#include "tests/differ/generate.h"

#include "tests/differ/extremes.h"

#include "runtime/random.h"

#include <math.h>
#include <string.h>

enum { MOST_RANK = 3, MOST_ARRAYS = 40, MOST_INDICES = 6, MOST_ELEMENTS = 30000 };
static const double widest = 300; /* values beyond this are brought back */

typedef struct Dim {
    const char *text; /* "N", "2*N", "3" */
    int64_t extent;
} Dim;

typedef struct Array {
    /* `declared`: how the signature declares a parameter; NULL for the array of a let. */
    const char *name, *declared;
    int rank;
    Dim dims[MOST_RANK];
    double low, high;
    bool is_int, is_bool, used;
} Array;

typedef struct Index {
    const char *name;
    Dim dim;
} Index;

/* A formula and the interval of its values. Its text may stand anywhere. */
typedef struct Term {
    const char *text;
    double low, high;
} Term;

typedef struct Maker {
    Arena *arena;
    uint32_t number, drawn;
    Dim N, K, D, C;
    Array arrays[MOST_ARRAYS];
    int array_count, param_count;
    Index indices[MOST_INDICES]; /* the indices in scope */
    int index_count, name_count;
    bool calls_noisy;
    Text body;
} Maker;

static int pick(Maker *m, int count) {
    return (int)(couplet_random_bits(m->number, 0, 0, 2, m->drawn++, 0) % (uint32_t)count);
}
static bool chance(Maker *m, int one_in) {
    return pick(m, one_in) == 0;
}

#define SAY(...) arena_printf(m->arena, __VA_ARGS__)

static Term term(const char *text, double low, double high) {
    return (Term){text, fmin(low, high), fmax(low, high)};
}
static double reach(Term t) {
    return fmax(fabs(t.low), fabs(t.high));
}
static bool same_dim(Dim a, Dim b) {
    return strcmp(a.text, b.text) == 0;
}

/* ---- names and scopes ------------------------------------------------------------------------ */

static const char *fresh(Maker *m, const char *stem) {
    return SAY("%s%d", stem, ++m->name_count);
}

static int64_t scope_elements(const Maker *m) {
    int64_t count = 1;
    for (int i = 0; i < m->index_count; i++)
        count *= m->indices[i].dim.extent;
    return count;
}

static Index *push_index(Maker *m, Dim dim) {
    m->indices[m->index_count] = (Index){fresh(m, "i"), dim};
    return &m->indices[m->index_count++];
}

static Array *add_array(Maker *m, const char *name, int rank, const Dim *dims, double low,
                        double high) {
    Array *a = &m->arrays[m->array_count++];
    *a = (Array){.name = name, .rank = rank, .low = low, .high = high};
    for (int i = 0; i < rank; i++)
        a->dims[i] = dims[i];
    return a;
}

static const Array *find_array(Maker *m, const char *name) {
    for (int i = 0; i < m->array_count; i++)
        if (strcmp(m->arrays[i].name, name) == 0) return m->arrays[i].used = true, &m->arrays[i];
    return NULL;
}

static const char *use(Maker *m, const char *name) {
    return find_array(m, name)->name;
}

/* Returns an index in scope that runs over the dimension, or NULL if there is none. */
static const Index *index_over(Maker *m, Dim dim) {
    int start = m->index_count ? pick(m, m->index_count) : 0;
    for (int i = 0; i < m->index_count; i++) {
        const Index *at = &m->indices[(start + i) % m->index_count];
        if (same_dim(at->dim, dim)) return at;
    }
    return NULL;
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* Returns a subscript for an axis. *outside is set if it may leave the axis. */
static const char *subscript(Maker *m, Dim dim, bool *outside) {
    const Index *own = index_over(m, dim);
    const Index *any = m->index_count ? &m->indices[pick(m, m->index_count)] : NULL;
    if (own && !chance(m, 4)) return own->name;
    if (!any) return "0";
    switch (pick(m, 9)) {
    case 0:
        return SAY("(%s + %d) mod (%s)", any->name, pick(m, 5), dim.text);
    case 1:
        return SAY("(%d - %s) mod (%s)", pick(m, 7), any->name, dim.text);
    case 2:
        return own ? SAY("%s - 1 - %s", dim.text, own->name) : "0";
    case 3:
        *outside = true;
        return SAY("%s + %d", any->name, pick(m, 4) - 2);
    case 4:
        *outside = true;
        return SAY("2*%s - %d", any->name, pick(m, 3));
    case 5:
        return SAY("(%s div %d) mod (%s)", any->name, 2 + pick(m, 2), dim.text);
    case 6:
        if (same_dim(dim, m->K) && index_over(m, m->N))
            return SAY("%s[%s]", use(m, "pick"), index_over(m, m->N)->name);
        return SAY("(3*%s + 1) mod (%s)", any->name, dim.text);
    case 7:
        return SAY("%s[(%s) mod N] mod (%s)", use(m, "lab"), any->name, dim.text);
    default:
        return "0";
    }
}

/* Gives the value of a read outside its array: a number, or an expression that takes a gradient. */
static Term outside_value(Maker *m) {
    const Index *n = index_over(m, m->N);
    switch (pick(m, 4)) {
    case 0:
        return term("0", 0, 0);
    case 1:
        return term("0.5", 0.5, 0.5);
    case 2:
        if (n) return term(SAY("%s[%s]", use(m, "w"), n->name), 0.25, 0.75);
        break;
    default:
        break;
    }
    return term(SAY("%s^2", use(m, "tau")), 0, 0.75);
}

static Term random_read(Maker *m, Array *a) {
    const char *text = "";
    bool outside = false;
    a->used = true;
    for (int i = 0; i < a->rank; i++)
        text = SAY("%s%s%s", text, i ? ", " : "", subscript(m, a->dims[i], &outside));
    if (a->rank == 0) return term(a->name, a->low, a->high);
    if (!outside) return term(SAY("%s[%s]", a->name, text), a->low, a->high);
    const Term other = outside_value(m);
    return term(SAY("(%s[%s] else %s)", a->name, text, other.text), fmin(a->low, other.low),
                fmax(a->high, other.high));
}

/* Gives an array. Arrays whose axes all run under indices in scope are likelier, and so are arrays
 * of earlier lets. */
static Array *any_array(Maker *m, bool inputs_only) {
    for (int turn = 0;; turn++) {
        int made = m->array_count - m->param_count;
        Array *a = &m->arrays[!inputs_only && made && chance(m, 2) ? m->param_count + pick(m, made)
                                                                   : pick(m, m->param_count)];
        bool fits = true;
        for (int i = 0; i < a->rank; i++)
            fits &= index_over(m, a->dims[i]) != NULL;
        if (!a->is_int && !a->is_bool && (fits || turn > 12)) return a;
    }
}

/* ---- conditions ------------------------------------------------------------------------------ */

static const char *condition(Maker *m, int depth) {
    const Index *i = &m->indices[pick(m, m->index_count)];
    const Index *j = &m->indices[pick(m, m->index_count)];
    const Index *n = index_over(m, m->N);
    const Index *k = index_over(m, m->K);
    if (depth > 0 && chance(m, 4))
        return SAY("(%s %s %s)", condition(m, depth - 1), chance(m, 2) ? "and" : "or",
                   condition(m, depth - 1));
    switch (pick(m, 9)) {
    case 0:
    case 1:
        return SAY("%s != %s", j->name, i == j ? "0" : i->name);
    case 2:
        return SAY("%s <= %s", i->name, j == i ? "1" : j->name);
    case 3:
        if (n)
            return SAY("%s[%s] == %s[(%s + %d) mod N]", use(m, "lab"), n->name, use(m, "lab"),
                       j->name, pick(m, 2));
        break;
    case 4:
        if (n && k) return SAY("%s[%s, %s]", use(m, "mask"), n->name, k->name);
        break;
    case 5:
        if (n) return SAY("%s[%s] == %d", use(m, "lab"), n->name, pick(m, 3));
        break;
    case 6:
        return SAY("not (%s mod 2 == 0)", j->name);
    case 7:
        if (n && k) return SAY("%s[%s] != %s", use(m, "pick"), n->name, k->name);
        break;
    default:
        break;
    }
    return SAY("%s < %s", random_read(m, any_array(m, true)).text, chance(m, 2) ? "0.3" : "-0.2");
}

/* ---- scalar formulas ------------------------------------------------------------------------- */

static Term formula(Maker *m, int depth);

static Term tamed(Maker *m, Term t) {
    const double scale = reach(t) / 4;
    if (reach(t) <= widest) return t;
    /* A literal without a point or an exponent is a whole number, which ends at 2^53. */
    return term(SAY(scale < 0x1p53 ? "tanh(%s / %.0f)" : "tanh(%s / %.6e)", t.text, scale), -1, 1);
}

static Term leaf(Maker *m) {
    if (m->index_count == 0 || chance(m, 7)) {
        switch (pick(m, 4)) {
        case 0:
            return term(use(m, "tau"), 0.25, 0.75);
        case 1:
            return term(use(m, "rate"), 0.25, 0.75);
        case 2:
            if (m->index_count) {
                const Index *i = &m->indices[pick(m, m->index_count)];
                return term(SAY("real(%s)", i->name), 0, (double)i->dim.extent);
            }
            break;
        default:
            break;
        }
        double value = 0.25 * (pick(m, 9) - 4);
        return term(SAY("(%g)", value), value, value);
    }
    if (chance(m, 12)) return term(SAY("real(%s)", condition(m, 0)), 0, 1);
    return random_read(m, any_array(m, false));
}

/* Returns a dot, cos or norm of rows. */
static Term of_rows(Maker *m) {
    static const char *const rows[] = {"x", "y", "q"};
    const char *a = rows[pick(m, 3)];
    const char *b = rows[pick(m, 3)];
    const Dim da = find_array(m, a)->dims[0];
    const Dim db = find_array(m, b)->dims[0];
    const Index *i = index_over(m, da);
    const Index *j = index_over(m, db);
    if (!i || !j) return leaf(m);
    double most = 12 * (double)m->D.extent;
    const char *second = chance(m, 5) ? SAY("%s[(%s + 1) mod (%s)]", b, j->name, db.text)
                                      : SAY("%s[%s]", b, j->name);
    switch (pick(m, 6)) {
    case 0:
        return term(SAY("norm(%s[%s])", a, i->name), 0, 3.5 * sqrt((double)m->D.extent));
    case 1:
        return term(SAY("norm(%s[%s] - %s)", a, i->name, second), 0, 5 * sqrt((double)m->D.extent));
    case 2:
    case 3:
        return term(SAY("cos(%s[%s], %s)", a, i->name, second), -1, 1);
    default:
        return term(SAY("dot(%s[%s], %s)", a, i->name, second), -most, most);
    }
}

static Term of_one(Maker *m, Term a) {
    double most = reach(a), square = most * most;
    switch (pick(m, 20)) {
    case 0:
        return term(SAY("tanh(%s)", a.text), -1, 1);
    case 1:
        return term(SAY("sigmoid(%s)", a.text), 0, 1);
    case 2:
        return term(SAY("sin(%s)", a.text), -1, 1);
    case 3:
        return term(SAY("cos(%s)", a.text), -1, 1);
    case 4:
        return most < 5 ? term(SAY("exp(%s)", a.text), exp(a.low), exp(a.high))
                        : term(SAY("exp(-abs(%s))", a.text), 0, 1);
    case 5:
        return term(SAY("log(1.25 + %s^2)", a.text), 0.2, log(1.25 + square));
    case 6:
        return term(SAY("log(0.5 + abs(%s))", a.text), log(0.5), log(0.5 + most));
    case 7:
        return term(SAY("sqrt(0.1 + %s^2)", a.text), 0.3, sqrt(0.1 + square));
    case 8:
        return term(SAY("%s^2", a.text), 0, square);
    case 9:
        return term(SAY("(0.5 + abs(%s))^%s", a.text, chance(m, 2) ? "1.5" : "(-0.5)"), 0.05,
                    pow(0.5 + most, 1.5));
    case 10:
        return term(SAY("abs(%s)", a.text), 0, most);
    case 11:
        return term(SAY("relu(%s)", a.text), 0, fmax(0, a.high));
    case 12:
        return term(SAY("softplus(%s)", a.text), 0, 1 + fmax(0, a.high));
    case 13:
        return term(SAY("erf(%s)", a.text), -1, 1);
    case 14:
        return term(SAY("log1p(abs(%s))", a.text), 0, log1p(most));
    case 15:
        return most < 3 ? term(SAY("expm1(%s)", a.text), -1, expm1(a.high)) : a;
    case 16:
        return term(SAY("min(1, %s)", a.text), fmin(a.low, 1), 1);
    case 17:
        return term(SAY("stop(%s)", a.text), a.low, a.high);
    case 18:
        return term(SAY("%s / (1.5 + %s^2)", a.text, a.text), -1, 1);
    default:
        return term(SAY("(-%s)", a.text), -a.high, -a.low);
    }
}

static Term of_two(Maker *m, Term a, Term b) {
    double product = reach(a) * reach(b);
    switch (pick(m, 10)) {
    case 0:
    case 1:
        return term(SAY("(%s + %s)", a.text, b.text), a.low + b.low, a.high + b.high);
    case 2:
        return term(SAY("(%s - %s)", a.text, b.text), a.low - b.high, a.high - b.low);
    case 3:
        return term(SAY("max(%s, %s)", a.text, b.text), fmin(a.low, b.low), fmax(a.high, b.high));
    case 4:
        return term(SAY("min(%s, %s)", a.text, b.text), fmin(a.low, b.low), fmax(a.high, b.high));
    case 5:
        return term(SAY("(%s / (0.5 + abs(%s)))", a.text, b.text), -2 * reach(a), 2 * reach(a));
    case 6:
        if (m->index_count)
            return term(SAY("(if %s then %s else %s)", condition(m, 1), a.text, b.text),
                        fmin(a.low, b.low), fmax(a.high, b.high));
        break;
    default:
        break;
    }
    return term(SAY("(%s * %s)", a.text, b.text), -product, product);
}

/* ---- reductions ------------------------------------------------------------------------------ */

static Dim any_dim(Maker *m) {
    const Dim dims[] = {m->N, m->N, m->K, m->D, m->C};
    return dims[pick(m, 5)];
}

/* Gives the term of a reduction. It reads the index, so that not all terms are equal. */
static Term reduced_term(Maker *m, const char *index, int depth) {
    Term body = tamed(m, chance(m, 3) ? of_rows(m) : formula(m, depth));
    if (strstr(body.text, index)) return body;
    Array *a = any_array(m, false);
    for (int turn = 0; turn < 20; turn++, a = any_array(m, false)) {
        Term other = random_read(m, a);
        if (strstr(other.text, index))
            return tamed(m, term(SAY("(%s * %s)", body.text, other.text),
                                 -reach(body) * reach(other), reach(body) * reach(other)));
    }
    return term(SAY("(%s + 0.1 * sin(real(%s)))", body.text, index), body.low - 0.1,
                body.high + 0.1);
}

/* Gives a product of few factors, which may be 0, or of many near 1. */
static Term product_term(Maker *m, const char *binders, const char *guard, Term body,
                         double terms) {
    enum { FEW = 8 };
    const double most = pow(fmax(1, reach(body)), terms);
    if (terms <= FEW) return term(SAY("(prod[%s%s] %s)", binders, guard, body.text), -most, most);
    return term(SAY("(prod[%s%s] (1 + 0.1 * sin(%s)))", binders, guard, body.text), 0,
                pow(1.1, terms));
}

static Term reduction(Maker *m, int depth) {
    static const char *const names[] = {"sum",       "sum", "mean", "max", "min",
                                        "logsumexp", "var", "mean", "prod"};
    int scope = m->index_count;
    Dim dim = any_dim(m);
    if (m->index_count + 2 >= MOST_INDICES || scope_elements(m) * dim.extent > MOST_ELEMENTS)
        return leaf(m);
    const char *index = push_index(m, dim)->name;
    const char *name = names[pick(m, 9)];
    const char *binders = SAY("%s < %s", index, dim.text);
    if (chance(m, 6) && scope_elements(m) * m->C.extent <= MOST_ELEMENTS)
        binders = SAY("%s, %s < C", binders, push_index(m, m->C)->name);
    Term body = reduced_term(m, index, depth);
    bool guarded = chance(m, 2);
    const char *guard = guarded ? SAY(" | %s", condition(m, 1)) : "";
    double terms = (double)(dim.extent * m->C.extent);
    m->index_count = scope;
    if (strcmp(name, "sum") == 0)
        return term(SAY("(sum[%s%s] %s)", binders, guard, body.text), -terms * reach(body),
                    terms * reach(body));
    if (strcmp(name, "prod") == 0) return product_term(m, binders, guard, body, terms);
    const char *other = guarded ? " else 0.5" : "";
    double low = fmin(body.low, 0.5);
    double high = fmax(body.high, 0.5);
    if (strcmp(name, "logsumexp") == 0) high += log(terms);
    if (strcmp(name, "var") == 0) low = 0, high = reach(body) * reach(body) + 0.5;
    return term(SAY("(%s[%s%s] %s%s)", name, binders, guard, body.text, other), low, high);
}

static Term formula(Maker *m, int depth) {
    if (depth <= 0) return chance(m, 6) ? of_rows(m) : leaf(m);
    switch (pick(m, 8)) {
    case 0:
    case 1:
    case 2:
        return tamed(m, of_one(m, tamed(m, formula(m, depth - 1))));
    case 3:
        return tamed(m, reduction(m, depth - 1));
    default: {
        Term a = formula(m, depth - 1);
        return tamed(m, of_two(m, a, formula(m, depth - 1 - pick(m, 2))));
    }
    }
}

/* ---- statements ------------------------------------------------------------------------------ */

/* Returns a head over fresh indices, which stay in scope. */
static const char *head(Maker *m, int rank, const Dim *dims) {
    const char *text = "";
    m->index_count = 0;
    for (int i = 0; i < rank; i++)
        text = SAY("%s%s%s < %s", text, i ? ", " : "", push_index(m, dims[i])->name, dims[i].text);
    return text;
}

static void let(Maker *m, int rank, const Dim *dims, const char *heading, Term value) {
    const char *name = fresh(m, "h");
    /* An array of a whole number is of ints, and other values of reals may not join it. */
    const bool is_whole = strspn(value.text, "()0123456789 ") == strlen(value.text);
    text_printf(&m->body, "  let %s[%s] = %s%s\n", name, heading, value.text,
                is_whole ? " + 0.0" : "");
    add_array(m, name, rank, dims, value.low, value.high);
}

static void let_formula(Maker *m) {
    Dim dims[MOST_RANK];
    int rank = 1 + pick(m, 3);
    for (int i = 0; i < rank; i++)
        dims[i] = any_dim(m);
    const char *heading = head(m, rank, dims);
    let(m, rank, dims, heading, formula(m, 2 + pick(m, 2)));
}

static void let_reduction(Maker *m) {
    Dim dims[MOST_RANK];
    int rank = 1 + pick(m, 2);
    for (int i = 0; i < rank; i++)
        dims[i] = any_dim(m);
    const char *heading = head(m, rank, dims);
    let(m, rank, dims, heading, tamed(m, reduction(m, 1 + pick(m, 2))));
}

/* Writes scores of pairs, and a loss of them. */
static void let_contrast(Maker *m) {
    bool own = chance(m, 2);
    const Dim dims[2] = {m->N, own ? m->N : m->K};
    const char *other = own ? (chance(m, 2) ? "x" : "y") : "q";
    const char *x = use(m, "x");
    const char *s = fresh(m, "s");
    const char *kind = chance(m, 2) ? "cos" : "dot";
    double most = kind[0] == 'c' ? 4 : 48 * (double)m->D.extent;
    const char *heading = head(m, 2, dims);
    const char *i = m->indices[0].name;
    const char *j = m->indices[1].name;
    text_printf(&m->body, "  let %s[%s] = %s(%s[%s], %s[%s]) / %s\n", s, heading, kind, x, i,
                use(m, other), j, use(m, "tau"));
    add_array(m, s, 2, dims, -most, most);
    const char *positive = own ? SAY("(%s + 1) mod N", i) : SAY("%s[%s]", use(m, "pick"), i);
    const char *guard = chance(m, 2) ? SAY(" | %s", condition(m, 1)) : "";
    const char *k = fresh(m, "i");
    const char *sum = SAY("(sum[%s%s] exp(%s[%s, %s]))", j, guard, s, i, j);
    const char *top = SAY("exp(%s[%s, %s])", s, i, positive);
    const char *shares[] = {
        SAY("-log(%s / (%s + %s))", top, top, sum),
        SAY("log(1 + %s / %s)", sum, top),
        SAY("((logsumexp[%s%s] %s[%s, %s] else 0) - %s[%s, %s])", j, guard, s, i, j, s, i,
            positive),
        SAY("log(%s + 0.5 * %s)", top, sum),
        SAY("(mean[%s] -log(exp(%s[%s, %s]) / (%s + 0.1)) else 0)", k, s, i, k, sum),
        SAY("(max[%s%s] %s[%s, %s] else 0)", j, guard, s, i, j)};
    m->index_count = 1;
    let(m, 1, dims, SAY("%s < N", i),
        tamed(m, term(shares[pick(m, 6)], -2 * most - 5, 2 * most + 5)));
}

static Array *matrix(Maker *m) {
    for (int turn = 0; turn < 30; turn++) {
        Array *a = &m->arrays[pick(m, m->array_count)];
        if (a->rank == 2 && !a->is_int && !a->is_bool) return a->used = true, a;
    }
    return (Array *)(uintptr_t)find_array(m, "x");
}

static void let_softmax(Maker *m) {
    Array *a = matrix(m);
    const char *heading = head(m, 2, a->dims);
    const char *i = m->indices[0].name;
    const char *j = m->indices[1].name;
    const char *guard = chance(m, 3) ? SAY(" | %s != %s mod (%s)", j, i, a->dims[1].text) : "";
    Term value =
        term(SAY("softmax[%s%s] %g * %s[%s, %s]", j, guard, 0.5 * (1 + pick(m, 6)), a->name, i, j),
             0, 1);
    if (*guard)
        value = a->dims[1].extent > 1
                    ? value
                    : term(SAY("(softmax[%s] %s[%s, %s])", j, a->name, i, j), 0, 1);
    let(m, 2, a->dims, heading, value);
}

/* Writes whole arrays: normalised rows, joined, transposed. */
static void let_array(Maker *m) {
    Array *a = matrix(m);
    const char *name = fresh(m, "h");
    Dim dims[2] = {a->dims[0], a->dims[1]};
    switch (pick(m, 3)) {
    case 0:
        text_printf(&m->body, "  let %s = normalise(%s)\n", name, a->name);
        add_array(m, name, 2, dims, -1, 1);
        break;
    case 1:
        text_printf(&m->body, "  let %s = transpose(%s)\n", name, a->name);
        add_array(m, name, 2, (const Dim[]){dims[1], dims[0]}, a->low, a->high);
        break;
    default:
        text_printf(&m->body, "  let %s = concat(%s, %s)\n", name, use(m, "x"), use(m, "y"));
        dims[0] = (Dim){"2*N", 2 * m->N.extent};
        dims[1] = m->D;
        add_array(m, name, 2, dims, -5, 5);
        break;
    }
}

/* Writes the places of the largest entries and the values there, or the place of the best. */
static void let_best(Maker *m) {
    const Array *e = chance(m, 3) ? matrix(m) : find_array(m, "e");
    int64_t count = e->dims[1].extent < 3 ? e->dims[1].extent : 3;
    const Dim dims[2] = {e->dims[0], {SAY("%lld", (long long)count), count}};
    const char *name = fresh(m, "at");
    const char *i = fresh(m, "i");
    const char *j = fresh(m, "i");
    const char *r = fresh(m, "i");
    const char *heading;
    if (chance(m, 2)) {
        text_printf(&m->body, "  let %s[%s, %s < %s] = topk[%s, %s] %s[%s, %s]\n", name, i, r,
                    dims[1].text, j, r, e->name, i, j);
        heading = head(m, 2, dims);
        Term value = term(SAY("%s[%s, %s[%s, %s]]", e->name, m->indices[0].name, name,
                              m->indices[0].name, m->indices[1].name),
                          e->low, e->high);
        let(m, 2, dims, heading, of_two(m, value, leaf(m)));
        return;
    }
    text_printf(&m->body, "  let %s[%s] = %s[%s] %s[%s, %s]\n", name, i,
                chance(m, 2) ? "argmax" : "argmin", j, e->name, i, j);
    heading = head(m, 1, dims);
    Term value = term(SAY("%s[%s, %s[%s]]", e->name, m->indices[0].name, name, m->indices[0].name),
                      e->low, e->high);
    let(m, 1, dims, heading, of_two(m, value, leaf(m)));
}

/* Writes sums by class, whose members are found by their key. */
static void let_by_key(Maker *m) {
    const bool labels = chance(m, 2);
    const Dim classes = labels ? (Dim){"3", 3} : m->K, dims[2] = {classes, m->D};
    const char *heading = head(m, 2, dims);
    const char *c = m->indices[0].name;
    const char *d = m->indices[1].name;
    const char *n = fresh(m, "i");
    const char *key = SAY("%s[%s] == %s", use(m, labels ? "lab" : "pick"), n, c);
    const char *rows = use(m, chance(m, 2) ? "x" : "y");
    const double most = 5 * (double)m->N.extent;
    const char *forms[] = {SAY("(sum[%s | %s] %s[%s, %s])", n, key, rows, n, d),
                           SAY("(mean[%s | %s] %s[%s, %s]^2 else 0)", n, key, rows, n, d),
                           SAY("(sum[%s | %s and %s > 0] %s[%s, %s] * %s[%s])", n, key, n, rows, n,
                               d, use(m, "w"), n)};
    let(m, 2, dims, heading, tamed(m, term(forms[pick(m, 3)], -most, 5 * most)));
}

static void let_scan(Maker *m) {
    const Dim dims[1] = {chance(m, 2) ? m->N : m->K};
    const char *name = fresh(m, "c");
    const char *heading = head(m, 1, dims);
    const char *i = m->indices[0].name;
    Term start = formula(m, 1);
    /* A literal may be an int, and a carry keeps the type that it starts with. */
    text_printf(&m->body, "  scan %s < %d (%s[%s] = %s + 0.0) {\n", fresh(m, "i"), 2 + pick(m, 3),
                name, heading, start.text);
    add_array(m, name, 1, dims, -2, 2); /* the bounds of the carry inside the scan */
    Array *carry = &m->arrays[m->array_count - 1];
    Term step = tamed(m, formula(m, 2));
    text_printf(&m->body, "    next %s[%s] = tanh(%s[%s] * 0.5 + %s)\n  }\n", name, heading, name,
                i, step.text);
    carry->low = fmin(-1, start.low), carry->high = fmax(1, start.high);
    carry->used = false;
}

/* Writes a draw in a function that is mapped over the elements of an array. Each element has a draw
 * of its own. */
static void mapped_draw(Maker *m, const Dim *dims) {
    const char *name = fresh(m, "u");
    m->calls_noisy = true;
    text_printf(&m->body, "  let %s[i < N, d < D] = noisy(i / 8 - d)\n", name);
    add_array(m, name, 2, dims, 1 - (double)m->D.extent, (double)m->N.extent / 8 + 1);
}

static void draw_formula(Maker *m) {
    const Dim dims[2] = {m->N, m->D};
    if (m->number % 4 == 3) {
        mapped_draw(m, dims);
        return;
    }
    const char *name = fresh(m, "u");
    text_printf(&m->body, "  draw %s[N, D] ~ uniform(0, 1)\n", name);
    add_array(m, name, 2, dims, 0, 1);
}

static void statement(Maker *m) {
    static void (*const kinds[])(Maker *) = {
        let_formula,   let_formula,  let_formula,  let_reduction, let_reduction,
        let_reduction, let_contrast, let_contrast, let_softmax,   let_array,
        let_best,      let_by_key,   let_scan,     draw_formula};
    kinds[pick(m, sizeof kinds / sizeof *kinds)](m);
    m->index_count = 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void declare_array(Maker *m, const char *name, const char *declared, int rank, Dim a, Dim b,
                          Dim c, double low, double high) {
    Array *added = add_array(m, name, rank, (const Dim[]){a, b, c}, low, high);
    added->declared = declared;
    added->is_int = strstr(declared, "int") != NULL;
    added->is_bool = strstr(declared, "bool") != NULL;
}

static void declare_all(Maker *m) {
    const Dim none = {"", 1};
    declare_array(m, "x", "x[N, D]", 2, m->N, m->D, none, -4, 4);
    declare_array(m, "y", "y[N, D]", 2, m->N, m->D, none, -4, 4);
    declare_array(m, "q", "q[K, D]", 2, m->K, m->D, none, -4, 4);
    declare_array(m, "e", "e[N, K]", 2, m->N, m->K, none, -4, 4);
    declare_array(m, "t", "t[C, N, D]", 3, m->C, m->N, m->D, -4, 4);
    declare_array(m, "w", "w[N]", 1, m->N, none, none, 0.25, 0.75);
    declare_array(m, "v", "v[K]", 1, m->K, none, none, 0.25, 0.75);
    declare_array(m, "b", "b[D]", 1, m->D, none, none, 0.25, 0.75);
    declare_array(m, "f", "f[C]", 1, m->C, none, none, 0.25, 0.75);
    declare_array(m, "tau", "tau", 0, none, none, none, 0.25, 0.75);
    declare_array(m, "rate", "rate", 0, none, none, none, 0.25, 0.75);
    declare_array(m, "lab", "lab : int[N]", 1, m->N, none, none, 0, 2);
    declare_array(m, "pick", "pick : int[N]", 1, m->N, none, none, 0, 0);
    declare_array(m, "mask", "mask : bool[N, K]", 2, m->N, m->K, none, 0, 1);
    m->param_count = m->array_count;
}

static Dim dimension(Maker *m, const char *name, const int64_t *extents, int count) {
    return (Dim){name, extents[pick(m, count)]};
}

/* Writes the result: the sum of every array that nothing has read yet, and of the last. */
static const char *result(Maker *m) {
    const char *text = "";
    for (int i = m->param_count; i < m->array_count; i++) {
        Array *a = &m->arrays[i];
        if (a->used && i + 1 < m->array_count) continue;
        const char *indices = head(m, a->rank, a->dims);
        const char *read = a->name;
        for (int k = 0; k < a->rank; k++)
            read = SAY("%s%s%s", read, k ? ", " : "[", m->indices[k].name);
        const char *weight = chance(m, 2) ? "" : SAY("%s * ", leaf(m).text);
        text = SAY("%s%s%s[%s] (%s%s]%s)", text, *text ? " + " : "", chance(m, 3) ? "sum" : "mean",
                   indices, weight, read, chance(m, 4) ? "^2" : "");
    }
    return text;
}

/* Introduces a dimension that the text uses: it comes from the shape of some parameter. */
static void introduce(Maker *m, Dim dim, const char *vector, const char *result_text) {
    for (int i = 0; i < m->param_count; i++)
        for (int k = 0; k < m->arrays[i].rank; k++)
            if (m->arrays[i].used && same_dim(m->arrays[i].dims[k], dim)) return;
    if (memchr(m->body.data, *dim.text, m->body.length) || strstr(result_text, dim.text))
        find_array(m, vector);
}

/* Gives the part of the first line that names the extreme of the inputs. */
static const char *input_of(Arena *arena, uint32_t number) {
    const uint32_t kind = 1 + number / 5 % (EXTREMES - 1);
    return number % 5 == 4 ? arena_printf(arena, " input=%s", extreme_names[kind]) : "";
}

enum { SHARDS = 8 };

/* Chooses the extents of a formula for ranks: most axes are multiples of the shards. */
static void choose_cut_extents(Maker *m) {
    static const int64_t rows[] = {8, 16, 24, 40, 64, 8, 16, 13};
    static const int64_t keys[] = {8, 16, 24, 7, 32};
    static const int64_t widths[] = {1, 3, 8, 16, 17};
    static const int64_t few[] = {1, 2, 3, 8};
    m->N = dimension(m, "N", rows, 8);
    m->K = dimension(m, "K", keys, 5);
    m->D = dimension(m, "D", widths, 5);
    m->C = dimension(m, "C", few, 4);
}

static void choose_extents(Maker *m) {
    static const int64_t rows[] = {1, 2, 3, 5, 8, 13, 17, 33};
    static const int64_t keys[] = {1, 2, 4, 7, 16, 19, 40};
    static const int64_t widths[] = {1, 3, 4, 8, 17};
    static const int64_t few[] = {1, 2, 3};
    m->N = dimension(m, "N", rows, 8);
    m->K = dimension(m, "K", keys, 7);
    m->D = dimension(m, "D", widths, 5);
    m->C = dimension(m, "C", few, 3);
}

const char *generate_formula(Arena *arena, uint32_t number, bool on_ranks) {
    const int shards = on_ranks ? SHARDS : 0;
    if (number % 50 == 0) return generate_long(arena, number, shards);
    Maker m = {.arena = arena, .number = number};
    if (on_ranks)
        choose_cut_extents(&m);
    else
        choose_extents(&m);
    declare_all(&m);
    int count = 2 + pick(&m, 3);
    for (int i = 0; i < count; i++)
        statement(&m);
    while (m.array_count == m.param_count)
        statement(&m);
    const char *sum = result(&m);
    const char *params = "";
    introduce(&m, m.N, "w", sum);
    introduce(&m, m.K, "v", sum);
    introduce(&m, m.D, "b", sum);
    introduce(&m, m.C, "f", sum);
    for (int i = 0; i < m.param_count; i++)
        if (m.arrays[i].used)
            params =
                arena_printf(arena, "%s%s%s", params, *params ? ", " : "", m.arrays[i].declared);
    const char *text = arena_printf(
        arena,
        "# N=%lld K=%lld D=%lld C=%lld seed=%u stream=%d shards=%d%s\n%sfn formula%u(%s) {\n%.*s  "
        "return "
        "%s\n}\n",
        (long long)m.N.extent, (long long)m.K.extent, (long long)m.D.extent, (long long)m.C.extent,
        number, number % 2 ? 1 : 0, shards, input_of(arena, number),
        m.calls_noisy ? "fn noisy(x) {\n  draw u ~ uniform(0, 1)\n  return x + u\n}\n" : "", number,
        params, (int)m.body.length, m.body.data, sum);
    text_free(&m.body);
    return text;
}
