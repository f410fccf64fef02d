/* Writes the logs of a run: each row goes into metrics.jsonl, from there into metrics.csv and, with
 * --tensorboard, into an event file. */
#include "runtime/trainer.h"

#include "runtime/epoch.h"
#include "runtime/files.h"

#include <stdlib.h>
#include <string.h>

bool couplet_trainer_row(Trainer *t, const CoupletMetric *row, int count) {
    couplet_trainer_watch_row(t, row, count);
    return couplet_metrics_row(t->metrics, t->metrics_path, row, count, t->error, t->error_bytes) &&
           (!t->csv || couplet_csv_row(t->csv, row, count, t->error, t->error_bytes)) &&
           (!t->events || couplet_events_row(t->events, row, count, t->error, t->error_bytes));
}

/* ---- the columns of metrics.csv -------------------------------------------------------------- */

/* Adds the column PREFIX NAME, unless it exists. */
static bool add_column(Trainer *t, const char *prefix, const char *name) {
    const size_t bytes = strlen(prefix) + strlen(name) + 1;
    char *column = malloc(bytes);
    char **columns = realloc(t->columns, (size_t)(t->column_count + 1) * sizeof *columns);
    if (columns) t->columns = columns;
    if (!column || !columns) {
        snprintf(t->error, t->error_bytes, "out of memory for the columns of the log");
        free(column);
        return false;
    }
    snprintf(column, bytes, "%s%s", prefix, name);
    for (int i = 0; i < t->column_count; i++) {
        if (strcmp(t->columns[i], column) != 0) continue;
        free(column);
        return true;
    }
    t->columns[t->column_count++] = column;
    return true;
}

static bool add_named_losses(Trainer *t, const char *prefix) {
    bool good = true;
    for (int i = 0; good && i < t->program->loss_count; i++)
        good = add_column(t, prefix, t->program->losses[i].name);
    return good;
}

static bool add_rates(Trainer *t) {
    const CoupletProgram *p = t->program;
    bool good = true;
    bool has_norm = false;
    for (int i = 0; i < p->phase_count; i++) {
        for (int k = 0; good && k < p->phases[i].rate_count; k++)
            good = add_column(t, "", p->phases[i].rates[k].name);
        has_norm |= couplet_plan_output(p->phases[i].train, "gradient norm") != NULL;
    }
    return good && (!has_norm || add_column(t, "", "gradient_norm"));
}

/* Adds a column for each number that the work ahead of epochs and steps reports. */
static bool add_reports(Trainer *t) {
    const CoupletProgram *p = t->program;
    bool good = true;
    for (int i = 0; i < p->phase_count; i++)
        for (int k = 0; k < p->phases[i].action_count; k++) {
            const CoupletAction *action = &p->phases[i].actions[k];
            const char *name;
            for (int n = 0; good && (name = couplet_action_reports(action, n)); n++)
                good = add_column(t, "before.", name);
        }
    return good;
}

static bool name_columns(Trainer *t) {
    bool good =
        add_column(t, "", "step") && (!t->program->stage_count || add_column(t, "", "stage"));
    good = good && add_column(t, "", "epoch") && add_column(t, "", "loss") && add_rates(t) &&
           add_named_losses(t, "") && add_column(t, "", "epoch_loss") &&
           add_named_losses(t, "epoch_") && add_column(t, "", "embedding_deviation") &&
           add_column(t, "", "views_per_second") && add_reports(t);
    for (int i = 0; good && i < t->name_count; i++)
        good = add_column(t, "eval.", t->names[i]);
    return good;
}

/* ---- opening and closing --------------------------------------------------------------------- */

bool couplet_trainer_open_logs(Trainer *t) {
    const char *folder = t->options->folder->path;
    if (!t->writes) return true;
    if (!name_columns(t) ||
        !couplet_path_join(folder, couplet_csv_name, t->csv_path, t->error, t->error_bytes))
        return false;
    t->csv = couplet_csv_open(t->csv_path, (const char *const *)t->columns, t->column_count,
                              t->metrics_path, t->error, t->error_bytes);
    if (!t->csv || !t->options->tensorboard) return t->csv != NULL;
    /* The rows of the start are in the log already, but in no event file. */
    const bool has_start = t->session->step == 0 || t->measured_late;
    t->events = couplet_events_open(folder, t->session->step, has_start ? t->metrics_path : NULL,
                                    t->error, t->error_bytes);
    return t->events != NULL;
}

bool couplet_trainer_close_logs(Trainer *t, bool good) {
    char ignored[COUPLET_PATH_BYTES + 256];
    /* If the run has failed before, its own sentence is kept. */
    good &= couplet_csv_close(t->csv, good ? t->error : ignored,
                              good ? t->error_bytes : sizeof ignored);
    couplet_events_close(t->events);
    t->csv = NULL;
    t->events = NULL;
    for (int i = 0; i < t->column_count; i++)
        free(t->columns[i]);
    free(t->columns);
    t->columns = NULL;
    t->column_count = 0;
    return good;
}
