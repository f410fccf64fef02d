/* Translates positions by a table of line starts. Bytes that are no UTF-8, which a file on the disk
 * may hold, count as a character each. */
#include "compiler/lsp/position.h"

#include "lang/utf8.h"

static bool ends_line(const Lines *lines, int at) {
    const char c = lines->text[at];
    return c == '\n' || c == '\r';
}

Lines position_lines(Arena *arena, const char *text, size_t length) {
    Lines lines = {.text = text, .length = (int)length};
    array_push(arena, &lines.begins, 0);
    for (int at = 0; at < lines.length; at++) {
        if (!ends_line(&lines, at)) continue;
        if (text[at] == '\r' && at + 1 < lines.length && text[at + 1] == '\n') at++;
        array_push(arena, &lines.begins, at + 1);
    }
    return lines;
}

/* Returns the number of bytes of the character at `at`, and sets *units to its units of UTF-16. */
static int character_at(const Lines *lines, int at, int *units) {
    uint32_t code = 0;
    const int length = utf8_read(lines->text + at, (size_t)(lines->length - at), &code);
    *units = length && code > 0xffff ? 2 : 1;
    return length ? length : 1;
}

int position_to_byte(const Lines *lines, Position position) {
    if (position.line < 0) return 0;
    if (position.line >= lines->begins.count) return lines->length;
    int at = lines->begins.items[position.line];
    int units;
    for (int left = position.character; left > 0 && at < lines->length; left -= units) {
        if (ends_line(lines, at)) break;
        const int length = character_at(lines, at, &units);
        if (units > left) break;
        at += length;
    }
    return at;
}

/* Returns the last line that begins at or before a byte. */
static int line_of_byte(const Lines *lines, int at) {
    int low = 0;
    int high = lines->begins.count - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (lines->begins.items[middle] <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

Position position_of_byte(const Lines *lines, int at) {
    if (at < 0) at = 0;
    if (at > lines->length) at = lines->length;
    Position position = {line_of_byte(lines, at), 0};
    int units;
    for (int i = lines->begins.items[position.line]; i < at; position.character += units)
        i += character_at(lines, i, &units);
    return position;
}
