/* Finds out what a page shows of one run: its method as a picture and as formulas, and what its
 * features tell. A part that fails becomes a sentence on the page, and the other parts are shown
 * all the same. */
#include "compiler/driver/report_detail.h"

#include "compiler/driver/data_sets.h"
#include "compiler/driver/graphviz.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/driver/report_map.h"
#include "compiler/driver/trained.h"
#include "compiler/page/html.h"
#include "compiler/page/projection.h"
#include "compiler/picture/picture.h"
#include "compiler/picture/tex.h"
#include "runtime/evaluation.h"
#include "runtime/files.h"
#include "runtime/interrupt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHOWN_QUERIES = 10,
    SHOWN_NEIGHBOURS = 9,
    MAP_POINTS = 1000,
};

typedef struct Detail {
    Arena *arena; /* the arena of the page */
    PageDetail *out;
} Detail;

/* Returns the first message that was collected, or `otherwise`. */
static const char *reason_of(Arena *arena, const Diag *diag, const char *otherwise) {
    Span span;
    DiagCode code;
    const char *sentence = diag_first_error(diag, &span, &code);
    return sentence ? arena_strndup(arena, sentence, strlen(sentence)) : otherwise;
}

/* ---- the method ------------------------------------------------------------------------------ */

static char *read_stream(FILE *file) {
    Text text = {0};
    char piece[4096];
    size_t count;
    rewind(file);
    while ((count = fread(piece, 1, sizeof piece, file)) > 0)
        text_append(&text, piece, count);
    return text.data;
}

static void draw_method(Detail *d, Arena *own, const Method *method,
                        const LoweredProgram *program) {
    FILE *dot = tmpfile();
    FILE *svg = tmpfile();
    if (dot && svg) {
        picture_print_dot(own, picture_of(own, method), program, dot);
        rewind(dot);
        char *text = graphviz_run(dot, "-Tsvg", svg) ? read_stream(svg) : NULL;
        if (text) {
            d->out->svg = arena_strndup(d->arena, text, strlen(text));
        }
        free(text);
    }
    if (dot) fclose(dot);
    if (svg) fclose(svg);
}

static void add_formula(Detail *d, Arena *own, const Module *spec, const Stmt *fn) {
    char *latex = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&latex, &bytes);
    if (!out) return;
    if (fn)
        tex_print(own, fn, out);
    else
        tex_print_losses(own, spec, out);
    fclose(out);
    PageFormula formula = {.latex = arena_strndup(d->arena, latex, bytes)};
    if (fn) {
        formula.name = arena_strndup(d->arena, fn->name, strlen(fn->name));
        formula.place = arena_printf(d->arena, "%s:%d", fn->span.source->path, fn->span.line);
    }
    array_push(d->arena, &d->out->formulas, formula);
    free(latex);
}

static void show_method(Detail *d, Arena *own, const Options *o, const char *spec) {
    Diag *diag = diag_new(own);
    Diag *said = diag_new(own);
    report_collect(own, said, NULL);
    const Method *method = load_method(own, diag, spec, o);
    const LoweredProgram *program = method ? load_lowered(own, diag, method, NULL) : NULL;
    if (program) draw_method(d, own, method, program);
    report_collect(NULL, NULL, NULL);
    if (!d->out->svg) d->out->no_svg = reason_of(d->arena, diag, reason_of(d->arena, said, NULL));
    if (!method) return;
    int count;
    const Stmt **functions = tex_functions_of_losses(own, method->spec, &count);
    add_formula(d, own, method->spec, NULL);
    for (int i = 0; i < count; i++)
        add_formula(d, own, method->spec, functions[i]);
}

/* ---- samples --------------------------------------------------------------------------------- */

/* A field as a picture: its planes, one after the other, and the element at which the first
 * begins. */
typedef struct Planes {
    int channels;
    int rows;
    int columns;
    int64_t first;
    CoupletType type;
} Planes;

