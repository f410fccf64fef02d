/* Library calls: the table (calls.def), a function that does one row in double precision, and the
 * kernel that does them in arrays of float32. The reference evaluator runs the same functions, so
 * both agree to rounding, and in every choice. */
#ifndef COUPLET_RUNTIME_CALLS_H
#define COUPLET_RUNTIME_CALLS_H

#include "runtime/abi.h"

typedef enum {
#define CALL(name, ...) COUPLET_CALL_##name,
#include "runtime/calls.def"
#undef CALL
    COUPLET_CALL_COUNT
} CoupletCallKind;

enum { COUPLET_CALL_OPERANDS = 3 };

/* The sizes of a row: the axes of a row of operand 0 (1 if it has none), and the elements of a row
 * of the result. */
typedef struct CoupletCallSize {
    int64_t rows, columns, result;
} CoupletCallSize;

typedef struct CoupletCall {
    const char *name;
    CoupletType result;
    int result_axes, operand_axes[COUPLET_CALL_OPERANDS]; /* -1: there is no such operand */
    /* Does one row. `work` holds couplet_call_work doubles. */
    CoupletFaultKind (*run)(const CoupletCallSize *size, double *const *in, double *out,
                            double *work);
} CoupletCall;

extern const CoupletCall couplet_calls[COUPLET_CALL_COUNT];

/* The elements of a row with so many axes. */
int64_t couplet_call_elements(int axes, const CoupletCallSize *size);
/* The doubles that a row needs as work. */
int64_t couplet_call_work(const CoupletCallSize *size);
/* The bytes of a worker's scratch that couplet_call needs. */
int64_t couplet_call_scratch(CoupletCallKind call, const CoupletCallSize *size);

#endif
