/* Draws rows of a table as bars with their numbers, and ints as words. */
#include "compiler/sheet/cell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- bars ------------------------------------------------------------------------------------ */

enum {
    NUMBER_WIDTH = 56,
    MOST_LISTED = 16,
};

/* Finds the positions, from 0 to 1, of 0 and of `value` in the range of an entry, which is widened
 * to take in 0. */
static void ends_of(const Column *c, int64_t entry, double value, double *zero, double *end) {
    const double low = fmin(c->lows[entry], 0);
    const double high = fmax(c->highs[entry], 0);
    const double range = high > low ? high - low : 1;
    *zero = -low / range;
    *end = (value - low) / range;
}

/* Draws bars below each other, each with its number. */
static void draw_listed(cairo_t *cairo, const Column *c, const void *cell, double x, double y) {
    const int64_t count = c->of->shape[0];
    const double height = (double)c->height / (double)count;
    const double width = c->width - NUMBER_WIDTH;
    for (int64_t i = 0; i < count; i++) {
        const double value = column_value(c->of, cell, i);
        const double top = y + height * (double)i;
        double zero;
        double end;
        char text[32];
        ends_of(c, i, value, &zero, &end);
        cairo_set_source_rgb(cairo, 0.95, 0.95, 0.95);
        cairo_rectangle(cairo, x + NUMBER_WIDTH, top, width, height - 1);
        cairo_fill(cairo);
        cairo_set_source_rgb(cairo, 0.42, 0.62, 0.78);
        if (isfinite(value))
            cairo_rectangle(cairo, x + NUMBER_WIDTH + width * fmin(zero, end), top,
                            fmax(width * fabs(end - zero), 1), height - 1);
        cairo_fill(cairo);
        draw_number_text(value, text, sizeof text);
        cairo_set_source_rgb(cairo, isfinite(value) ? 0.1 : 0.7, 0.1, 0.1);
        draw_text(cairo, x, top + height - 3, NUMBER_WIDTH - 4, text);
    }
}

/* Draws bars side by side, without numbers. */
static void draw_standing(cairo_t *cairo, const Column *c, const void *cell, double x, double y) {
    const int64_t count = c->of->shape[0];
    const double part = (double)c->width / (double)count;
    cairo_set_source_rgb(cairo, 0.97, 0.97, 0.97);
    cairo_rectangle(cairo, x, y, c->width, c->height);
    cairo_fill(cairo);
    for (int64_t i = 0; i < count; i++) {
        const double value = column_value(c->of, cell, i);
        double zero;
        double end;
        ends_of(c, i, value, &zero, &end);
        cairo_set_source_rgb(cairo, isfinite(value) ? 0.42 : 0.7, isfinite(value) ? 0.62 : 0.1,
                             isfinite(value) ? 0.78 : 0.1);
        if (!isfinite(value)) zero = 0, end = 1;
        cairo_rectangle(cairo, x + part * (double)i, y + c->height * (1 - fmax(zero, end)),
                        fmax(part - 1, 1), fmax(c->height * fabs(end - zero), 1));
        cairo_fill(cairo);
    }
}

void draw_bars(cairo_t *cairo, const Column *c, const void *cell, double x, double y) {
    if (c->of->shape[0] <= MOST_LISTED)
        draw_listed(cairo, c, cell, x, y);
    else
        draw_standing(cairo, c, cell, x, y);
}

/* ---- words ----------------------------------------------------------------------------------- */

static void class_word(const SheetColumn *of, int32_t value, char *out, size_t bytes) {
    if (of->class_names && value >= 0 && value < of->classes)
        snprintf(out, bytes, "%s", of->class_names[value]);
    else
        snprintf(out, bytes, "%d", value);
}

/* Returns how often the word at `at` stands in a row from there on. */
static int64_t run_of(const int32_t *words, int64_t at, int64_t count) {
    int64_t end = at + 1;
    while (end < count && words[end] == words[at])
        end++;
    return end - at;
}

static void draw_number(cairo_t *cairo, const Column *c, const void *cell, double x, double y) {
    char text[256];
    if (c->of->type == COUPLET_I32)
        class_word(c->of, *(const int32_t *)cell, text, sizeof text);
    else
        draw_number_text(column_value(c->of, cell, 0), text, sizeof text);
    draw_text(cairo, x, y + TEXT_SIZE, c->width, text);
}

/* Draws words line by line. A word that stands several times in a row is written once, with its
 * number. */
void draw_words(cairo_t *cairo, const Column *c, const void *cell, double x, double y) {
    cairo_set_source_rgb(cairo, 0.1, 0.1, 0.1);
    if (c->of->rank == 0) {
        draw_number(cairo, c, cell, x, y);
        return;
    }
    const int32_t *words = cell;
    const double space = text_width(cairo, "n n") - text_width(cairo, "nn");
    double at = 0;
    int line = 0;
    for (int64_t i = 0; i < c->of->shape[0];) {
        char word[256];
        char text[300];
        const int64_t run = run_of(words, i, c->of->shape[0]);
        const bool together = run > 2;
        class_word(c->of, words[i], word, sizeof word);
        if (together)
            snprintf(text, sizeof text, "%s (%lld times)", word, (long long)run);
        else
            snprintf(text, sizeof text, "%s", word);
        const double width = fmin(text_width(cairo, text), c->width);
        if (at > 0 && at + width > c->width) at = 0, line++;
        if ((line + 1) * LINE > c->height) {
            draw_text(cairo, x + c->width - 8, y + TEXT_SIZE + (line - 1) * LINE, 20, "..");
            return;
        }
        draw_text(cairo, x + at, y + TEXT_SIZE + line * LINE, c->width, text);
        at += width + space;
        i += together ? run : 1;
    }
}