/* Finds the first field of the features that is a picture, and its number. Of a row of pictures it
 * takes the middle one. Returns false if no field is a picture. */
static bool planes_of(const CoupletTable *t, const CoupletPlan *plan, Planes *out, int *number) {
    const char *name;
    for (int i = 0; couplet_features_field(plan, i, &name); i++) {
        const CoupletField *f = couplet_table_field(t, name, number);
        const int64_t *s = f ? f->shape : NULL;
        if (!f || f->rank < 2 || f->rank > 4 || f->type == COUPLET_I32) continue;
        const int at = f->rank - 2;
        const int64_t channels = f->rank > 2 ? s[at - 1] : 1;
        const int64_t size = s[at] * s[at + 1];
        if ((channels != 1 && channels != 3 && channels != 4) || s[at] < 4 || s[at + 1] < 4)
            continue;
        if (s[at] > 4096 || s[at + 1] > 4096) continue;
        *out = (Planes){(int)channels, (int)s[at], (int)s[at + 1], 0, f->type};
        if (f->rank == 4) out->first = s[0] / 2 * channels * size;
        return true;
    }
    return false;
}

static double cell_element(const Planes *p, const void *cell, int64_t at) {
    return p->type == COUPLET_U8 ? (double)((const uint8_t *)cell)[at] / 255
                                 : (double)((const float *)cell)[at];
}

/* Finds the range that is shown as black to white. Reals beyond 0 .. 1 are stretched from their
 * lowest to their highest value. */
static void cell_range(const Planes *p, const void *cell, double *low, double *high) {
    const int64_t count = (int64_t)p->channels * p->rows * p->columns;
    *low = 0, *high = 1;
    for (int64_t i = 0; p->type == COUPLET_F32 && i < count; i++) {
        const double value = cell_element(p, cell, p->first + i);
        if (!isfinite(value)) continue;
        *low = fmin(*low, value);
        *high = fmax(*high, value);
    }
}

static const char *draw_planes(Arena *arena, const Planes *p, const void *cell) {
    const int64_t plane = (int64_t)p->rows * p->columns;
    uint8_t *rgb = malloc((size_t)(3 * plane));
    double low;
    double high;
    cell_range(p, cell, &low, &high);
    for (int64_t i = 0; rgb && i < 3 * plane; i++) {
        const int64_t channel = p->channels >= 3 ? i % 3 : 0;
        const double value = cell_element(p, cell, p->first + channel * plane + i / 3);
        const double shown = (value - low) / (high - low);
        rgb[i] = (uint8_t)lrint(255 * (isfinite(shown) ? fmin(fmax(shown, 0), 1) : 0));
    }
    const char *picture = rgb ? html_picture(arena, rgb, p->columns, p->rows) : NULL;
    free(rgb);
    return picture;
}

/* The state while the features of one evaluation are shown. */
typedef struct Told {
    Detail *d;
    const CoupletProgram *program;
    CoupletThreads *threads;
    const CoupletEval *eval;
    const CoupletTable *bank;
    const CoupletTable *query;
    const CoupletTold *told;
    const char **names; /* [class_count]: the names of the classes */
} Told;

static PageSample sample_of(const Told *t, const CoupletTable *table, int64_t row, int32_t label) {
    Arena *arena = t->d->arena;
    const int64_t origin = couplet_table_origin(table, row);
    PageSample s = {.name = data_row_name(arena, table, origin), .label = t->names[label]};
    Planes planes;
    int number;
    if (planes_of(table, couplet_program_features(t->program, t->eval->features), &planes, &number))
        s.picture = draw_planes(arena, &planes,
                                (const char *)table->columns[number] +
                                    origin * couplet_field_bytes(&table->fields[number]));
    return s;
}

