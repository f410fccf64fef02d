/* Every function of the library, each called by a small file of its own. */
#ifndef COUPLET_TESTS_DIFFER_LIBRARY_H
#define COUPLET_TESTS_DIFFER_LIBRARY_H

#include "lang/support.h"

typedef struct LibraryCase {
    const char *name; /* "losses.nt_xent" */
    const char *text; /* as subject_of_text reads it */
} LibraryCase;

/* What gives an array gives the sum of its elements, each with another weight. Ends with a NULL
 * name. For ranks they have shards, and sizes that can be cut there. */
LibraryCase *library_cases(Arena *arena, bool on_ranks);

#endif
