/* A checked file, shared by its owner and by the formulas that were made of it. */
#ifndef COUPLET_LIBRARY_FILE_H
#define COUPLET_LIBRARY_FILE_H

#include "compiler/library/couplet_formula.h"
#include "lang/ast.h"

#include <stdatomic.h>

struct CoupletFile {
    atomic_int holders;
    Arena *arena;
    Method *method;
    char *warnings;
};

/* True if something is wrong with the values of hypers that a caller gave, as far as the call alone
 * tells: pointers, the count, and names that are given twice. `text` then has a sentence that
 * begins with `call`. */
bool file_values_are_wrong(const char *call, const CoupletValue *hypers, int count, char *text,
                           size_t bytes);

#endif
