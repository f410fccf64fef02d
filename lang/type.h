/* Types and symbolic dimensions. A dimension is a polynomial with integer coefficients over atoms:
 * names (N, D, a compile-time `width`) and opaque operations (ceil(H / stride)) on dimensions.
 * Dimensions are kept in a canonical form, so that equal ones are the same pointer. */
#ifndef COUPLET_LANG_TYPE_H
#define COUPLET_LANG_TYPE_H

#include "lang/limits.h"
#include "lang/support.h"

struct Symbol;

typedef enum {
    DIM_CONST,
    DIM_NAME /* a SYMBOL_DIMENSION, or a number: SYMBOL_CONFIG, SYMBOL_ARGUMENT */,
    DIM_ADD,
    DIM_MUL,
    DIM_CEIL_DIV,
    DIM_FLOOR_DIV,
    DIM_MOD,
    DIM_MIN,
    DIM_MAX
} DimKind;

typedef struct Dim {
    DimKind kind;
    int64_t value;         /* for DIM_CONST */
    struct Symbol *symbol; /* for DIM_NAME */
    /* For the other kinds: the operands. Sums and products are sorted and lean to the left. */
    struct Dim *a;
    struct Dim *b;
    int id; /* numbers the dimensions as they are made; the canonical form sorts factors by it */
} Dim;

/* The dimensions of one compilation, each of which it holds once. */
typedef struct DimTable DimTable;
DimTable *dim_table_new(Arena *arena);
Dim *dim_const(DimTable *table, int64_t value);
Dim *dim_name(DimTable *table, struct Symbol *symbol);
/* Returns the operation on two dimensions in the canonical form: (N + N) is 2*N. */
Dim *dim_make(DimTable *table, DimKind kind, Dim *a, Dim *b);
/* The first fault in dim_make and dim_substitute since the last call of dim_fault: a coefficient
 * beyond 64 bits, or more than MOST_DIMENSION_TERMS terms or factors. The returned dimension is
 * then wrong, and the caller reports the fault. */
typedef enum {
    DIM_FINE,
    DIM_OVERFLOW,
    DIM_TOO_LONG,
} DimFault;
DimFault dim_fault(DimTable *table);
/* Returns the dimension with each name from[i] replaced by to[i]. */
Dim *dim_substitute(DimTable *table, Dim *dim, struct Symbol *const *from, Dim *const *to,
                    int count);
/* Returns the dimension as text: "2*N", "ceil(H / stride)". */
const char *dim_text(Arena *arena, const Dim *dim);

/* Sets *value to the dimension for given values of its names. `lookup` returns false for a name
 * without a value; if `lookup` is NULL, no name has a value. Returns false if a name has none, for
 * a division by 0, and beyond 64 bits. */
typedef bool (*DimLookup)(void *context, const struct Symbol *symbol, int64_t *value);
bool dim_eval(const Dim *dim, DimLookup lookup, void *context, int64_t *value);

typedef enum {
    KIND_POISON, /* an error was reported; nothing more is said */
    KIND_REAL,
    KIND_INT,
    KIND_BOOL,
    KIND_STRING,
    KIND_NET,
    KIND_FN,
    KIND_OPTIMISER,
    KIND_DATA,
    KIND_MODULE,
    KIND_ANY_SHAPE /* reals of unknown rank, all of one shape: p and g of an optimiser */
} TypeKind;

enum { MAX_RANK = MOST_AXES };

typedef struct Type {
    TypeKind kind;
    int rank; /* 0 for a single number */
    Dim *dims[MAX_RANK];
} Type;

/* Returns the type as text: "real[N, D]", "int", "net". */
const char *type_text(Arena *arena, const Type *type);

#endif
