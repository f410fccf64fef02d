/* Types as text, and symbolic dimensions as polynomials in a canonical form. */
#include "lang/type.h"

#include "lang/ast.h"

#include <assert.h>
#include <string.h>

struct DimTable {
    Arena *arena;
    Dim **slots; /* a hash table with open addressing; the number of slots is a power of two */
    int capacity;
    int count;
    DimFault fault; /* the first fault since the last dim_fault */
};

/* A term of a polynomial: coefficient * atom * atom * .., with the atoms sorted by id. */
typedef struct Term {
    int64_t coefficient;
    int count;
    Dim *const *atoms;
} Term;
typedef struct Polynomial {
    ARRAY(Term) terms; /* sorted; no two terms have the same atoms, and no coefficient is 0 */
} Polynomial;

DimTable *dim_table_new(Arena *arena) {
    DimTable *table = arena_new_of(arena, DimTable);
    table->arena = arena;
    return table;
}

static void note_fault(DimTable *table, DimFault fault) {
    if (!table->fault) table->fault = fault;
}

DimFault dim_fault(DimTable *table) {
    DimFault fault = table->fault;
    table->fault = DIM_FINE;
    return fault;
}

/* ---- one pointer for equal dimensions -------------------------------------------------------- */

static uint64_t dim_hash(const Dim *d) {
    const uint64_t parts[] = {(uint64_t)d->kind, (uint64_t)d->value, (uint64_t)(uintptr_t)d->symbol,
                              (uint64_t)(uintptr_t)d->a, (uint64_t)(uintptr_t)d->b};
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        hash = (hash ^ parts[i]) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash;
}

static bool dim_same(const Dim *x, const Dim *y) {
    return x->kind == y->kind && x->value == y->value && x->symbol == y->symbol && x->a == y->a &&
           x->b == y->b;
}

/* Returns the slot of an equal dimension, or the free slot in which it would stand. */
static Dim **dim_slot(const DimTable *table, const Dim *wanted) {
    uint64_t at = dim_hash(wanted);
    for (;; at++) {
        Dim **slot = &table->slots[at & (uint64_t)(table->capacity - 1)];
        if (!*slot || dim_same(*slot, wanted)) return slot;
    }
}

static void grow_table(DimTable *table) {
    Dim **old = table->slots;
    int old_capacity = table->capacity;
    table->capacity = old_capacity ? 2 * old_capacity : 64;
    table->slots = arena_array(table->arena, Dim *, table->capacity);
    for (int i = 0; i < old_capacity; i++)
        if (old[i]) *dim_slot(table, old[i]) = old[i];
}

/* Returns the one dimension that equals `wanted`, which is made if there is none. */
static Dim *intern(DimTable *table, Dim wanted) {
    if (2 * table->count >= table->capacity) grow_table(table);
    Dim **slot = dim_slot(table, &wanted);
    if (*slot) return *slot;
    Dim *d = arena_new_of(table->arena, Dim);
    *d = wanted;
    d->id = table->count++;
    return *slot = d;
}

static Dim *intern_pair(DimTable *table, DimKind kind, Dim *a, Dim *b) {
    return intern(table, (Dim){.kind = kind, .a = a, .b = b});
}

Dim *dim_const(DimTable *table, int64_t value) {
    return intern(table, (Dim){.kind = DIM_CONST, .value = value});
}
Dim *dim_name(DimTable *table, Symbol *symbol) {
    return intern(table, (Dim){.kind = DIM_NAME, .symbol = symbol});
}

/* ---- polynomials ----------------------------------------------------------------------------- */

/* Returns a number below 0 if x comes before y, and 0 if both have the same atoms. Terms with more
 * atoms come first, so constants come last. */
static int order(const Term *x, const Term *y) {
    if (x->count != y->count) return y->count - x->count;
    for (int i = 0; i < x->count; i++)
        if (x->atoms[i] != y->atoms[i]) return x->atoms[i]->id - y->atoms[i]->id;
    return 0;
}

/* Adds a term to a polynomial. Terms of the same atoms become one, which vanishes if its
 * coefficient is 0. */
