/* Prints the line about the progress of loading. It is rewritten on a terminal, and printed every
 * ten seconds elsewhere. It is cleared before anything else is printed, so a log never has half a
 * line. */
#include "runtime/data/progress.h"
#include "runtime/clock.h"

#include <unistd.h>

static const double line_every = 10; /* in seconds, without a terminal */

static void clear_line(CoupletProgress *p) {
    if (p->open_line) fprintf(p->out, "\r\033[K");
    p->open_line = false;
}

static void show_progress(void *context, int64_t done, int64_t rows) {
    CoupletProgress *p = context;
    const double now = couplet_seconds();
    const double seconds = now - p->start;
    if (!p->terminal && now - p->told < line_every) return;
    p->told = now;
    clear_line(p);
    if (p->terminal && done == rows) return;
    fprintf(p->out, "packing %s%s%lld of %lld rows", p->name ? p->name : "", p->name ? ": " : "",
            (long long)done, (long long)rows);
    if (seconds > 0) fprintf(p->out, ", %.0f a second", (double)done / seconds);
    if (!p->terminal) fputc('\n', p->out);
    p->open_line = p->terminal;
    fflush(p->out);
}

static void say(void *context, const char *sentence) {
    CoupletProgress *p = context;
    clear_line(p);
    fprintf(p->out, "%s\n", sentence);
    fflush(p->out);
}

static void skip(void *context, const char *sentence) {
    CoupletProgress *p = context;
    clear_line(p);
    fprintf(p->out, "left out: %s\n", sentence);
}

void couplet_progress_begin(CoupletProgress *p, FILE *out, const char *name,
                            CoupletLoading *loading) {
    const double now = couplet_seconds();
    *p = (CoupletProgress){
        .out = out, .name = name, .terminal = isatty(fileno(out)), .start = now, .told = now};
    loading->progress = show_progress;
    loading->skipped = skip;
    loading->said = say;
    loading->context = p;
}

void couplet_progress_end(CoupletProgress *p) {
    clear_line(p);
    fflush(p->out);
}
