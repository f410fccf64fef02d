/* Reads the results of a comparison's runs from metrics.jsonl and settings.json, and prints their
 * means and deviations as a table. */
#include "compiler/driver/compare.h"
#include "compiler/driver/report.h"
#include "runtime/files.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one run --------------------------------------------------------------------------------- */

static double planned_steps(Arena *arena, const char *folder) {
    json_t *settings = json_load_file(arena_printf(arena, "%s/settings.json", folder), 0, NULL);
    double steps = json_number_value(json_object_get(settings, "steps"));
    json_decref(settings);
    return steps;
}

static void read_outcome(Arena *arena, const json_t *row, Outcome *o, double *last_step) {
    const json_t *loss = json_object_get(row, "loss");
    const json_t *epoch_loss = json_object_get(row, "epoch_loss");
    const json_t *percent = json_object_get(row, "percent");
    const json_t *value = json_object_get(row, "value");
    *last_step = json_number_value(json_object_get(row, "step"));
    if (json_is_number(loss)) array_push(arena, &o->losses, json_number_value(loss));
    if (json_is_number(epoch_loss)) o->loss = json_number_value(epoch_loss);
    const char *of = json_string_value(json_object_get(row, "of"));
    const char *name = json_string_value(json_object_get(row, "evaluation"));
    if (!of || !name || strcmp(of, "after training") != 0) return;
    /* A resumed run evaluates again, and its last result counts. */
    for (int i = 0; i < o->evaluations.count; i++) {
        if (strcmp(o->evaluations.items[i], name) != 0) continue;
        o->percents.items[i] = json_number_value(percent ? percent : value);
        return;
    }
    array_push(arena, &o->evaluations, arena_intern(arena, name, strlen(name)));
    array_push(arena, &o->percents, json_number_value(percent ? percent : value));
    array_push(arena, &o->reported, percent == NULL);
}

/* Returns the mean of the values, or NAN if there are none. It stands for the loss of a run that
 * did not complete an epoch. */
static double mean_of(const double *values, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += values[i];
    return count ? sum / count : NAN;
}

void outcome_read(Arena *arena, const char *folder, bool evaluates, Outcome *o) {
    memset(o, 0, sizeof *o);
    o->loss = NAN;
    FILE *file = fopen(arena_printf(arena, "%s/metrics.jsonl", folder), "r");
    if (!file) return;
    char *line = NULL;
    size_t capacity = 0;
    double last_step = 0;
    while (getline(&line, &capacity, file) > 0) {
        json_t *row = json_loads(line, 0, NULL);
        if (row) read_outcome(arena, row, o, &last_step);
        json_decref(row);
    }
    free(line);
    fclose(file);
    if (isnan(o->loss)) {
        o->loss = mean_of(o->losses.items, o->losses.count);
    }
    double steps = planned_steps(arena, folder);
    o->finished = steps > 0 && last_step >= steps && (!evaluates || o->evaluations.count > 0);
}

/* ---- all runs -------------------------------------------------------------------------------- */

static const Outcome *outcome_of(const Comparison *c, int variant, long seed) {
    return &c->outcomes[(long)variant * c->seeds + seed];
}

Columns comparison_columns(const Comparison *c) {
    Columns columns = {0};
    for (int v = 0; v < c->variants.count; v++)
        for (long s = 0; s < c->seeds; s++)
            for (int i = 0; i < outcome_of(c, v, s)->evaluations.count; i++) {
                const char *name = outcome_of(c, v, s)->evaluations.items[i];
                bool known = false;
                for (int k = 0; k < columns.names.count; k++)
                    known |= strcmp(columns.names.items[k], name) == 0;
                if (known) continue;
                array_push(c->arena, &columns.names, name);
                array_push(c->arena, &columns.reported, outcome_of(c, v, s)->reported.items[i]);
            }
    return columns;
}

static bool outcome_value(const Outcome *o, const char *column, double *value) {
    if (!o->finished) return false;
    *value = o->loss;
    if (!column) return isfinite(o->loss);
    for (int i = 0; i < o->evaluations.count; i++) {
        *value = o->percents.items[i];
        if (strcmp(o->evaluations.items[i], column) == 0) return true;
    }
    return false;
}