/* Names the classes of the bank. A class that only the query has is named by its number. */
static void name_classes(Told *t) {
    Arena *arena = t->d->arena;
    t->names = arena_array(arena, const char *, t->told->class_count + 1);
    for (int64_t c = 0; c < t->told->class_count; c++)
        t->names[c] = c < t->told->named
                          ? arena_strndup(arena, t->told->names[c], strlen(t->told->names[c]))
                          : arena_printf(arena, "class %lld, not in the bank", (long long)c);
}

/* ---- what the features tell ------------------------------------------------------------------ */

static void show_confusion(const Told *t, const char *evaluation) {
    Arena *arena = t->d->arena;
    const CoupletTold *told = t->told;
    PageConfusion c = {.evaluation = evaluation,
                       .truths = (int)told->class_count,
                       .told = (int)told->named,
                       .names = t->names};
    int64_t *counts = arena_array(arena, int64_t, told->class_count * told->named + 1);
    for (int64_t q = 0; q < told->query.count; q++)
        counts[told->query.labels[q] * told->named + told->guess[q]]++;
    c.counts = counts;
    array_push(arena, &t->d->out->confusions, c);
}

/* Returns the row of query i. The queries are spread over all of the data, because rows are often
 * sorted by class. */
static int64_t spread(int64_t i, int64_t of, int64_t all) {
    return (2 * i + 1) * all / (2 * of);
}

static void show_neighbours(const Told *t, const char *evaluation) {
    Arena *arena = t->d->arena;
    const CoupletTold *told = t->told;
    const int64_t all = told->query.count;
    const int64_t shown = all < SHOWN_QUERIES ? all : SHOWN_QUERIES;
    t->d->out->neighbours_of = evaluation;
    for (int64_t i = 0; i < shown; i++) {
        const int64_t q = spread(i, shown, all);
        const int32_t label = told->query.labels[q];
        PageQuery query = {.sample = sample_of(t, t->query, q, label)};
        for (int64_t k = 0; k < told->near_count && k < SHOWN_NEIGHBOURS; k++) {
            const CoupletNear *n = &told->near[q * told->near_count + k];
            if (n->row < 0) continue;
            const int32_t of = told->bank.labels[n->row];
            const PageNeighbour one = {sample_of(t, t->bank, n->row, of), (double)n->similarity,
                                       of == label};
            array_push(arena, &query.near, one);
        }
        array_push(arena, &t->d->out->queries, query);
    }
}

/* Collects the features, labels and titles of `shown` queries. */
static void gather_points(const Told *t, int64_t shown, float *rows, int32_t *labels,
                          const char **titles) {
    const CoupletTold *told = t->told;
    const int64_t all = told->query.count;
    const int64_t width = told->query.width;
    for (int64_t i = 0; i < shown; i++) {
        const int64_t q = spread(i, shown, all);
        memcpy(rows + i * width, told->query.values + q * width, (size_t)width * sizeof *rows);
        labels[i] = told->query.labels[q];
        const char *row = data_row_name(t->d->arena, t->query, couplet_table_origin(t->query, q));
        titles[i] = arena_printf(t->d->arena, "%s: %s", t->names[labels[i]], row);
    }
}

static void show_maps(const Told *t) {
    Arena *arena = t->d->arena;
    const CoupletTold *told = t->told;
    const int64_t all = told->query.count;
    const int64_t shown = all < MAP_POINTS ? all : MAP_POINTS;
    const int64_t width = told->query.width;
    float *rows = malloc((size_t)(shown * width) * sizeof *rows + 1);
    int32_t *labels = arena_array(arena, int32_t, shown + 1);
    const char **titles = arena_array(arena, const char *, shown + 1);
    if (rows) gather_points(t, shown, rows, labels, titles);
    double share;
    double divergence;
    double *points = arena_array(arena, double, 2 * shown + 1);
    double *placed = arena_array(arena, double, 2 * shown + 1);
    PageMap map = {.title = "Principal components",
                   .count = (int)shown,
                   .classes = (int)told->class_count,
                   .points = points,
                   .labels = labels,
                   .names = t->names,
                   .titles = titles};
    const bool good = rows && shown > 2 && projection_pca(rows, shown, width, points, &share);
    if (good) {
        map.note = arena_printf(arena, "%lld queries; %.0f %% of the variance", (long long)shown,
                                100 * share);
        array_push(arena, &t->d->out->maps, map);
    }
    if (good && shown >= REPORT_MAP_LEAST &&
        report_map_tsne(t->threads, rows, shown, width, points, placed, &divergence)) {
        map.title = "t-SNE";
        map.points = placed;
        map.note =
            arena_printf(arena, "%lld queries; divergence %.3f nats", (long long)shown, divergence);
        array_push(arena, &t->d->out->maps, map);
    }
    free(rows);
}

