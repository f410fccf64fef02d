/* What carries arrays between the ranks of a group: MPI, in a module of its own (runtime/mpi), or
 * the threads of a test. A transport starts transfers and tells whether they are done; it never
 * waits. Its functions are called under the lock of the group, one at a time, from any thread.
 *
 * A function that returns false has put the reason, in the transport's words, into `error`. */
#ifndef COUPLET_RUNTIME_TRANSPORT_H
#define COUPLET_RUNTIME_TRANSPORT_H

#include "runtime/group.h"

enum {
    COUPLET_TRANSPORT_ERROR_BYTES = 400,
    /* The tags of the group, above those of its callers. */
    COUPLET_TAG_GATHER = COUPLET_GROUP_TAGS,
    COUPLET_TAG_BROADCAST,
    COUPLET_TAG_BARRIER,
    COUPLET_TAG_AGREE,
    COUPLET_TAG_BEAT,
};

typedef struct CoupletTransport {
    const char *name; /* as in "Open MPI 4.1.4" */
    /* Joins the ranks of the run. Returns NULL if it cannot. */
    void *(*open)(int *rank, int *ranks, char *error);
    bool (*send)(void *link, int to, int tag, const void *from, int64_t bytes,
                 CoupletTransfer *transfer, char *error);
    /* `bytes` is the most that may arrive. */
    bool (*receive)(void *link, int from, int tag, void *to, int64_t bytes,
                    CoupletTransfer *transfer, char *error);
    /* Starts to add an array over all ranks, in place and in an order of its own. */
    bool (*sum)(void *link, float *values, int64_t count, CoupletTransfer *transfer, char *error);
    /* Continues the transfers that are under way. Tells whether this one is done; it is then all
     * zeros. */
    bool (*done)(void *link, CoupletTransfer *transfer, bool *is_done, char *error);
    /* Abandons a transfer that is under way, so that, if possible, nothing more is written into its
     * memory. It is then all zeros. */
    void (*abandon)(void *link, CoupletTransfer *transfer);
    /* Leaves the run. `orderly` says that all ranks leave and nothing is under way. Otherwise other
     * ranks may be gone, or may be waiting for this one, and the call does not wait for them. */
    void (*close)(void *link, bool orderly);
} CoupletTransport;

/* The version of the interface that a program and a module must agree on, like
 * COUPLET_READER_VERSION in data/reader.h. */
enum {
    COUPLET_TRANSPORT_MEANING = 2,
    COUPLET_TRANSPORT_VERSION = COUPLET_TRANSPORT_MEANING * 100000 +
                                (int)(sizeof(CoupletTransport) * 31 + sizeof(CoupletTransfer))
};

/* The only function of a module. Returns NULL if the module has another version. */
typedef const CoupletTransport *CoupletTransportModule(int version);

/* Makes a group of the ranks of a transport, and tells the ranks about each other. `patience` is in
 * seconds. Returns NULL with a sentence in `error`. */
CoupletGroup *couplet_group_open(const CoupletTransport *transport, double patience, char *error,
                                 size_t error_bytes);

#endif
