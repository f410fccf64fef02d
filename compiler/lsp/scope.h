/* What stands around a place that someone types at, as far as the tokens tell: the statement, the
 * open bracket and what is before it. It holds for text that does not fit the grammar, too. */
#ifndef COUPLET_LSP_SCOPE_H
#define COUPLET_LSP_SCOPE_H

#include "compiler/lsp/document.h"

/* A bracket that is open at the place. */
typedef struct OpenBracket {
    char sign;
    int at;               /* its byte */
    const char *before;   /* the name right before it, with its module: "losses.nt_xent"; or "" */
    const char *word;     /* of a `{`: the first word of its statement, "train"; else "" */
    int commas;           /* between it and the place, outside other brackets */
    const char *argument; /* the name of the argument that the place is in, `tau = ..`; or "" */
} OpenBracket;

typedef struct CursorScope {
    ARRAY(OpenBracket) open; /* from the outside in */
    const char *owner; /* what stands before the point that the place follows: "losses"; or NULL */
    const char *first; /* the first word of the statement, or "" */
    bool begins;       /* nothing of the statement stands before the word at the place */
    bool is_comment, is_text;
    int word_begin; /* where the word begins that the place is in, or the place */
} CursorScope;

CursorScope scope_at(Arena *arena, const Source *file, int at);

/* What a dotted name means in the module of an analysis: a statement of the module, or of one that
 * it uses. NULL where nothing is known. */
const Stmt *scope_find_declared(const Analysis *analysis, const char *dotted);
/* The module that a name means, of those that are used. NULL for others. */
const Module *scope_find_module(const Analysis *analysis, const char *name);

#endif
