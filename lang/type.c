/* Symbolic dimensions as polynomials in a canonical form, and types. */
#include "lang/type.h"

#include "lang/ast.h"

#include <string.h>

enum { MAX_TERMS = 32, MAX_ATOMS = 8 };

struct DimTable {
    Arena *arena;
    ARRAY(Dim *) all; /* few dozens in a compilation: a list is enough */
};

/* coefficient * atom * atom * ...; atoms sorted by id */
typedef struct Term {
    int64_t coefficient;
    int count;
    Dim *atoms[MAX_ATOMS];
} Term;
typedef struct Polynomial {
    int count;
    Term terms[MAX_TERMS];
} Polynomial;

DimTable *dim_table_new(Arena *arena) {
    DimTable *table = arena_new_of(arena, DimTable);
    table->arena = arena;
    return table;
}

static Dim *intern(DimTable *table, DimKind kind, int64_t value, Symbol *symbol, Dim *a, Dim *b) {
    for (int i = 0; i < table->all.count; i++) {
        Dim *d = table->all.items[i];
        if (d->kind == kind && d->value == value && d->symbol == symbol && d->a == a && d->b == b) return d;
    }
    Dim *d = arena_new_of(table->arena, Dim);
    *d = (Dim){kind, value, symbol, a, b, table->all.count};
    array_push(table->arena, &table->all, d);
    return d;
}

Dim *dim_const(DimTable *table, int64_t value) { return intern(table, DIM_CONST, value, NULL, NULL, NULL); }
Dim *dim_name(DimTable *table, Symbol *symbol) { return intern(table, DIM_NAME, 0, symbol, NULL, NULL); }

/* ---- polynomials ------------------------------------------------------------------------------------- */

static bool same_atoms(const Term *a, const Term *b) {
    if (a->count != b->count) return false;
    for (int i = 0; i < a->count; i++)
        if (a->atoms[i] != b->atoms[i]) return false;
    return true;
}

static bool before(const Term *a, const Term *b) {
    if (a->count != b->count) return a->count > b->count; /* constants last */
    for (int i = 0; i < a->count; i++)
        if (a->atoms[i] != b->atoms[i]) return a->atoms[i]->id < b->atoms[i]->id;
    return false;
}

static void add_term(Polynomial *sum, const Term *term) {
    for (int i = 0; i < sum->count; i++) {
        if (!same_atoms(&sum->terms[i], term)) continue;
        sum->terms[i].coefficient += term->coefficient;
        if (sum->terms[i].coefficient == 0) {
            memmove(&sum->terms[i], &sum->terms[i + 1], sizeof(Term) * (size_t)(sum->count - i - 1));
            sum->count--;
        }
        return;
    }
    if (term->coefficient == 0 || sum->count == MAX_TERMS) return;
    int at = sum->count++;
    while (at > 0 && before(term, &sum->terms[at - 1])) {
        sum->terms[at] = sum->terms[at - 1];
        at--;
    }
    sum->terms[at] = *term;
}

static Term times(const Term *a, const Term *b) {
    Term product = {.coefficient = a->coefficient * b->coefficient};
    int i = 0, j = 0;
    while ((i < a->count || j < b->count) && product.count < MAX_ATOMS) {
        bool left = j == b->count || (i < a->count && a->atoms[i]->id <= b->atoms[j]->id);
        product.atoms[product.count++] = left ? a->atoms[i++] : b->atoms[j++];
    }
    return product;
}

static void expand(const Dim *d, Polynomial *out) {
    out->count = 0;
    Term term = {.coefficient = 1};
    switch (d->kind) {
    case DIM_CONST:
        term.coefficient = d->value;
        add_term(out, &term);
        return;
    case DIM_ADD: {
        Polynomial b;
        expand(d->a, out);
        expand(d->b, &b);
        for (int i = 0; i < b.count; i++) add_term(out, &b.terms[i]);
        return;
    }
    case DIM_MUL: {
        Polynomial a, b;
        expand(d->a, &a);
        expand(d->b, &b);
        for (int i = 0; i < a.count; i++)
            for (int j = 0; j < b.count; j++) {
                Term product = times(&a.terms[i], &b.terms[j]);
                add_term(out, &product);
            }
        return;
    }
    default:
        term.count = 1;
        term.atoms[0] = (Dim *)d;
        add_term(out, &term);
        return;
    }
}

