/* The page that `couplet report` writes: the settings of runs, their course and their results, in
 * one HTML file that needs nothing else. Missing parts are named in words, at their places. */
#ifndef COUPLET_PAGE_PAGE_H
#define COUPLET_PAGE_PAGE_H

#include "compiler/page/page_run.h"

typedef struct PageFormula {
    const char *name;  /* the function's name, such as "nt_xent"; NULL: the losses of the method */
    const char *place; /* its place, such as "stdlib/losses/batch.cpl:31" */
    const char *latex;
} PageFormula;

/* The confusions of an evaluation: counts[truth * told + guess] says how often queries of one class
 * were told to be of another. */
typedef struct PageConfusion {
    const char *evaluation;
    /* `truths` is the number of classes, and `told` that of the classes that can be guessed, which
     * are the first of `names`. */
    int truths;
    int told;
    const char *const *names; /* [truths] */
    const int64_t *counts;
} PageConfusion;

/* A sample, as a page shows it. */
typedef struct PageSample {
    /* the address of a picture, from html_picture; NULL: the sample is no picture */
    const char *picture;
    const char *name;  /* the sample's file, or "row 16" */
    const char *label; /* the name of its class */
} PageSample;

typedef struct PageNeighbour {
    PageSample sample;
    double similarity;
    bool same; /* true if it has the query's class */
} PageNeighbour;

typedef struct PageQuery {
    PageSample sample;
    ARRAY(PageNeighbour) near;
} PageQuery;

/* Rows of features in the plane. */
typedef struct PageMap {
    const char *title, *note; /* as in "t-SNE" and "600 queries; divergence 0.912 nats" */
    int count;
    int classes;
    const double *points;      /* [count, 2] */
    const int32_t *labels;     /* [count] */
    const char *const *names;  /* [classes] */
    const char *const *titles; /* [count]: the text that a pointer shows */
} PageMap;

/* The details of a variant, which are those of its first run. */
typedef struct PageDetail {
    const char *svg; /* the method's picture; NULL: `no_svg` says why there is none */
    const char *no_svg;
    const char *spec; /* the text of the spec; NULL: it is missing */
    ARRAY(PageFormula) formulas;
    const char *no_features; /* the reason why features are not shown; NULL: they are shown */
    const char *features;    /* as in "encoder.trunk, 64 numbers for each of 600 samples of test" */
    ARRAY(PageConfusion) confusions;
    const char *neighbours_of; /* the evaluation by neighbours; NULL: there is none */
    ARRAY(PageQuery) queries;
    ARRAY(PageMap) maps;
} PageDetail;

/* Appends the page of the variants. details[i] is of the first run of variant i. */
void page_append(Arena *arena, const PageVariants *variants, const PageDetail *details, Text *out);

#endif
