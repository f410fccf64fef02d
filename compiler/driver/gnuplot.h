/* Draws pictures with gnuplot (Debian's package gnuplot-nox). */
#ifndef COUPLET_DRIVER_GNUPLOT_H
#define COUPLET_DRIVER_GNUPLOT_H

#include "lang/support.h"

/* Colours that most eyes, and printers, tell apart (Okabe, Ito). */
enum { GNUPLOT_COLOURS = 8 };
extern const char *const gnuplot_colours[GNUPLOT_COLOURS];

/* Runs the script in a file. Returns false after a message. If gnuplot is missing, `rest` ends the
 * message: "; the table and results.csv are complete". */
bool gnuplot_run(const char *script, const char *rest);
/* Returns a text between single quotes, in which gnuplot gives a meaning to the quote alone. A
 * label also needs the word noenhanced behind it, or `_` and others are commands. An end of a line,
 * which would end the statement, becomes a space. */
const char *gnuplot_quoted(Arena *arena, const char *text);
/* Returns the path of a file between single quotes, or NULL after a message if gnuplot cannot be
 * told the path. */
const char *gnuplot_file(Arena *arena, const char *path);

#endif
