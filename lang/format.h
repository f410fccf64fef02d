/* The canonical layout of a spec. Line breaks stay where the author put them; indentation, spaces
 * and blank lines are the formatter's. Columns that the author lined up stay lined up. */
#ifndef COUPLET_LANG_FORMAT_H
#define COUPLET_LANG_FORMAT_H

#include "lang/ast.h"

/* The text of a module that was parsed without errors, laid out anew; comments are kept. In the
 * arena. */
const char *format_module(Arena *arena, const Module *module);
/* The text of a file laid out anew, after it was parsed again and found to mean the same; NULL
 * after messages. */
const char *format_source(Arena *arena, Diag *diag, const Source *source);

#endif
