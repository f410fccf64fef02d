/* The results of all runs: one table of evaluations, and the curves of the log. */
#include "compiler/page/chart.h"
#include "compiler/page/html.h"
#include "compiler/page/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- evaluations ----------------------------------------------------------------------------- */

/* The moments at which samples and features are measured. */
typedef enum {
    OF_RAW,
    OF_BEFORE,
    OF_AFTER,
    MOMENTS,
} Moment;

static const char *const moment_names[MOMENTS] = {"raw samples", "before training",
                                                  "after training"};

static bool is_of(const PageResult *r, Moment moment) {
    switch (moment) {
    case OF_RAW:
        return r->raw;
    case OF_BEFORE:
        return strcmp(r->of, "before training") == 0;
    case OF_AFTER:
        return strcmp(r->of, "after training") == 0;
    case MOMENTS:
        break;
    }
    return false;
}

typedef struct Row {
    const char *name;
    bool percent;
} Row;
typedef ARRAY(Row) Rows;

static Rows result_rows(Arena *arena, const PageVariants *variants) {
    Rows rows = {0};
    for (int v = 0; v < variants->count; v++)
        for (int i = 0; i < variants->items[v].runs.count; i++) {
            const PageRun *run = variants->items[v].runs.items[i];
            for (int r = 0; r < run->results.count; r++) {
                const PageResult *result = &run->results.items[r];
                bool seen = false;
                for (int k = 0; k < rows.count; k++)
                    seen |= strcmp(rows.items[k].name, result->name) == 0;
                if (!seen) array_push(arena, &rows, ((Row){result->name, result->percent}));
            }
        }
    return rows;
}

typedef struct Statistics {
    double mean, deviation; /* over the runs; the deviation of a single run is NAN */
    int count;
} Statistics;

/* Adds a value by Welford's recurrence: `deviation` holds the sum of squares until the end. */
static void take_sample_value(Statistics *s, double value) {
    const double before = value - s->mean;
    s->count++;
    s->mean += before / s->count;
    s->deviation += before * (value - s->mean);
}

static void finish_statistics(Statistics *s) {
    s->deviation = s->count > 1 ? sqrt(s->deviation / (s->count - 1)) : NAN;
}

/* Computes the statistics over the runs of a variant, each of which counts by its latest result. */
static Statistics statistics_of(const PageVariant *variant, const char *name, Moment moment) {
    Statistics s = {0};
    for (int i = 0; i < variant->runs.count; i++) {
        const PageRun *run = variant->runs.items[i];
        double value = NAN;
        for (int r = 0; r < run->results.count; r++) {
            const PageResult *result = &run->results.items[r];
            if (strcmp(result->name, name) == 0 && is_of(result, moment)) {
                value = result->value;
            }
        }
        if (isfinite(value)) take_sample_value(&s, value);
    }
    finish_statistics(&s);
    return s;
}

static const char *statistics_text(Arena *arena, const Statistics *s, bool percent) {
    if (s->count == 0) return "–";
    char mean[32];
    char deviation[32];
    snprintf(mean, sizeof mean, percent ? "%.2f" : "%.4g", s->mean);
    if (s->count == 1) return arena_printf(arena, "%s%s", mean, percent ? " %" : "");
    snprintf(deviation, sizeof deviation, percent ? "%.2f" : "%.2g", s->deviation);
    return arena_printf(arena, "%s ± %s%s", mean, deviation, percent ? " %" : "");
}

static void append_row(Arena *arena, const PageVariants *variants, const Row *row, Text *out) {
    for (int v = 0; v < variants->count; v++) {
        text_printf(out, "<tr>");
        if (v == 0)
            text_printf(out, "<th rowspan=\"%d\">%s</th>", variants->count,
                        html_text(arena, row->name));
        if (variants->count > 1)
            text_printf(out, "<td>%s</td>", html_text(arena, variants->items[v].label));
        for (int m = 0; m < MOMENTS; m++) {
            const Statistics s = statistics_of(&variants->items[v], row->name, (Moment)m);
            text_printf(out, "<td class=\"n%s\">%s</td>", m == OF_AFTER ? " best" : "",
                        statistics_text(arena, &s, row->percent));
        }
        text_printf(out, "</tr>\n");
    }
}

static bool has_seeds(const PageVariants *variants) {
    for (int v = 0; v < variants->count; v++)
        if (variants->items[v].runs.count > 1) return true;
    return false;
}