int comparison_statistics(const Comparison *c, int variant, const char *column, double *mean,
                          double *deviation) {
    double sum = 0;
    double squares = 0;
    double value;
    int count = 0;
    for (long s = 0; s < c->seeds; s++)
        if (outcome_value(outcome_of(c, variant, s), column, &value)) {
            sum += value;
            count++;
        }
    *mean = count ? sum / count : NAN;
    for (long s = 0; s < c->seeds; s++)
        if (outcome_value(outcome_of(c, variant, s), column, &value))
            squares += (value - *mean) * (value - *mean);
    *deviation = count > 1 ? sqrt(squares / (count - 1)) : NAN;
    return count;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void print_cell(const Comparison *c, int variant, const char *column, const char *format,
                       FILE *out) {
    double mean;
    double deviation;
    char text[64] = "-";
    char spread[32] = "";
    int count = comparison_statistics(c, variant, column, &mean, &deviation);
    if (count > 0) snprintf(text, sizeof text, format, mean);
    if (count > 1) snprintf(spread, sizeof spread, format, deviation);
    fprintf(out, "  %10s%s%-8s", text, count > 1 ? " ± " : "   ", spread);
}

void comparison_print(const Comparison *c, FILE *out) {
    Columns columns = comparison_columns(c);
    int width = 6;
    for (int v = 0; v < c->variants.count; v++)
        if ((int)strlen(c->variants.items[v].label) > width)
            width = (int)strlen(c->variants.items[v].label);
    fprintf(out, "%-*s  runs  %10s   %-8s", width, "method", "loss", "");
    for (int i = 0; i < columns.names.count; i++)
        fprintf(out, "  %10s   %-8s", columns.names.items[i], columns.reported.items[i] ? "" : "%");
    fprintf(out, "\n");
    for (int v = 0; v < c->variants.count; v++) {
        double mean;
        double deviation;
        fprintf(out, "%-*s  %4d", width, c->variants.items[v].label,
                comparison_statistics(c, v, NULL, &mean, &deviation));
        print_cell(c, v, NULL, "%.4f", out);
        for (int i = 0; i < columns.names.count; i++)
            print_cell(c, v, columns.names.items[i], columns.reported.items[i] ? "%.4f" : "%.2f",
                       out);
        fprintf(out, "\n");
    }
}

/* Writes a text between quotes. A quote in it is doubled, as CSV has it. */
static void write_cell(Text *out, const char *text) {
    text_printf(out, "\"");
    for (; *text; text++)
        text_printf(out, "%s%c", *text == '"' ? "\"" : "", *text);
    text_printf(out, "\"");
}

bool comparison_write_csv(const Comparison *c) {
    Columns columns = comparison_columns(c);
    Text text = {0};
    text_printf(&text, "method,seed,loss");
    for (int i = 0; i < columns.names.count; i++) {
        text_printf(&text, ",");
        write_cell(&text, columns.names.items[i]);
    }
    text_printf(&text, "\n");
    for (int v = 0; v < c->variants.count; v++)
        for (long s = 0; s < c->seeds; s++) {
            const Outcome *o = outcome_of(c, v, s);
            double value;
            if (!o->finished) continue;
            write_cell(&text, c->variants.items[v].label);
            text_printf(&text, ",%ld,%.9g", c->first_seed + s, o->loss);
            for (int i = 0; i < columns.names.count; i++)
                if (outcome_value(o, columns.names.items[i], &value))
                    text_printf(&text, ",%.9g", value);
                else
                    text_printf(&text, ",");
            text_printf(&text, "\n");
        }
    char error[REPORT_BYTES];
    bool good = couplet_text_write(arena_printf(c->arena, "%s/results.csv", c->folder), text.data,
                                   error, sizeof error);
    if (!good) report_error(CODE_OUTPUT, error);
    text_free(&text);
    return good;
}
