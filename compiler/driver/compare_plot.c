/* Draws a comparison through gnuplot: the loss of every variant over the steps, and the figures of
 * the evaluations. */
#include "compiler/driver/compare.h"
#include "compiler/driver/gnuplot.h"
#include "compiler/driver/report.h"
#include "runtime/files.h"
#include "runtime/numbers.h"

#include <math.h>
#include <string.h>

enum {
    COLOURS = GNUPLOT_COLOURS,
    POINTS = 120,
};

/* Returns the mean of some steps of one run, or NAN if the run has none of them. */
static double mean_of_steps(const Outcome *o, int from, int to) {
    double sum = 0;
    int count = 0;
    for (int i = from < 0 ? 0 : from; i < to && i < o->losses.count; i++, count++)
        sum += o->losses.items[i];
    return count ? sum / count : NAN;
}

/* Writes a curve of points "step mean low high". The mean is a running mean over a twentieth of the
 * run; low and high are the extremes of the seeds' own running means. Every curve has about as many
 * points. */
static void write_curve(const Comparison *c, int variant, Text *out) {
    enum { WINDOWS = 20 };
    int longest = 0;
    for (long s = 0; s < c->seeds; s++) {
        int count = c->outcomes[variant * c->seeds + s].losses.count;
        if (count > longest) longest = count;
    }
    const int piece = longest / POINTS > 0 ? longest / POINTS : 1;
    const int half = longest / WINDOWS / 2 > 0 ? longest / WINDOWS / 2 : 1;
    text_printf(out, "$curve%d << EOD\n", variant);
    for (int at = 0; at < longest; at += piece) {
        double sum = 0;
        double low = INFINITY;
        double high = -INFINITY;
        int count = 0;
        for (long s = 0; s < c->seeds; s++) {
            const double mean =
                mean_of_steps(&c->outcomes[variant * c->seeds + s], at - half, at + half + 1);
            if (isnan(mean)) continue;
            sum += mean;
            low = fmin(low, mean);
            high = fmax(high, mean);
            count++;
        }
        if (count) {
            text_printf(out, "%d %.9g %.9g %.9g\n", at + 1, sum / count, low, high);
        }
    }
    text_printf(out, "EOD\n");
}

/* Returns the name of the only setting that is swept, for the axis of the second plot. Returns NULL
 * if several settings are swept, or none. */
static const char *swept_setting(const Comparison *c) {
    const char *name = NULL;
    for (int v = 0; v < c->variants.count; v++) {
        const Variant *variant = &c->variants.items[v];
        if (variant->sets.count != 1 || (name && strcmp(name, variant->sets.items[0].name) != 0))
            return NULL;
        name = variant->sets.items[0].name;
    }
    return c->variants.count > 1 ? name : NULL;
}

static const char *variant_value(const Comparison *c, int variant) {
    return c->variants.items[variant].sets.items[0].value;
}

/* The axis on which the variants stand in the second plot. */
typedef struct Axis {
    const char *setting; /* the only setting that is swept; NULL: each variant has a bar */
    bool of_numbers;     /* true if every value is a number, which then is its place */
    /* The places of the variants. Values that are no numbers stand at 0, 1, .. in the order of
     * `words`. */
    double *places;
    ARRAY(const char *) words;
} Axis;

static Axis axis_of(const Comparison *c) {
    Axis axis = {.setting = swept_setting(c),
                 .of_numbers = true,
                 .places = arena_array(c->arena, double, c->variants.count + 1)};
    if (!axis.setting) return axis;
    for (int v = 0; v < c->variants.count; v++)
        axis.of_numbers &= couplet_read_number(variant_value(c, v), &axis.places[v], NULL);
    for (int v = 0; !axis.of_numbers && v < c->variants.count; v++) {
        int word = 0;
        while (word < axis.words.count && strcmp(axis.words.items[word], variant_value(c, v)) != 0)
            word++;
        if (word == axis.words.count) array_push(c->arena, &axis.words, variant_value(c, v));
        axis.places[v] = word;
    }
    return axis;
}

/* Returns the number of variants of the method that begins at a variant, or 0 if the variant is not
 * the first of its method. */
static int method_size(const Comparison *c, int first) {
    const char *name = c->variants.items[first].name;
    if (first > 0 && strcmp(c->variants.items[first - 1].name, name) == 0) return 0;
    int count = 1;
    while (first + count < c->variants.count &&
           strcmp(c->variants.items[first + count].name, name) == 0)
        count++;
    return count;
}

/* Writes the points of the second plot: "$values0_2" is evaluation 0 of the method that begins at
 * variant 2. If nothing is swept, all variants are one series. */
