/* Shows how loading goes. On a terminal one line is written anew; elsewhere there is a line every
 * ten seconds. Each row that is left out has a line. */
#ifndef COUPLET_RUNTIME_DATA_PROGRESS_H
#define COUPLET_RUNTIME_DATA_PROGRESS_H

#include "runtime/data/table.h"

typedef struct CoupletProgress {
    FILE *out;
    const char *name; /* the name of the source in the line; NULL: "rows" stands alone */
    bool terminal;
    bool open_line;     /* a line that is written anew stands on the terminal */
    double start, told; /* seconds */
} CoupletProgress;

/* Makes the loading tell the progress, which it points to from then on. The other members of
 * *loading stay. */
void couplet_progress_begin(CoupletProgress *progress, FILE *out, const char *name,
                            CoupletLoading *loading);
/* Ends a line that is open. */
void couplet_progress_end(CoupletProgress *progress);

#endif
