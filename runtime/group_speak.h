/* The voice of a run of several ranks: rank 0 speaks, and the others are silent. What a rank that
 * failed has to say reaches the user through rank 0, or through rank 1 where rank 0 is lost. It is
 * for processes that are a command line. */
#ifndef COUPLET_RUNTIME_GROUP_SPEAK_H
#define COUPLET_RUNTIME_GROUP_SPEAK_H

#include "runtime/group.h"

/* From here on standard output of ranks other than 0 goes nowhere, and standard error is held. */
void couplet_group_hush(CoupletGroup *group);
/* False for a rank that the others have given up, as it learns once it goes on: the run has ended,
 * and they have said so. */
bool couplet_group_speaks(const CoupletGroup *group);
/* Leaves the group at the end of a command. A status other than 0 ends the group for all ranks,
 * with what this one was about to say, unless it is above 128: a signal ends all ranks alike.
 * Returns the status. */
int couplet_group_leave(CoupletGroup *group, int status);

#endif
