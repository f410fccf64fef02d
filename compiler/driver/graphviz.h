/* Runs Graphviz, which lays out the pictures of methods. */
#ifndef COUPLET_DRIVER_GRAPHVIZ_H
#define COUPLET_DRIVER_GRAPHVIZ_H

#include <stdbool.h>
#include <stdio.h>

/* Runs `dot` from one open file to another. `format` is "-Tsvg" or the like. Returns false after a
 * message. */
bool graphviz_run(FILE *from, const char *format, FILE *to);

#endif