static void write_points(const Comparison *c, const Columns *columns, const Axis *axis, Text *out) {
    const bool swept = axis->setting != NULL;
    int column_count = columns->names.count ? columns->names.count : 1;
    for (int i = 0; i < column_count; i++) {
        for (int v = 0; v < c->variants.count; v++) {
            double mean;
            double deviation;
            const char *column = columns->names.count ? columns->names.items[i] : NULL;
            if (v == 0 || (swept && method_size(c, v)))
                text_printf(out, "%s$values%d_%d << EOD\n", v ? "EOD\n" : "", i, v);
            if (!comparison_statistics(c, v, column, &mean, &deviation)) continue;
            double x =
                swept ? axis->places[v] : v + (i - 0.5 * (column_count - 1)) * 0.8 / column_count;
            text_printf(out, "%.9g %.9g %.9g\n", x, mean, isnan(deviation) ? 0 : deviation);
        }
        text_printf(out, "EOD\n");
    }
}

static void plot_curves(const Comparison *c, Text *out) {
    text_printf(out, "set xlabel 'step'\nset ylabel 'loss, running mean'\nset key outside top "
                     "center horizontal maxcols 2\nplot ");
    for (int v = 0; c->seeds > 1 && v < c->variants.count; v++)
        text_printf(out,
                    "%s$curve%d using 1:3:4 with filledcurves fc rgb '%s' fs transparent solid "
                    "0.15 noborder notitle",
                    v ? ", " : "", v, gnuplot_colours[v % COLOURS]);
    for (int v = 0; v < c->variants.count; v++)
        text_printf(out, "%s$curve%d using 1:2 with lines lw 1.6 lc rgb '%s' title %s noenhanced",
                    v || c->seeds > 1 ? ", " : "", v, gnuplot_colours[v % COLOURS],
                    gnuplot_quoted(c->arena, c->variants.items[v].label));
    text_printf(out, "\n");
}

/* Writes the axis of the numbers that are tried. The axis is logarithmic if the largest number is 8
 * times the smallest one or more. */
static void plot_numbers(const Comparison *c, const Axis *axis, Text *out) {
    double low = INFINITY;
    double high = -INFINITY;
    for (int v = 0; v < c->variants.count; v++) {
        low = fmin(low, axis->places[v]);
        high = fmax(high, axis->places[v]);
    }
    bool logarithmic = low > 0 && high / low >= 8;
    double margin = logarithmic ? pow(high / low, 0.06) : 0.06 * (high - low);
    /* All values may be one number, such as 0.1 and 0.10. */
    if (high == low) margin = fmax(0.06 * fabs(low), 1e-3);
    if (logarithmic)
        text_printf(out, "set logscale x\nset xrange [%g:%g]\n", low / margin, high * margin);
    else
        text_printf(out, "set xrange [%g:%g]\n", low - margin, high + margin);
    text_printf(out, "set xtics (");
    for (int v = 0; v < c->variants.count; v++)
        text_printf(out, "%s%s", v ? ", " : "", variant_value(c, v));
    text_printf(out, ")\n");
}

/* Writes the axis of values that are no numbers: each has its place and its word. */
static void plot_words(const Comparison *c, const Axis *axis, Text *out) {
    text_printf(out, "set xrange [-0.5:%g]\nset xtics (", axis->words.count - 0.5);
    for (int i = 0; i < axis->words.count; i++)
        text_printf(out, "%s%s %d", i ? ", " : "", gnuplot_quoted(c->arena, axis->words.items[i]),
                    i);
    text_printf(out, ") noenhanced\n");
}

/* Plots the evaluations over the swept setting. Each evaluation has its colour, each method its
 * line and sign. Between values that are no numbers there is nothing, and no line. */
static void plot_sweep(const Comparison *c, const Columns *columns, const Axis *axis, Text *out) {
    const bool one_method = method_size(c, 0) == c->variants.count;
    if (axis->of_numbers)
        plot_numbers(c, axis, out);
    else
        plot_words(c, axis, out);
    /* an entry of the key with a method's name is long, and takes a line of its own */
    text_printf(out, "set xlabel %s noenhanced\nset key maxcols %d\nplot ",
                gnuplot_quoted(c->arena, axis->setting), one_method ? 2 : 1);
    const int count = columns->names.count ? columns->names.count : 1;
    const char *between = "";
    for (int i = 0; i < count; i++) {
        const char *column = columns->names.count ? columns->names.items[i] : "loss";
        int method = 0;
        for (int v = 0; v < c->variants.count; v++) {
            const int size = method_size(c, v);
            if (!size) continue;
            const bool several = size < c->variants.count;
            const char *title =
                several ? arena_printf(c->arena, "%s: %s", c->variants.items[v].name, column)
                        : column;
            text_printf(out,
                        "%s$values%d_%d using 1:2:3 with %s lw 1.6 dt %d pt %d ps 0.6 lc "
                        "rgb '%s' title %s noenhanced",
                        between, i, v, axis->of_numbers ? "yerrorlines" : "yerrorbars", method + 1,
                        7 + 2 * method, gnuplot_colours[i % COLOURS],
                        gnuplot_quoted(c->arena, title));
            between = ", ";
            method++;
        }
    }
    text_printf(out, "\n");
}

