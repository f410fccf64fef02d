/* Draws text, numbers and colours of a sheet. Names of files and classes come from the user, so
 * bytes that are no UTF-8 and control characters are replaced before cairo sees them. A line that
 * is too long loses its end, or its beginning if the end tells more. */
#include "compiler/sheet/cell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BYTES = 512 };

/* Returns the number of bytes of the UTF-8 character that begins here, or 0 if none does. */
static int character_bytes(const unsigned char *at) {
    const int count = at[0] < 0x80                    ? 1
                      : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
                      : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                      : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                      : 0;
    for (int i = 1; i < count; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    const bool too_long = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    const bool surrogate = (at[0] == 0xed && at[1] >= 0xa0) || (at[0] == 0xf4 && at[1] >= 0x90);
    return too_long || surrogate ? 0 : count;
}

/* Copies a text for cairo: UTF-8 without control characters. */
static void clean(const char *text, char out[MOST_BYTES]) {
    size_t length = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at && length + 5 < MOST_BYTES;) {
        const int count = character_bytes(at);
        const bool plain = count > 0 && at[0] >= ' ' && at[0] != 0x7f;
        if (plain)
            memcpy(out + length, at, (size_t)count);
        else
            out[length] = '?';
        length += plain ? (size_t)count : 1;
        at += count ? count : 1;
    }
    out[length] = 0;
}

static double clean_width(cairo_t *cairo, const char *text) {
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    return extents.x_advance;
}

double text_width(cairo_t *cairo, const char *text) {
    char shown[MOST_BYTES];
    clean(text, shown);
    return clean_width(cairo, shown);
}

void draw_text(cairo_t *cairo, double x, double y, double width, const char *text) {
    char shown[MOST_BYTES];
    clean(text, shown);
    size_t length = strlen(shown);
    while (length > 2 && clean_width(cairo, shown) > width) {
        do
            length--;
        while (length > 0 && ((unsigned char)shown[length] & 0xc0) == 0x80);
        memcpy(shown + length, "..", 3);
    }
    cairo_move_to(cairo, x, y);
    cairo_show_text(cairo, shown);
}

void draw_text_end(cairo_t *cairo, double x, double y, double width, const char *text) {
    char shown[MOST_BYTES + 2];
    char *first = shown + 2; /* the first character that is kept */
    char *at = first;        /* the start of the text that is drawn */
    clean(text, first);
    while (strlen(first) > 2 && clean_width(cairo, at) > width) {
        do
            first++;
        while (((unsigned char)*first & 0xc0) == 0x80);
        at = first - 2;
        memcpy(at, "..", 2);
    }
    cairo_move_to(cairo, x, y);
    cairo_show_text(cairo, at);
}

void draw_number_text(double value, char *out, size_t bytes) {
    if (isnan(value))
        snprintf(out, bytes, "missing");
    else if (value == floor(value) && fabs(value) < 1e9)
        snprintf(out, bytes, "%.0f", value);
    else
        snprintf(out, bytes, "%.3g", value);
}

/* ---- shades ---------------------------------------------------------------------------------- */

static void shade(double value, double rgb[3]) {
    /* Colours of the map viridis, evenly spaced. */
    static const double stops[][3] = {{0.27, 0.00, 0.33},
                                      {0.23, 0.32, 0.55},
                                      {0.13, 0.57, 0.55},
                                      {0.37, 0.79, 0.38},
                                      {0.99, 0.91, 0.14}};
    enum { LAST = sizeof stops / sizeof *stops - 1 };
    const double place = (value > 0 ? value < 1 ? value : 1 : 0) * LAST;
    const int stop = place < LAST ? (int)place : LAST - 1;
    for (int i = 0; i < 3; i++)
        rgb[i] = stops[stop][i] + (place - stop) * (stops[stop + 1][i] - stops[stop][i]);
}

void draw_set_shade(cairo_t *cairo, double value) {
    double rgb[3];
    shade(value, rgb);
    cairo_set_source_rgb(cairo, rgb[0], rgb[1], rgb[2]);
}

uint32_t draw_shade_pixel(double value) {
    double rgb[3];
    shade(value, rgb);
    uint32_t pixel = 0xff;
    for (int i = 0; i < 3; i++)
        pixel = pixel << 8 | (uint32_t)lrint(255 * rgb[i]);
    return pixel;
}