static void add_term(DimTable *table, Polynomial *sum, Term term) {
    if (term.coefficient == 0) return;
    Term *items = sum->terms.items;
    int low = 0;
    int high = sum->terms.count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (order(&items[middle], &term) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t behind = (size_t)(sum->terms.count - low);
    if (behind && order(&items[low], &term) == 0) {
        Term *same = &items[low];
        if (__builtin_add_overflow(same->coefficient, term.coefficient, &same->coefficient))
            note_fault(table, DIM_OVERFLOW);
        if (same->coefficient) return;
        memmove(same, same + 1, sizeof *same * (behind - 1));
        sum->terms.count--;
        return;
    }
    if (sum->terms.count == MOST_DIMENSION_TERMS) {
        note_fault(table, DIM_TOO_LONG);
        return;
    }
    array_push(table->arena, &sum->terms, term);
    items = sum->terms.items;
    memmove(&items[low + 1], &items[low], sizeof *items * behind);
    items[low] = term;
}

static void add_polynomial(DimTable *table, Polynomial *sum, const Polynomial *more) {
    for (int i = 0; i < more->terms.count; i++)
        add_term(table, sum, more->terms.items[i]);
}

static Term multiply_terms(DimTable *table, const Term *a, const Term *b) {
    Term product = {.count = a->count + b->count};
    if (__builtin_mul_overflow(a->coefficient, b->coefficient, &product.coefficient))
        note_fault(table, DIM_OVERFLOW);
    if (product.count > MOST_DIMENSION_TERMS) {
        note_fault(table, DIM_TOO_LONG);
        return *a;
    }
    Dim **atoms = arena_array(table->arena, Dim *, product.count ? product.count : 1);
    int i = 0;
    int j = 0;
    for (int k = 0; k < product.count; k++) {
        bool left = j == b->count || (i < a->count && a->atoms[i]->id <= b->atoms[j]->id);
        atoms[k] = left ? a->atoms[i++] : b->atoms[j++];
    }
    product.atoms = atoms;
    return product;
}

static Polynomial product_of(DimTable *table, const Polynomial *a, const Polynomial *b) {
    Polynomial product = {0};
    if ((int64_t)a->terms.count * b->terms.count > MOST_DIMENSION_TERMS) {
        note_fault(table, DIM_TOO_LONG);
        return *a;
    }
    for (int i = 0; i < a->terms.count; i++)
        for (int j = 0; j < b->terms.count; j++)
            add_term(table, &product,
                     multiply_terms(table, &a->terms.items[i], &b->terms.items[j]));
    return product;
}

/* Returns a dimension as a polynomial. Names, quotients, remainders, minima and maxima are
 * atoms. */
static Polynomial polynomial_of(DimTable *table, Dim *d) {
    Polynomial out = {0};
    switch (d->kind) {
    case DIM_CONST:
        add_term(table, &out, (Term){.coefficient = d->value});
        return out;
    case DIM_ADD: {
        out = polynomial_of(table, d->a);
        const Polynomial b = polynomial_of(table, d->b);
        add_polynomial(table, &out, &b);
        return out;
    }
    case DIM_MUL: {
        const Polynomial a = polynomial_of(table, d->a);
        const Polynomial b = polynomial_of(table, d->b);
        return product_of(table, &a, &b);
    }
    case DIM_NAME:
    case DIM_CEIL_DIV:
    case DIM_FLOOR_DIV:
    case DIM_MOD:
    case DIM_MIN:
    case DIM_MAX:
        break;
    }
    Dim **atom = arena_array(table->arena, Dim *, 1);
    *atom = d;
    add_term(table, &out, (Term){1, 1, atom});
    return out;
}

/* Returns the polynomial as one dimension, with sums and products that lean to the left. */
static Dim *collapse(DimTable *table, const Polynomial *p) {
    Dim *sum = NULL;
    for (int i = 0; i < p->terms.count; i++) {
        const Term *t = &p->terms.items[i];
        Dim *product = NULL;
        if (t->coefficient != 1 || t->count == 0) {
            product = dim_const(table, t->coefficient);
        }
        for (int k = 0; k < t->count; k++)
            product = product ? intern_pair(table, DIM_MUL, product, t->atoms[k]) : t->atoms[k];
        sum = sum ? intern_pair(table, DIM_ADD, sum, product) : product;
    }
    return sum ? sum : dim_const(table, 0);
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

/* Computes an operation on numbers. Quotients round down or up, and a remainder has the sign of b.
 * Returns false for a division by 0, and if the result does not fit in 64 bits. */
static bool combine_numbers(DimKind kind, int64_t a, int64_t b, int64_t *out) {
    bool divides = kind == DIM_CEIL_DIV || kind == DIM_FLOOR_DIV || kind == DIM_MOD;
    if (divides && (b == 0 || (a == INT64_MIN && b == -1))) return false;
    int64_t rest = divides ? a % b : 0;
    bool same_sign = (rest < 0) == (b < 0);
    switch (kind) {
    case DIM_ADD:
        return !__builtin_add_overflow(a, b, out);
    case DIM_MUL:
        return !__builtin_mul_overflow(a, b, out);
    case DIM_MIN:
        *out = a < b ? a : b;
        return true;
    case DIM_MAX:
        *out = a > b ? a : b;
        return true;
    case DIM_CEIL_DIV:
        *out = a / b + (rest != 0 && same_sign);
        return true;
    case DIM_FLOOR_DIV:
        *out = a / b - (rest != 0 && !same_sign);
        return true;
    case DIM_MOD:
        *out = rest != 0 && !same_sign ? rest + b : rest;
        return true;
    case DIM_CONST:
    case DIM_NAME:
        break;
    }
    return false;
}

Dim *dim_make(DimTable *table, DimKind kind, Dim *a, Dim *b) {
    assert(a && b && kind != DIM_CONST && kind != DIM_NAME);
    int64_t value;
    if (a->kind == DIM_CONST && b->kind == DIM_CONST &&
        combine_numbers(kind, a->value, b->value, &value))
        return dim_const(table, value);
    if (kind == DIM_ADD || kind == DIM_MUL) {
        const Polynomial x = polynomial_of(table, a);
        const Polynomial y = polynomial_of(table, b);
        Polynomial result = x;
        if (kind == DIM_MUL)
            result = product_of(table, &x, &y);
        else
            add_polynomial(table, &result, &y);
        return collapse(table, &result);
    }
    if ((kind == DIM_CEIL_DIV || kind == DIM_FLOOR_DIV) && b->kind == DIM_CONST && b->value == 1)
        return a;
    if ((kind == DIM_MIN || kind == DIM_MAX) && a == b) return a;
    return intern_pair(table, kind, a, b);
}

/* Returns the dimension in place of an atom: another one for a name in `from`, and for an operation
 * the same operation on the replaced operands. */
static Dim *substitute_atom(DimTable *table, Dim *atom, Symbol *const *from, Dim *const *to,
                            int count) {
    if (atom->kind != DIM_NAME) {
        Dim *a = dim_substitute(table, atom->a, from, to, count);
        Dim *b = dim_substitute(table, atom->b, from, to, count);
        return dim_make(table, atom->kind, a, b);
    }
    for (int i = 0; i < count; i++)
        if (from[i] == atom->symbol) return to[i];
    return atom;
}

Dim *dim_substitute(DimTable *table, Dim *dim, Symbol *const *from, Dim *const *to, int count) {
    if (dim->kind == DIM_CONST || count == 0) return dim;
    if (dim->kind == DIM_NAME) return substitute_atom(table, dim, from, to, count);
    const Polynomial whole = polynomial_of(table, dim);
    Polynomial result = {0};
    for (int i = 0; i < whole.terms.count; i++) {
        const Term *t = &whole.terms.items[i];
        Polynomial product = {0};
        add_term(table, &product, (Term){.coefficient = t->coefficient});
        for (int k = 0; k < t->count; k++) {
            const Polynomial factor =
                polynomial_of(table, substitute_atom(table, t->atoms[k], from, to, count));
            product = product_of(table, &product, &factor);
        }
        add_polynomial(table, &result, &product);
    }
    return collapse(table, &result);
}

bool dim_eval(const Dim *d, DimLookup lookup, void *context, int64_t *value) {
    if (d->kind == DIM_CONST) {
        *value = d->value;
        return true;
    }
    if (d->kind == DIM_NAME) return lookup && lookup(context, d->symbol, value);
    int64_t a;
    int64_t b;
    return dim_eval(d->a, lookup, context, &a) && dim_eval(d->b, lookup, context, &b) &&
           combine_numbers(d->kind, a, b, value);
}

const char *dim_text(Arena *arena, const Dim *d) {
    if (d->kind == DIM_CONST) return arena_printf(arena, "%lld", (long long)d->value);
    if (d->kind == DIM_NAME) return d->symbol->name;
    const char *a = dim_text(arena, d->a);
    const char *b = dim_text(arena, d->b);
    switch (d->kind) {
    case DIM_ADD:
        return d->b->kind == DIM_CONST && d->b->value < 0
                   ? arena_printf(arena, "%s - %llu", a, 0ull - (unsigned long long)d->b->value)
                   : arena_printf(arena, "%s + %s", a, b);
    case DIM_MUL:
        return arena_printf(arena, "%s*%s", a, b);
    case DIM_CEIL_DIV:
        return arena_printf(arena, "ceil(%s / %s)", a, b);
    case DIM_FLOOR_DIV:
        return arena_printf(arena, "(%s) div %s", a, b);
    case DIM_MOD:
        return arena_printf(arena, "(%s) mod %s", a, b);
    case DIM_MIN:
        return arena_printf(arena, "min(%s, %s)", a, b);
    case DIM_MAX:
        return arena_printf(arena, "max(%s, %s)", a, b);
    case DIM_CONST:
    case DIM_NAME:
        break; /* answered above */
    }
    return "";
}

const char *type_text(Arena *arena, const Type *type) {
    assert(type->rank <= MAX_RANK);
    static const char *const names[] = {"unknown",  "real",      "int",  "bool",   "text",    "net",
                                        "function", "optimiser", "data", "module", "real[..]"};
    const char *text = names[type->kind];
    for (int i = 0; i < type->rank; i++)
        text = arena_printf(arena, "%s%s%s%s", text, i ? ", " : "[", dim_text(arena, type->dims[i]),
                            i == type->rank - 1 ? "]" : "");
    return text;
}