void page_results(Arena *arena, const PageVariants *variants, Text *out) {
    const Rows rows = result_rows(arena, variants);
    text_printf(out, "<section id=\"results\"><h2>Results</h2>\n");
    if (rows.count == 0) {
        text_printf(out, "<p class=\"missing\">The log has no evaluation: the spec has no "
                         "<code>eval</code>, or no run has come to its end.</p></section>\n");
        return;
    }
    text_printf(out, "<div class=\"wide\"><table><thead><tr><th>Evaluation</th>%s",
                variants->count > 1 ? "<th>Method</th>" : "");
    for (int m = 0; m < MOMENTS; m++)
        text_printf(out, "<th class=\"n\">%s</th>", moment_names[m]);
    text_printf(out, "</tr></thead><tbody>\n");
    for (int i = 0; i < rows.count; i++)
        append_row(arena, variants, &rows.items[i], out);
    text_printf(out,
                "</tbody></table></div>\n<p class=\"soft\">Raw samples are measured as they "
                "are, and before training the networks are as they start: what training "
                "gives is what lies between.%s</p></section>\n",
                has_seeds(variants) ? " Behind ± stands the sample deviation over the seeds." : "");
}

/* ---- curves ---------------------------------------------------------------------------------- */

enum { CURVE_POINTS = 160 };

/* Returns the step at which the last run of all variants ends. */
static double last_step(const PageVariants *variants) {
    double last = 1;
    for (int v = 0; v < variants->count; v++)
        for (int i = 0; i < variants->items[v].runs.count; i++)
            last = fmax(last, variants->items[v].runs.items[i]->last_step);
    return last;
}

/* A piece of a curve: the steps that one point stands for. */
typedef struct Piece {
    double low;     /* the least value over all runs */
    double high;    /* the largest value over all runs */
    double sum;     /* the sum over all runs of the mean of each run */
    double steps;   /* the sum of the steps that count */
    double run_sum; /* the sum over the run at hand */
    int count;      /* the number of values of all runs */
    int run_count;  /* the number of values of the run at hand */
    int runs;       /* the number of runs that have a value here */
    bool broken;    /* true if a value is not finite */
} Piece;

/* Adds a run to the pieces. Within a run a piece is a mean. Between runs a piece is the mean and
 * the range of these means, and for a single run it is the mean and the range of its values. */
static void take_run(Piece *pieces, const PageSeries *s, double width, bool one_run) {
    for (int p = 0; p <= CURVE_POINTS; p++)
        pieces[p].run_sum = pieces[p].run_count = 0;
    for (int i = 0; i < s->steps.count; i++) {
        Piece *p = &pieces[(int)fmin(s->steps.items[i] / width, CURVE_POINTS)];
        const double value = s->values.items[i];
        p->broken |= !isfinite(value);
        p->run_sum += value;
        p->run_count++;
        p->steps += s->steps.items[i];
        p->count++;
        if (one_run) {
            p->low = fmin(p->low, value);
            p->high = fmax(p->high, value);
        }
    }
    for (int p = 0; p <= CURVE_POINTS; p++) {
        Piece *piece = &pieces[p];
        if (!piece->run_count) continue;
        const double mean = piece->run_sum / piece->run_count;
        piece->sum += mean;
        piece->runs++;
        piece->low = fmin(piece->low, mean);
        piece->high = fmax(piece->high, mean);
    }
}

static ChartLine line_of(Arena *arena, const PageVariant *variant, const char *key, double width) {
    Piece *pieces = arena_array(arena, Piece, CURVE_POINTS + 1);
    ChartLine line = {.label = variant->label};
    for (int p = 0; p <= CURVE_POINTS; p++)
        pieces[p].low = INFINITY, pieces[p].high = -INFINITY;
    for (int i = 0; i < variant->runs.count; i++) {
        const PageSeries *s = page_run_series(variant->runs.items[i], key);
        if (s) take_run(pieces, s, width, variant->runs.count == 1);
    }
    for (int p = 0; p <= CURVE_POINTS; p++) {
        const Piece *piece = &pieces[p];
        if (!piece->runs) continue;
        const double mean = piece->broken ? (double)NAN : piece->sum / piece->runs;
        array_push(arena, &line.points,
                   ((ChartPoint){piece->steps / piece->count, mean, piece->low, piece->high}));
    }
    return line;
}

typedef struct Title {
    const char *key;
    const char *title;
} Title;

