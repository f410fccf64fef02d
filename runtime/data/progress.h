/* Shows how loading goes: on a terminal a line that is written anew, elsewhere a line every ten seconds; and a line for each row that is left out. */
#ifndef COUPLET_RUNTIME_DATA_PROGRESS_H
#define COUPLET_RUNTIME_DATA_PROGRESS_H

#include "runtime/data/table.h"

typedef struct CoupletProgress {
    FILE *out;
    const char *name; /* of the source, for the line; NULL: "rows" alone */
    bool terminal;
    bool open_line;   /* a line that is written anew stands on the terminal */
    double start, told; /* seconds */
} CoupletProgress;

/* Sets what is heard of loading to the progress, which the loading points to from then on. The other members of *loading stay. */
void couplet_progress_begin(CoupletProgress *progress, FILE *out, const char *name, CoupletLoading *loading);
/* Ends a line that is open. */
void couplet_progress_end(CoupletProgress *progress);

#endif
