/* The canonical layout of a spec. Line breaks stay where the author put them; indentation, spaces
 * and blank lines are the formatter's. Columns that the author lined up stay lined up. */
#ifndef COUPLET_LANG_FORMAT_H
#define COUPLET_LANG_FORMAT_H

#include "lang/ast.h"

/* Returns the text of a module that was parsed without errors in its new layout, with its comments,
 * in the arena. */
const char *format_module(Arena *arena, const Module *module);
/* Returns the text of a file in its new layout, after it was parsed again and found to mean the
 * same. NULL after messages. */
const char *format_source(Arena *arena, Diag *diag, const Source *source);

#endif
