/* Finds out from the environment who started this program, and joins the ranks through the module
 * for that MPI library. There is no variable that every launcher sets, so the rows below list what
 * each sets. */
#include "runtime/group_join.h"

#include "runtime/data/reader.h"
#include "runtime/numbers.h"
#include "runtime/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_PATIENCE = 86400 };

static const double usual_patience = 30, least_patience = 1;

/* The variables that a launcher sets in each process. SLURM_NTASKS is not among them, since the
 * script of a job has it too, and is a single process. */
typedef struct Launcher {
    const char *rank;
    const char *ranks;
    const char *module;
} Launcher;

static const Launcher launchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "mpi_openmpi"},
    {"PMI_RANK", "PMI_SIZE", "mpi_mpich"},                /* Hydra, and srun --mpi=pmi2 */
    {"PMIX_RANK", "SLURM_STEP_NUM_TASKS", "mpi_openmpi"}, /* srun --mpi=pmix */
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", NULL},       /* srun without any of these */
};

/* Returns a whole number from 0 on, or -1 if the variable holds none. */
static int variable_number(const char *variable) {
    const char *text = getenv(variable);
    double value;
    bool is_whole;
    if (!text || !couplet_read_number(text, &value, &is_whole) || !is_whole) return -1;
    return value >= 0 && value <= INT32_MAX ? (int)value : -1;
}

/* Returns the module that COUPLET_MPI names: "" for `none`, NULL if the variable is not set. An
 * unknown name is returned as it is, for a message. */
static const char *chosen_module(void) {
    const char *chosen = getenv("COUPLET_MPI");
    if (!chosen || !*chosen) return NULL;
    if (strcmp(chosen, "openmpi") == 0) return "mpi_openmpi";
    if (strcmp(chosen, "mpich") == 0) return "mpi_mpich";
    return strcmp(chosen, "none") == 0 ? "" : chosen;
}

CoupletStarted couplet_started(void) {
    const char *chosen = chosen_module();
    const CoupletStarted alone = {.ranks = 1};
    if (chosen && !*chosen) return alone;
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        const Launcher *l = &launchers[i];
        const int rank = variable_number(l->rank);
        const int ranks = variable_number(l->ranks);
        if (rank < 0 || ranks < 0) continue;
        if (ranks <= 1) return alone;
        return (CoupletStarted){rank, ranks, chosen ? chosen : l->module};
    }
    return alone;
}

static bool read_patience(double *out, char *error, size_t error_bytes) {
    const char *text = getenv("COUPLET_PATIENCE");
    *out = usual_patience;
    if (!text || !*text) return true;
    if (couplet_read_number(text, out, NULL) && *out >= least_patience && *out <= MOST_PATIENCE)
        return true;
    snprintf(error, error_bytes,
             "COUPLET_PATIENCE is a number of seconds from %.0f to %d, and is `%.60s` here",
             least_patience, MOST_PATIENCE, text);
    return false;
}

static bool read_overlap(bool *waits_at_once, char *error, size_t error_bytes) {
    const char *text = getenv("COUPLET_OVERLAP");
    *waits_at_once = text && strcmp(text, "off") == 0;
    if (!text || !*text || *waits_at_once || strcmp(text, "on") == 0) return true;
    snprintf(error, error_bytes, "COUPLET_OVERLAP is on or off, and is `%.60s` here", text);
    return false;
}

static const CoupletTransport *find_transport(const CoupletStarted *launch, char *error,
                                              size_t error_bytes) {
    char what[120];
    if (strcmp(launch->module, "mpi_openmpi") != 0 && strcmp(launch->module, "mpi_mpich") != 0) {
        snprintf(error, error_bytes, "COUPLET_MPI is openmpi, mpich or none, and is `%.60s` here",
                 launch->module);
        return NULL;
    }
    snprintf(what, sizeof what, "what joins the %d ranks of this run is", launch->ranks);
    union {
        void *symbol;
        CoupletTransportModule *call;
        /* ISO C has no cast between these two types */
    } give = {
        couplet_module_find(launch->module, "couplet_transport_module", what, error, error_bytes)};
    if (!give.symbol) return NULL;
    const CoupletTransport *transport = give.call(COUPLET_TRANSPORT_VERSION);
    if (!transport)
        snprintf(error, error_bytes,
                 "libcouplet_%s.so is a module of another version of Couplet: install both from "
                 "one version",
                 launch->module);
    return transport;
}

static CoupletGroup *join_started(const CoupletStarted *started, char *error, size_t error_bytes) {
    double patience;
    bool waits_at_once;
    if (!started->module) {
        snprintf(error, error_bytes,
                 "srun started %d tasks that cannot speak to each other; `srun --mpi=pmix` starts "
                 "them as the ranks of one run (COUPLET_MPI=none: as runs of their own)",
                 started->ranks);
        return NULL;
    }
    if (!read_patience(&patience, error, error_bytes) ||
        !read_overlap(&waits_at_once, error, error_bytes))
        return NULL;
    const CoupletTransport *transport = find_transport(started, error, error_bytes);
    if (!transport) return NULL;
    CoupletGroup *g = couplet_group_open(transport, patience, error, error_bytes);
    if (g) g->waits_at_once = waits_at_once;
    if (!g || g->ranks == started->ranks) return g;
    /* For instance, mpirun and the module belong to different libraries: each process is then rank
     * 0 of one. */
    snprintf(error, error_bytes,
             "this process was started as one of %d ranks, and %s knows of %d: another MPI library "
             "started it; COUPLET_MPI=openmpi or mpich says which",
             started->ranks, transport->name, g->ranks);
    couplet_group_close(g);
    return NULL;
}

CoupletGroup *couplet_group_join(char *error, size_t error_bytes) {
    const CoupletStarted started = couplet_started();
    if (started.ranks <= 1) return couplet_group_alone();
    CoupletGroup *g = join_started(&started, error, error_bytes);
    if (!g && started.rank > 0) nanosleep(&(struct timespec){.tv_nsec = 500 * 1000 * 1000}, NULL);
    return g;
}
