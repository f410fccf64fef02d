/* The parts of a page, each an HTML section. */
#ifndef COUPLET_PAGE_PARTS_H
#define COUPLET_PAGE_PARTS_H

#include "compiler/page/page.h"

/* Appends the table of evaluations: samples, before and after training, mean and deviation over
 * seeds. */
void page_results(Arena *arena, const PageVariants *variants, Text *out);
/* Appends a chart for each number that the log has at several steps, and for each evaluation. */
void page_curves(Arena *arena, const PageVariants *variants, Text *out);
/* Appends the settings and the data of all variants, side by side. */
void page_settings(Arena *arena, const PageVariants *variants, Text *out);
/* Appends the method of a variant: its picture, its formulas, its text. `prefix` makes the ids of
 * the picture unique (html_svg). */
void page_method(Arena *arena, const PageDetail *detail, const char *prefix, Text *out);
/* Appends what the features tell: confusions, classes, neighbours, maps. */
void page_features(Arena *arena, const PageDetail *detail, Text *out);

#endif
