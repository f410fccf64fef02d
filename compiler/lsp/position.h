/* Places in a text: bytes here, lines and UTF-16 units in an editor. */
#ifndef COUPLET_LSP_POSITION_H
#define COUPLET_LSP_POSITION_H

#include "lang/support.h"

/* As editors count: lines and characters from 0, a character being a unit of UTF-16. A line ends
 * with \n, \r\n or \r. */
typedef struct Position {
    int line;
    int character;
} Position;

/* A text with the places where its lines begin. The text is not owned. */
typedef struct Lines {
    const char *text;
    int length;
    ARRAY(int) begins;
} Lines;

Lines position_lines(Arena *arena, const char *text, size_t length);
/* The byte at a position. One behind the end of its line is that end, one behind the last line the
 * end of the text, and one in the middle of a character the start of it. */
int position_to_byte(const Lines *lines, Position position);
Position position_of_byte(const Lines *lines, int at);

#endif
