/* Pictures by gnuplot (Debian's package gnuplot-nox). */
#ifndef COUPLET_DRIVER_GNUPLOT_H
#define COUPLET_DRIVER_GNUPLOT_H

#include "lang/support.h"

/* Colours that stay apart for most eyes, and in print (Okabe, Ito). */
enum { GNUPLOT_COLOURS = 8 };
extern const char *const gnuplot_colours[GNUPLOT_COLOURS];

/* Runs the script in a file. False after a message; `rest` ends the one of a program that is not
 * there: "; the table and results.csv are complete". */
bool gnuplot_run(const char *script, const char *rest);
/* A text between single quotes, where gnuplot reads nothing but a quote. */
const char *gnuplot_quoted(Arena *arena, const char *text);

#endif
