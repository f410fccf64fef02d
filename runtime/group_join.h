/* How the ranks of a run find each other: a program that mpirun or srun started joins the others
 * before it does anything else. */
#ifndef COUPLET_RUNTIME_GROUP_JOIN_H
#define COUPLET_RUNTIME_GROUP_JOIN_H

#include "runtime/group.h"

/* What the environment says of how this program was started. */
typedef struct CoupletStarted {
    int rank, ranks;    /* 0 and 1 where nothing started several */
    const char *module; /* of the MPI library that did: "mpi_openmpi"; NULL: it cannot be told */
} CoupletStarted;

CoupletStarted couplet_started(void);

/* Joins the ranks that were started together; the group of one where there is one rank. NULL with a
 * sentence when the launcher's MPI library has no module here, or fails, or COUPLET_PATIENCE is no
 * number of seconds. Ranks other than 0 return from that half a second late, so that rank 0 has
 * ended the run where all fail alike.
 *
 * Two variables of the environment set what no launcher says. COUPLET_MPI is "openmpi", "mpich" or
 * "none": the program is alone, whoever started it. COUPLET_PATIENCE is after how many seconds
 * without a sign of life a rank counts as lost; 30 without it. */
CoupletGroup *couplet_group_join(char *error, size_t error_bytes);

#endif
