/* How the ranks of a run find each other. A program that mpirun or srun started joins the other
 * ranks before it does anything else. */
#ifndef COUPLET_RUNTIME_GROUP_JOIN_H
#define COUPLET_RUNTIME_GROUP_JOIN_H

#include "runtime/group.h"

/* The launch of this program, as the environment describes it. */
typedef struct CoupletStarted {
    int rank, ranks; /* 0 and 1 if the program was started alone */
    /* The module for the MPI library of the launcher, such as "mpi_openmpi"; NULL: not known. */
    const char *module;
} CoupletStarted;

CoupletStarted couplet_started(void);

/* Joins the ranks that were started together. Returns the group of one if there is one rank.
 * Returns NULL with a sentence if there is no module for the launcher's MPI library, if that
 * library fails, or if a variable below has another value. After a failure, ranks other than 0
 * return half a second late, so that rank 0 has ended the run if all ranks fail alike.
 *
 * Three variables of the environment set what no launcher says. COUPLET_MPI is "openmpi", "mpich"
 * or "none"; with "none" the program is alone, whoever started it. COUPLET_PATIENCE is the number
 * of seconds without a sign of life after which a rank counts as lost; 30 if it is not set.
 * COUPLET_OVERLAP is "on" or "off"; with "off" exchanges wait where they start. */
CoupletGroup *couplet_group_join(char *error, size_t error_bytes);

#endif