static void plot_bars(const Comparison *c, const Columns *columns, Text *out) {
    int count = columns->names.count ? columns->names.count : 1;
    text_printf(
        out, "unset xlabel\nset style fill solid 0.85\nset boxwidth %g\nset xtics rotate by -25 (",
        0.75 / count);
    for (int v = 0; v < c->variants.count; v++)
        text_printf(out, "%s%s %d", v ? ", " : "",
                    gnuplot_quoted(c->arena, c->variants.items[v].label), v);
    text_printf(out, ") noenhanced\nset xrange [-0.6:%g]\nset yrange [*<0:*]\nplot ",
                c->variants.count - 0.4);
    for (int i = 0; i < count; i++)
        text_printf(
            out,
            "%s$values%d_0 using 1:2 with boxes lc rgb '%s' title %s noenhanced, $values%d_0 "
            "using 1:($2-$3):(0):(2*$3) with vectors heads size graph 0.012,90 lw 1.3 lc "
            "rgb '#333333' notitle",
            i ? ", " : "", i, gnuplot_colours[i % COLOURS],
            gnuplot_quoted(c->arena, columns->names.count ? columns->names.items[i] : "loss"), i);
    text_printf(out, "\n");
}

/* Returns a title such as "simclr, moco: 3 seeds from 0, 468 steps". */
static const char *plot_title(const Comparison *c) {
    const char *text = "";
    int longest = 0;
    for (int v = 0; v < c->variants.count; v++)
        if (method_size(c, v))
            text = arena_printf(c->arena, "%s%s%s", text, v ? ", " : "", c->variants.items[v].name);
    for (long i = 0; i < c->variants.count * c->seeds; i++)
        if (c->outcomes[i].losses.count > longest) longest = c->outcomes[i].losses.count;
    const char *seeds = c->seeds == 1 ? arena_printf(c->arena, "seed %ld", c->first_seed)
                                      : arena_printf(c->arena, "seeds %ld to %ld", c->first_seed,
                                                     c->first_seed + c->seeds - 1);
    return arena_printf(c->arena, "%s: %s, %d steps", text, seeds, longest);
}

bool comparison_plot(const Comparison *c) {
    Columns columns = comparison_columns(c);
    const Axis axis = axis_of(c);
    const char *script = arena_printf(c->arena, "%s/comparison.gp", c->folder);
    const char *picture =
        gnuplot_file(c->arena, arena_printf(c->arena, "%s/comparison.svg", c->folder));
    Text text = {0};
    if (!picture) return false;
    for (int v = 0; v < c->variants.count; v++)
        write_curve(c, v, &text);
    write_points(c, &columns, &axis, &text);
    text_printf(&text,
                "set terminal svg size 1000,480 font 'Helvetica,13' background '#ffffff'\nset "
                "output %s\n",
                picture);
    text_printf(&text,
                "set border 3 lw 0.8\nset tics nomirror out\nset grid ytics lc rgb '#dddddd'\nset "
                "multiplot layout 1,2 title %s font ',14' noenhanced\n",
                gnuplot_quoted(c->arena, plot_title(c)));
    plot_curves(c, &text);
    bool numbers = false; /* true if some columns are plain numbers and no percentages */
    for (int i = 0; i < columns.names.count; i++)
        numbers |= columns.reported.items[i];
    text_printf(&text, "set ylabel '%s'\n",
                numbers               ? "accuracy in %, or the number itself"
                : columns.names.count ? "accuracy in %"
                                      : "loss");
    if (axis.setting)
        plot_sweep(c, &columns, &axis, &text);
    else
        plot_bars(c, &columns, &text);
    text_printf(&text, "unset multiplot\n");
    char error[REPORT_BYTES];
    bool good = couplet_text_write(script, text.data, error, sizeof error);
    if (!good) report_error(CODE_OTHER_PROGRAM, error);
    text_free(&text);
    return good && gnuplot_run(script, "; the table and results.csv are complete");
}
