/* The names of one file: the place of each name, and the declaration that it refers to. */
#ifndef COUPLET_LSP_NAMES_H
#define COUPLET_LSP_NAMES_H

#include "lang/ast.h"

/* A name at a place of the file. `symbol`, `param` or `binder` is the thing that it names. Two
 * names mean the same thing exactly when they have the same span `declared`. */
typedef struct Name {
    int begin;
    int end;
    /* the place of the declaration; without a source for built-in names and names that the data
     * gives */
    Span declared;
    const Symbol *symbol;
    const Param *param;   /* for the name of an argument, as in `tau = 0.1` */
    const Binder *binder; /* for an index */
    const Expr *e;        /* the expression that is the name; NULL: none */
    /* The statement that declares the name, or the function of the argument; NULL: none. */
    const Stmt *stmt;
} Name;

typedef struct NameList {
    ARRAY(Name) of; /* sorted by their place */
} NameList;

/* Lists the names of a checked module in one of its files. */
NameList name_list(Arena *arena, const Module *module, const Source *file);
/* Returns the name at a byte, or right before the byte. Returns NULL if there is none. */
const Name *name_at(const NameList *names, int at);

/* Returns the smallest expression of the file that holds the byte, or NULL if there is none. */
const Expr *name_expr_at(const Module *module, const Source *file, int at);

/* Returns the statement of a module that declares a function, a network, an optimiser or a value of
 * that name, or NULL if there is none. */
const Stmt *name_find_stmt(const Module *module, const char *name);

#endif