static bool show_evaluation(Detail *d, CoupletSession *s, const CoupletSources *sources, int number,
                            char *error, size_t error_bytes) {
    CoupletTold told;
    const CoupletEval *e = &s->program->evals[number];
    const bool good = couplet_evaluation_tell(s, sources->data, number, &told, error, error_bytes);
    Told t = {.d = d,
              .program = s->program,
              .threads = s->threads,
              .eval = e,
              .bank = &sources->data[e->bank],
              .query = &sources->data[e->query],
              .told = &told};
    if (good) {
        char *name = couplet_eval_name(s->program, number, sources->data);
        const char *evaluation = arena_printf(d->arena, "%s", name ? name : "");
        free(name);
        name_classes(&t);
        show_confusion(&t, evaluation);
        if (told.near && !d->out->neighbours_of) show_neighbours(&t, evaluation);
        if (!d->out->maps.count) show_maps(&t);
        if (!d->out->features)
            d->out->features =
                arena_printf(d->arena, "%s, %lld numbers for each of %lld samples of %s",
                             e->features, (long long)told.query.width, (long long)told.query.count,
                             s->program->sources[e->query].name);
    }
    couplet_told_free(&told);
    return good;
}

static bool look_at_session(void *context, CoupletSession *s, const CoupletSources *sources,
                            char *error, size_t error_bytes) {
    bool good = true;
    bool tells = false;
    for (int i = 0; i < s->program->eval_count; i++)
        tells |= couplet_eval_tells(&s->program->evals[i]);
    if (!tells)
        ((Detail *)context)->out->no_features =
            "the spec has no `knn(..)` or `linear(..)` in `eval`, which say what features are.";
    for (int i = 0; good && i < s->program->eval_count; i++)
        if (couplet_eval_tells(&s->program->evals[i]))
            good = show_evaluation(context, s, sources, i, error, error_bytes);
    return good;
}

static void show_features(Detail *d, Arena *own, const Options *options, const char *folder) {
    Diag *said = diag_new(own);
    report_collect(own, said, NULL);
    const int status = trained_look(own, options, folder, look_at_session, d);
    report_collect(NULL, NULL, NULL);
    if (status) {
        d->out->no_features = reason_of(d->arena, said, "the run cannot be opened");
    }
}

bool report_detail(Arena *arena, const Options *options, const char *folder, PageDetail *out) {
    Arena *own = arena_new();
    Detail d = {arena, out};
    CoupletRecord record;
    char error[REPORT_BYTES];
    Options o = *options;
    size_t length;
    *out = (PageDetail){0};
    const bool recorded = couplet_record_read(folder, &record, error, sizeof error);
    if (!recorded) {
        out->no_svg = arena_strndup(arena, error, strlen(error));
    }
    const char *spec = trained_spec(own, folder, recorded ? &record : NULL);
    char *text = couplet_text_read(spec, &length, error, sizeof error);
    if (text) out->spec = arena_strndup(arena, text, strlen(text));
    free(text);
    if (recorded) {
        o.file = folder;
        o.data.count = 0;
        o.record = &record;
        o.trusts_record = true;
        show_method(&d, own, &o, spec);
        couplet_record_free(&record);
    }
    show_features(&d, own, options, folder);
    arena_free(own);
    return !couplet_interrupt_status();
}