static Dim *collapse(DimTable *table, const Polynomial *p) {
    Dim *sum = NULL;
    for (int i = 0; i < p->count; i++) {
        const Term *t = &p->terms[i];
        Dim *product = NULL;
        if (t->coefficient != 1 || t->count == 0) product = dim_const(table, t->coefficient);
        for (int k = 0; k < t->count; k++) product = product ? intern(table, DIM_MUL, 0, NULL, product, t->atoms[k]) : t->atoms[k];
        sum = sum ? intern(table, DIM_ADD, 0, NULL, sum, product) : product;
    }
    return sum ? sum : dim_const(table, 0);
}

static int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return (a % b != 0 && ((a % b < 0) != (b < 0))) ? q - 1 : q;
}

Dim *dim_make(DimTable *table, DimKind kind, Dim *a, Dim *b) {
    if (kind == DIM_ADD || kind == DIM_MUL) {
        Dim draft = {kind, 0, NULL, a, b, 0};
        Polynomial p;
        expand(&draft, &p);
        return collapse(table, &p);
    }
    bool constant = a->kind == DIM_CONST && b->kind == DIM_CONST;
    if (kind == DIM_CEIL_DIV || kind == DIM_FLOOR_DIV) {
        if (b->kind == DIM_CONST && b->value == 1) return a;
        if (constant && b->value != 0) return dim_const(table, kind == DIM_CEIL_DIV ? -floor_div(-a->value, b->value) : floor_div(a->value, b->value));
    }
    if (kind == DIM_MOD && constant && b->value != 0) return dim_const(table, a->value - b->value * floor_div(a->value, b->value));
    if (kind == DIM_MIN && (constant || a == b)) return a->value < b->value ? a : b;
    if (kind == DIM_MAX && (constant || a == b)) return a->value > b->value ? a : b;
    return intern(table, kind, 0, NULL, a, b);
}

Dim *dim_substitute(DimTable *table, Dim *dim, Symbol *const *from, Dim *const *to, int count) {
    if (dim->kind == DIM_CONST) return dim;
    if (dim->kind == DIM_NAME) {
        for (int i = 0; i < count; i++)
            if (from[i] == dim->symbol) return to[i];
        return dim;
    }
    Dim *a = dim_substitute(table, dim->a, from, to, count), *b = dim_substitute(table, dim->b, from, to, count);
    return dim_make(table, dim->kind, a, b);
}

bool dim_eval(const Dim *d, DimLookup lookup, void *context, int64_t *value) {
    if (d->kind == DIM_CONST) {
        *value = d->value;
        return true;
    }
    if (d->kind == DIM_NAME) return lookup(context, d->symbol, value);
    int64_t a, b;
    if (!dim_eval(d->a, lookup, context, &a) || !dim_eval(d->b, lookup, context, &b)) return false;
    switch (d->kind) {
    case DIM_ADD: *value = a + b; return true;
    case DIM_MUL: *value = a * b; return true;
    case DIM_MIN: *value = a < b ? a : b; return true;
    case DIM_MAX: *value = a > b ? a : b; return true;
    default: break;
    }
    if (b == 0) return false;
    *value = d->kind == DIM_CEIL_DIV ? -floor_div(-a, b) : d->kind == DIM_FLOOR_DIV ? floor_div(a, b) : a - b * floor_div(a, b);
    return true;
}

const char *dim_text(Arena *arena, const Dim *d) {
    if (d->kind == DIM_CONST) return arena_printf(arena, "%lld", (long long)d->value);
    if (d->kind == DIM_NAME) return d->symbol->name;
    const char *a = dim_text(arena, d->a), *b = dim_text(arena, d->b);
    switch (d->kind) {
    case DIM_ADD: return d->b->kind == DIM_CONST && d->b->value < 0 ? arena_printf(arena, "%s - %lld", a, (long long)-d->b->value) : arena_printf(arena, "%s + %s", a, b);
    case DIM_MUL: return arena_printf(arena, "%s*%s", a, b);
    case DIM_CEIL_DIV: return arena_printf(arena, "ceil(%s / %s)", a, b);
    case DIM_FLOOR_DIV: return arena_printf(arena, "(%s) div %s", a, b);
    case DIM_MOD: return arena_printf(arena, "(%s) mod %s", a, b);
    default: return arena_printf(arena, "%s(%s, %s)", d->kind == DIM_MIN ? "min" : "max", a, b);
    }
}

const char *type_text(Arena *arena, const Type *type) {
    static const char *const names[] = {"unknown", "real", "int", "bool", "text", "net", "function", "optimiser", "data", "module", "nothing", "real[..]"};
    const char *text = names[type->kind];
    for (int i = 0; i < type->rank; i++)
        text = arena_printf(arena, "%s%s%s%s", text, i ? ", " : "[", dim_text(arena, type->dims[i]), i == type->rank - 1 ? "]" : "");
    return text;
}
