/* What carries arrays between the ranks of a group: MPI, in a module of its own (runtime/mpi), or
 * the threads of a test. A transport only starts transfers and says whether they are done; it never
 * waits. Its calls are made under the lock of the group, one at a time, from any thread.
 *
 * A call that returns false has put the reason into `error`, as the transport words it. */
#ifndef COUPLET_RUNTIME_TRANSPORT_H
#define COUPLET_RUNTIME_TRANSPORT_H

#include "runtime/group.h"

enum {
    COUPLET_TRANSPORT_ERROR_BYTES = 400,
    /* Tags of the group, above those of its callers. */
    COUPLET_TAG_GATHER = COUPLET_GROUP_TAGS,
    COUPLET_TAG_BROADCAST,
    COUPLET_TAG_BARRIER,
    COUPLET_TAG_AGREE,
    COUPLET_TAG_BEAT,
};

typedef struct CoupletTransport {
    const char *name; /* "Open MPI 4.1.4" */
    /* Joins the ranks of the run; NULL: it cannot. */
    void *(*open)(int *rank, int *ranks, char *error);
    bool (*send)(void *link, int to, int tag, const void *from, int64_t bytes,
                 CoupletTransfer *transfer, char *error);
    /* `bytes` is the most that may come. */
    bool (*receive)(void *link, int from, int tag, void *to, int64_t bytes,
                    CoupletTransfer *transfer, char *error);
    /* Starts to add up an array over all ranks, in place and in an order of its own. */
    bool (*sum)(void *link, float *values, int64_t count, CoupletTransfer *transfer, char *error);
    /* Moves on what is under way, and says whether this one is done; it is all zeros then. */
    bool (*done)(void *link, CoupletTransfer *transfer, bool *is_done, char *error);
    /* Drops a transfer that is under way, so that nothing is written into its memory any more if
     * that can be had. It is all zeros then. */
    void (*abandon)(void *link, CoupletTransfer *transfer);
    /* Leaves the run. `orderly`: all ranks do so, and nothing is under way. Else the others may be
     * waiting for this rank, or be gone, and no call waits for them. */
    void (*close)(void *link, bool orderly);
} CoupletTransport;

/* What a program and a module must agree on, as COUPLET_READER_VERSION in data/reader.h. */
enum {
    COUPLET_TRANSPORT_MEANING = 2,
    COUPLET_TRANSPORT_VERSION = COUPLET_TRANSPORT_MEANING * 100000 +
                                (int)(sizeof(CoupletTransport) * 31 + sizeof(CoupletTransfer))
};

/* The one function of a module; NULL: the module is of another version. */
typedef const CoupletTransport *CoupletTransportModule(int version);

/* Makes a group of the ranks of a transport, and tells the ranks of each other. `patience` is in
 * seconds. NULL with a sentence in `error`. */
CoupletGroup *couplet_group_open(const CoupletTransport *transport, double patience, char *error,
                                 size_t error_bytes);

#endif
