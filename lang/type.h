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
    DIM_NAME /* a SYMBOL_DIMENSION, SYMBOL_CONFIG, SYMBOL_HYPER */,
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
    /* For the other kinds: the operands. ADD and MUL are sorted and lean to the left. */
    struct Dim *a;
    struct Dim *b;
    int id; /* counts the dimensions made, and orders terms in the canonical form */
} Dim;

typedef struct DimTable DimTable; /* hash-consing; one a compilation */
DimTable *dim_table_new(Arena *arena);
Dim *dim_const(DimTable *table, int64_t value);
Dim *dim_name(DimTable *table, struct Symbol *symbol);
Dim *dim_make(DimTable *table, DimKind kind, Dim *a, Dim *b); /* canonicalises: (N + N) is 2*N */
/* The fault in dim_make and dim_substitute since the last dim_fault: a coefficient beyond 64 bits,
 * or more than MOST_DIMENSION_TERMS terms or factors. The dimension that they returned is then
 * invalid, and the caller reports it. */
typedef enum {
    DIM_FINE,
    DIM_OVERFLOW,
    DIM_TOO_LONG,
} DimFault;
DimFault dim_fault(DimTable *table);
Dim *dim_substitute(DimTable *table, Dim *dim, struct Symbol *const *from, Dim *const *to,
                    int count);
const char *dim_text(Arena *arena, const Dim *dim); /* "2*N", "ceil(H / stride)" */

/* Evaluates a dimension for given values of names. `lookup` returns false for a name without a
 * value; if `lookup` is NULL, no name has one. Returns false in this case, for a division by 0, and
 * beyond 64 bits. */
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
    KIND_NOTHING,
    KIND_ANY_SHAPE /* p and g of an optimiser: real, of unknown rank, and all of one shape */
} TypeKind;

enum { MAX_RANK = MOST_AXES };

typedef struct Type {
    TypeKind kind;
    int rank; /* 0 for a single number */
    Dim *dims[MAX_RANK];
} Type;

const char *type_text(Arena *arena, const Type *type); /* "real[N, D]", "int", "net" */

#endif
