/* Gives a spec its canonical layout. Line breaks stay where the author put them; indentation,
 * spaces and blank lines are the formatter's. Columns that the author lined up stay lined up. */
#ifndef COUPLET_LANG_FORMAT_H
#define COUPLET_LANG_FORMAT_H

#include "lang/ast.h"

/* Returns the text of a file in its new layout. The text is parsed again, to be sure that it means
 * the same. NULL after messages. */
const char *format_source(Arena *arena, Diag *diag, const Source *source);

#endif
