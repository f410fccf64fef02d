/* Shows the progress of loading. On a terminal, one line is rewritten; elsewhere there is a line
 * every ten seconds. Each row that is left out has a line. */
#ifndef COUPLET_RUNTIME_DATA_PROGRESS_H
#define COUPLET_RUNTIME_DATA_PROGRESS_H

#include "runtime/data/table.h"

typedef struct CoupletProgress {
    FILE *out;
    const char *name; /* the name of the source for the line; NULL: the line says "rows" alone */
    bool terminal;
    bool open_line;     /* true if the line on the terminal will be rewritten */
    double start, told; /* in seconds */
} CoupletProgress;

/* Makes the loading report its progress to `progress`, which must outlive it. The other members of
 * *loading are unchanged. */
void couplet_progress_begin(CoupletProgress *progress, FILE *out, const char *name,
                            CoupletLoading *loading);
/* Ends a line that would be rewritten. */
void couplet_progress_end(CoupletProgress *progress);

#endif