static const char *column_title(const char *key) {
    static const Title titles[] = {
        {"loss", "Loss"},
        {"learning_rate", "Learning rate"},
        {"rate", "Learning rate"},
        {"lr", "Learning rate"},
        {"gradient_norm", "Norm of the gradient"},
        {"gradient", "Norm of the gradient"},
        {"embedding_deviation", "Deviation of the embedding"},
        {"views_per_second", "Views a second"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (strcmp(titles[i].key, key) == 0) return titles[i].title;
    return key;
}

typedef ARRAY(const char *) Names;

static void add_name(Arena *arena, Names *names, const char *name) {
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0) return;
    array_push(arena, names, name);
}

/* True for the mean of an epoch if the log also has the values of its steps, whose curve shows that
 * mean already. */
static bool is_mean_of_steps(const PageRun *run, const char *key) {
    return strncmp(key, "epoch_", 6) == 0 && page_run_series(run, key + 6);
}

static Names keys_of(Arena *arena, const PageVariants *variants) {
    Names keys = {0};
    for (int v = 0; v < variants->count; v++)
        for (int i = 0; i < variants->items[v].runs.count; i++) {
            const PageRun *run = variants->items[v].runs.items[i];
            for (int s = 0; s < run->series.count; s++)
                if (!is_mean_of_steps(run, run->series.items[s].name))
                    add_name(arena, &keys, run->series.items[s].name);
        }
    return keys;
}

static void append_key(Arena *arena, const PageVariants *variants, const char *key, Text *out) {
    Chart chart = {.title = column_title(key), .x_label = "step"};
    const double width = (last_step(variants) + 1) / CURVE_POINTS;
    for (int v = 0; v < variants->count; v++) {
        ChartLine line = line_of(arena, &variants->items[v], key, width);
        line.colour = v;
        if (line.points.count) array_push(arena, &chart.lines, line);
    }
    chart_append(arena, &chart, out);
}

/* ---- evaluations over time ------------------------------------------------------------------- */

static int by_step(const void *a, const void *b) {
    const double x = ((const ChartPoint *)a)->x;
    const double y = ((const ChartPoint *)b)->x;
    return (x > y) - (x < y);
}

/* Adds the point of a step, unless it is there: the mean and the range over the runs that were
 * measured at this step. */
static void add_moment(Arena *arena, const PageVariant *variant, const char *name, double step,
                       ChartLine *line) {
    Statistics s = {0};
    double low = INFINITY;
    double high = -INFINITY;
    for (int k = 0; k < line->points.count; k++)
        if (line->points.items[k].x == step) return;
    for (int i = 0; i < variant->runs.count; i++)
        for (int r = 0; r < variant->runs.items[i]->results.count; r++) {
            const PageResult *result = &variant->runs.items[i]->results.items[r];
            if (result->raw || result->step != step || strcmp(result->name, name) != 0) continue;
            take_sample_value(&s, result->value);
            low = fmin(low, result->value);
            high = fmax(high, result->value);
        }
    array_push(arena, &line->points, ((ChartPoint){step, s.mean, low, high}));
}

static void append_evaluation(Arena *arena, const PageVariants *variants, const Row *row,
                              Text *out) {
    Chart chart = {.title = row->percent ? arena_printf(arena, "%s, %%", row->name) : row->name,
                   .x_label = "step"};
    for (int v = 0; v < variants->count; v++) {
        const PageVariant *variant = &variants->items[v];
        ChartLine line = {.label = variant->label, .colour = v};
        for (int i = 0; i < variant->runs.count; i++)
            for (int r = 0; r < variant->runs.items[i]->results.count; r++) {
                const PageResult *result = &variant->runs.items[i]->results.items[r];
                if (!result->raw && strcmp(result->name, row->name) == 0)
                    add_moment(arena, variant, row->name, result->step, &line);
            }
        if (!line.points.count) continue;
        qsort(line.points.items, (size_t)line.points.count, sizeof *line.points.items, by_step);
        array_push(arena, &chart.lines, line);
    }
    const Statistics raw = statistics_of(&variants->items[0], row->name, OF_RAW);
    if (raw.count && chart.lines.count) {
        ChartLine line = {.label = "raw samples", .colour = 7, .dashed = true};
        const double steps[] = {0, last_step(variants)};
        for (int i = 0; i < 2; i++)
            array_push(arena, &line.points, ((ChartPoint){steps[i], raw.mean, raw.mean, raw.mean}));
        array_push(arena, &chart.lines, line);
    }
    if (chart.lines.count) chart_append(arena, &chart, out);
}

void page_curves(Arena *arena, const PageVariants *variants, Text *out) {
    const Names keys = keys_of(arena, variants);
    const Rows rows = result_rows(arena, variants);
    text_printf(out, "<section id=\"curves\"><h2>Curves</h2>\n");
    if (keys.count == 0)
        text_printf(out, "<p class=\"missing\">The log has no step yet.</p>\n");
    else
        text_printf(out, "<p class=\"soft\">A point is the mean of the steps around it. The band "
                         "is the range of these steps, and of a method with several seeds that of "
                         "its runs.</p>\n");
    text_printf(out, "<div class=\"charts\">\n");
    for (int i = 0; i < keys.count; i++)
        append_key(arena, variants, keys.items[i], out);
    for (int i = 0; i < rows.count; i++)
        append_evaluation(arena, variants, &rows.items[i], out);
    text_printf(out, "</div></section>\n");
}
