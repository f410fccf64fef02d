/* Questions about the terminal that a stream writes to. */
#ifndef COUPLET_RUNTIME_TERMINAL_H
#define COUPLET_RUNTIME_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

bool couplet_terminal_is(FILE *stream);
/* Returns the number of columns; 80 if the terminal does not say. */
int couplet_terminal_width(FILE *stream);
/* True for a terminal with colours, unless the environment variable NO_COLOR is set
 * (no-color.org). */
bool couplet_terminal_has_colours(FILE *stream);

#endif
