/* Places in a text: bytes in the server, lines and UTF-16 units in an editor. */
#ifndef COUPLET_LSP_POSITION_H
#define COUPLET_LSP_POSITION_H

#include "lang/support.h"

/* A place as editors count: lines and characters from 0, where a character is a unit of UTF-16. A
 * line ends with \n, \r\n or \r. */
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
/* Returns the byte of a position. A position behind the end of its line means this end, a position
 * behind the last line means the end of the text, and a position in the middle of a character means
 * the start of this character. */
int position_to_byte(const Lines *lines, Position position);
Position position_of_byte(const Lines *lines, int at);

#endif
