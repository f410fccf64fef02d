/* Escapes texts, and writes PNG files (RFC 2083) as base64. A PNG has three chunks here: the head,
 * the pixels deflated by zlib, and the end. */
#include "compiler/page/html.h"

#include "lang/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* ---- texts ----------------------------------------------------------------------------------- */

static const char *entity_of(char c) {
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

const char *html_text(Arena *arena, const char *text) {
    Text out = {0};
    for (const char *at = text; *at;) {
        uint32_t character = 0;
        const int length = utf8_read(at, strlen(at), &character);
        const char *entity = entity_of(*at);
        const bool control = character < 0x20 && character != '\n' && character != '\t';
        if (entity)
            text_printf(&out, "%s", entity);
        else if (length == 0 || control || character == 0x7f)
            text_printf(&out, "&#xFFFD;");
        else
            text_append(&out, at, (size_t)length);
        at += length ? length : 1;
    }
    const char *copy = arena_strndup(arena, out.data ? out.data : "", out.length);
    text_free(&out);
    return copy;
}

const char *html_svg(Arena *arena, const char *svg, const char *prefix) {
    static const char id[] = " id=\"";
    const char *at = strstr(svg, "<svg");
    if (!at) return NULL;
    Text out = {0};
    for (const char *next; (next = strstr(at, id)); at = next + strlen(id)) {
        text_append(&out, at, (size_t)(next - at) + strlen(id));
        text_printf(&out, "%s", prefix);
    }
    text_append(&out, at, strlen(at));
    const char *copy = arena_strndup(arena, out.data, out.length);
    text_free(&out);
    return copy;
}

/* ---- pictures -------------------------------------------------------------------------------- */

static void append_number(Text *out, uint32_t number) {
    const char bytes[] = {(char)(number >> 24), (char)(number >> 16), (char)(number >> 8),
                          (char)number};
    text_append(out, bytes, sizeof bytes);
}

static void append_chunk(Text *out, const char *name, const char *data, size_t length) {
    append_number(out, (uint32_t)length);
    const size_t begin = out->length;
    text_append(out, name, 4);
    text_append(out, data, length);
    append_number(out, (uint32_t)crc32(0, (const Bytef *)out->data + begin, (uInt)(4 + length)));
}

/* Appends the pixels. Each line has a byte ahead of it that names its filter: 0, none. */
static bool append_pixels(Text *out, const uint8_t *rgb, int width, int height) {
    const size_t line = (size_t)width * 3;
    const size_t all = (line + 1) * (size_t)height;
    uLongf length = compressBound((uLong)all);
    uint8_t *lines = malloc(all);
    uint8_t *packed = malloc(length);
    bool good = lines && packed;
    for (size_t y = 0; good && y < (size_t)height; y++) {
        lines[y * (line + 1)] = 0;
        memcpy(lines + y * (line + 1) + 1, rgb + y * line, line);
    }
    good = good && compress2(packed, &length, lines, (uLong)all, 9) == Z_OK;
    if (good) append_chunk(out, "IDAT", (const char *)packed, length);
    free(lines);
    free(packed);
    return good;
}

static void append_base64(Text *out, const uint8_t *bytes, size_t count) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        const size_t left = count - i;
        const uint32_t three = (uint32_t)bytes[i] << 16 |
                               (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                               (left > 2 ? bytes[i + 2] : 0);
        const char four[] = {digits[three >> 18], digits[three >> 12 & 63],
                             left > 1 ? digits[three >> 6 & 63] : '=',
                             left > 2 ? digits[three & 63] : '='};
        text_append(out, four, sizeof four);
    }
}

const char *html_picture(Arena *arena, const uint8_t *rgb, int width, int height) {
    Text png = {0};
    Text head = {0};
    Text out = {0};
    append_number(&head, (uint32_t)width);
    append_number(&head, (uint32_t)height);
    text_append(&head, "\x08\x02\0\0\0", 5); /* 8 bits a channel, in colour, not interlaced */
    text_append(&png, "\x89PNG\r\n\x1a\n", 8);
    append_chunk(&png, "IHDR", head.data, head.length);
    const char *copy = NULL;
    if (append_pixels(&png, rgb, width, height)) {
        append_chunk(&png, "IEND", "", 0);
        text_printf(&out, "data:image/png;base64,");
        append_base64(&out, (const uint8_t *)png.data, png.length);
        copy = arena_strndup(arena, out.data, out.length);
    }
    text_free(&png);
    text_free(&head);
    text_free(&out);
    return copy;
}
