/* Pieces of a page: texts that are safe in HTML, and pictures that lie in the page itself. */
#ifndef COUPLET_PAGE_HTML_H
#define COUPLET_PAGE_HTML_H

#include "lang/support.h"

/* Returns the text as HTML shows it, within elements and in quoted attributes. `<`, `>`, `&` and
 * both quotes are escaped. Control characters, and bytes that are no UTF-8, become U+FFFD. */
const char *html_text(Arena *arena, const char *text);

/* Returns a picture as a `data:` address of a PNG. `rgb` has red, green and blue of each pixel, row
 * by row. Width and height are at least 1. Returns NULL if memory is out. */
const char *html_picture(Arena *arena, const uint8_t *rgb, int width, int height);

/* Returns an SVG that a program has written as a part of this page: the text from `<svg` on, with
 * `prefix` ahead of each id, so that two pictures share no id. Returns NULL if the text has no
 * `<svg`. */
const char *html_svg(Arena *arena, const char *svg, const char *prefix);

#endif
