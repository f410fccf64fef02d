/* The output of a run of several ranks: rank 0 prints, and the others are silent. The message of a
 * rank that failed reaches the user through rank 0, or through rank 1 if rank 0 is lost. For
 * processes that are a command line. */
#ifndef COUPLET_RUNTIME_GROUP_SPEAK_H
#define COUPLET_RUNTIME_GROUP_SPEAK_H

#include "runtime/group.h"

/* From here on, ranks other than 0 drop their standard output and hold back their standard
 * error. */
void couplet_group_hush(CoupletGroup *group);
/* False for a rank that the others have given up, as it learns when it continues: the run has
 * ended, and the others have reported it. */
bool couplet_group_speaks(const CoupletGroup *group);
/* Leaves the group at the end of a command. A status other than 0 ends the group for all ranks,
 * with the message that this rank was about to print. A status above 128 does not, because a signal
 * ends all ranks alike. Returns the status. */
int couplet_group_leave(CoupletGroup *group, int status);

#endif
