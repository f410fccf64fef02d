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

#endif
