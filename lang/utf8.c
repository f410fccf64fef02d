/* Characters of UTF-8 in bytes that come from outside. Text of a spec, names of files and values of
 * a table reach the terminal and JSON only through these functions, because a control character in
 * a file name could otherwise move the cursor or forge a line of the log.
 *
 * The widths are those of ranges, not of a full table of Unicode. They are needed only to put a
 * caret below its character. */
#include "lang/utf8.h"

#include <stdbool.h>
#include <string.h>

int utf8_read(const char *text, size_t length, uint32_t *code) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (length == 0) return 0;
    const unsigned char *bytes = (const unsigned char *)text, first = bytes[0];
    *code = first;
    if (first < 0x80) return 1;
    const int count = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length < (size_t)count) return 0;
    *code = first & (0xffu >> (count + 1));
    for (int i = 1; i < count; i++) {
        if ((bytes[i] & 0xc0) != 0x80) return 0;
        *code = *code << 6 | (bytes[i] & 0x3f);
    }
    const bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return *code < smallest[count] || *code > 0x10ffff || surrogate ? 0 : count;
}

typedef struct Range {
    uint32_t low;
    uint32_t high;
} Range;

static bool is_among(uint32_t code, const Range *ranges, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].low && code <= ranges[i].high) return true;
    return false;
}

int utf8_columns(uint32_t code) {
    static const Range none[] = {{0x300, 0x36f},   {0x200b, 0x200f}, {0x202a, 0x202e},
                                 {0x2060, 0x2064}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
                                 {0xfeff, 0xfeff}};
    static const Range wide[] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                                 {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                 {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    if (is_among(code, none, sizeof none / sizeof *none)) return 0;
    return is_among(code, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}

static bool is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

void utf8_print(FILE *out, const char *text, size_t length) {
    for (size_t at = 0; at < length;) {
        uint32_t code;
        int count = utf8_read(text + at, length - at, &code);
        if (count > 0 && !is_control(code))
            fwrite(text + at, 1, (size_t)count, out);
        else
            for (int i = 0; i < (count > 0 ? count : 1); i++)
                fprintf(out, "\\x%02x", (unsigned char)text[at + (size_t)i]);
        at += count > 0 ? (size_t)count : 1;
    }
}

void utf8_print_json(FILE *out, const char *text, size_t length) {
    fputc('"', out);
    for (size_t at = 0; at < length;) {
        uint32_t code;
        int count = utf8_read(text + at, length - at, &code);
        if (count == 0)
            fprintf(out, "\\\\x%02x", (unsigned char)text[at]);
        else if (code == '"' || code == '\\')
            fprintf(out, "\\%c", (char)code);
        else if (is_control(code))
            fprintf(out, "\\u%04x", code);
        else
            fwrite(text + at, 1, (size_t)count, out);
        at += count > 0 ? (size_t)count : 1;
    }
    fputc('"', out);
}
