/* Every function of the library, each called by a small file of its own. */
#ifndef COUPLET_TESTS_DIFFER_LIBRARY_H
#define COUPLET_TESTS_DIFFER_LIBRARY_H

#include "lang/support.h"

typedef struct LibraryCase {
    const char *name; /* "losses.nt_xent" */
    const char *text; /* the file, for subject_of_text */
} LibraryCase;

/* Returns the cases, the last of which has no name. A function of an array gives the sum of its
 * elements, each with another weight. For ranks the cases have shards, and sizes that can be cut at
 * them. */
LibraryCase *library_cases(Arena *arena, bool on_ranks);

#endif
