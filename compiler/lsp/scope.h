/* The surroundings of a place at which someone types, as far as the tokens tell: the statement, the
 * open bracket, and the tokens before. The text need not fit the grammar. */
#ifndef COUPLET_LSP_SCOPE_H
#define COUPLET_LSP_SCOPE_H

#include "compiler/lsp/document.h"

/* A bracket that is open at the place. */
typedef struct OpenBracket {
    char sign;
    int at; /* the byte of the bracket */
    /* the name right before the bracket, with its module, such as "losses.nt_xent"; or "" */
    const char *before;
    const char *word; /* for a `{`: the first word of its statement, such as "train"; else "" */
    int commas;       /* the commas between the bracket and the place, outside other brackets */
    /* the name of the argument that contains the place, as in `tau = ..`; or "" */
    const char *argument;
} OpenBracket;

typedef struct CursorScope {
    ARRAY(OpenBracket) open; /* the open brackets, from the outside in */
    /* the name before the dot, such as "losses", if the place follows a dot; NULL: it does not */
    const char *owner;
    const char *first; /* the first word of the statement, or "" */
    bool begins;       /* true if the word at the place begins the statement */
    bool is_comment;
    bool is_text;
} CursorScope;

CursorScope scope_at(Arena *arena, const Source *file, int at);

/* Returns the declaration of a dotted name in the module of an analysis, or in a module that it
 * uses. Returns NULL if nothing is known of the name. */
const Stmt *scope_find_declared(const Analysis *analysis, const char *dotted);
/* Returns the used module that a name means, or NULL for other names. */
const Module *scope_find_module(const Analysis *analysis, const char *name);

#endif
