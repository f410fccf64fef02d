/* MPI as the transport between the ranks of a run. The module's only exported function returns its
 * table of functions.
 *
 * The same text is compiled against each installed MPI library, since these agree on names and not
 * on layouts. The group calls under a lock and never waits in a call, so MPI_THREAD_SERIALIZED is
 * enough. Arrays above a gibibyte are sent in pieces, because counts are ints. */
#include "runtime/transport.h"

#include <assert.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(MPI_Request) <= sizeof(int64_t), "a request fits into a word of a transfer");

enum { PIECE = 1 << 30 };

/* The words of a transfer: its request, or the list of its requests, and their number. */
enum {
    REQUEST,
    COUNT,
};

typedef struct Link {
    MPI_Comm all;
} Link;

static bool fail(int code, char *error) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) {
        snprintf(text, sizeof text, "?");
    }
    for (char *at = text; *at; at++)
        if (*at == '\n') *at = ' ';
    snprintf(error, COUPLET_TRANSPORT_ERROR_BYTES, "%.*s", COUPLET_TRANSPORT_ERROR_BYTES - 1, text);
    return false;
}

static void *open_link(int *rank, int *ranks, char *error) {
    int level = MPI_THREAD_SINGLE;
    int code = MPI_SUCCESS;
    int is_there = 0;
    MPI_Initialized(&is_there);
    if (is_there)
        MPI_Query_thread(&level);
    else
        code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
    if (code != MPI_SUCCESS) return fail(code, error), NULL;
    if (level < MPI_THREAD_SERIALIZED) {
        snprintf(error, COUPLET_TRANSPORT_ERROR_BYTES,
                 "this MPI library was built without threads (MPI_THREAD_SERIALIZED)");
        return NULL;
    }
    Link *link = malloc(sizeof *link);
    if (!link) {
        snprintf(error, COUPLET_TRANSPORT_ERROR_BYTES, "out of memory");
        return NULL;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    /* with a communicator of its own, the group does not disturb other users of MPI in the
     * process */
    code = MPI_Comm_dup(MPI_COMM_WORLD, &link->all);
    if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(link->all, MPI_ERRORS_RETURN);
    if (code == MPI_SUCCESS) code = MPI_Comm_rank(link->all, rank);
    if (code == MPI_SUCCESS) code = MPI_Comm_size(link->all, ranks);
    if (code == MPI_SUCCESS) return link;
    free(link);
    return fail(code, error), NULL;
}

/* ---- transfers ------------------------------------------------------------------------------- */

/* Starts one piece: of a send if `out` is given, else of a receive. */
static int start_piece(Link *link, int other, int tag, const char *out, char *in, int64_t at,
                       int64_t bytes, MPI_Request *request) {
    const int count = (int)(bytes - at < PIECE ? bytes - at : PIECE);
    return out ? MPI_Isend(out + at, count, MPI_BYTE, other, tag, link->all, request)
               : MPI_Irecv(in + at, count, MPI_BYTE, other, tag, link->all, request);
}

static bool start_all(Link *link, int other, int tag, const char *out, char *in, int64_t bytes,
                      CoupletTransfer *t, char *error) {
    const int64_t pieces = bytes <= PIECE ? 1 : (bytes + PIECE - 1) / PIECE;
    MPI_Request one = MPI_REQUEST_NULL;
    MPI_Request *list = &one;
    static char nothing;
    if (bytes == 0 && out) out = &nothing;
    if (pieces > 1 && !(list = malloc((size_t)pieces * sizeof *list))) {
        snprintf(error, COUPLET_TRANSPORT_ERROR_BYTES, "out of memory");
        return false;
    }
    for (int64_t i = 0; i < pieces; i++) {
        const int code = start_piece(link, other, tag, out, in, i * PIECE, bytes, &list[i]);
        if (code == MPI_SUCCESS) continue;
        if (pieces > 1) free(list);
        return fail(code, error);
    }
    if (pieces > 1)
        t->words[REQUEST] = (int64_t)(uintptr_t)list;
    else
        memcpy(&t->words[REQUEST], &one, sizeof one);
    t->words[COUNT] = pieces;
    return true;
}

static bool send_array(void *link, int to, int tag, const void *from, int64_t bytes,
                       CoupletTransfer *transfer, char *error) {
    return start_all(link, to, tag, from, NULL, bytes, transfer, error);
}

static bool receive_array(void *link, int from, int tag, void *to, int64_t bytes,
                          CoupletTransfer *transfer, char *error) {
    return start_all(link, from, tag, NULL, to, bytes, transfer, error);
}

static bool sum_array(void *context, float *values, int64_t count, CoupletTransfer *t,
                      char *error) {
    Link *link = context;
    MPI_Request request;
    if (count > INT32_MAX) {
        snprintf(error, COUPLET_TRANSPORT_ERROR_BYTES, "an array of %lld numbers is too large",
                 (long long)count);
        return false;
    }
    const int code =
        MPI_Iallreduce(MPI_IN_PLACE, values, (int)count, MPI_FLOAT, MPI_SUM, link->all, &request);
    if (code != MPI_SUCCESS) return fail(code, error);
    memcpy(&t->words[REQUEST], &request, sizeof request);
    t->words[COUNT] = 1;
    return true;
}

static MPI_Request *list_of(CoupletTransfer *t, MPI_Request *one) {
    if (t->words[COUNT] > 1) return (MPI_Request *)(uintptr_t)t->words[REQUEST];
    memcpy(one, &t->words[REQUEST], sizeof *one);
    return one;
}

static void end_transfer(CoupletTransfer *t, MPI_Request *list) {
    if (t->words[COUNT] > 1) free(list);
    *t = (CoupletTransfer){{0}};
}

static bool is_done(void *link, CoupletTransfer *t, bool *done, char *error) {
    MPI_Request one;
    MPI_Request *list = list_of(t, &one);
    int left = 0;
    (void)link;
    for (int64_t i = 0; i < t->words[COUNT]; i++) {
        int flag = 1;
        const int code = MPI_Test(&list[i], &flag, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) return fail(code, error);
        left += !flag;
    }
    *done = left == 0;
    if (*done)
        end_transfer(t, list);
    else if (t->words[COUNT] == 1)
        memcpy(&t->words[REQUEST], &one, sizeof one);
    return true;
}

/* Abandons a transfer. A receive is cancelled. A send cannot be, and its request is left alone. */
static void abandon(void *link, CoupletTransfer *t) {
    MPI_Request one;
    MPI_Request *list = list_of(t, &one);
    (void)link;
    for (int64_t i = 0; i < t->words[COUNT]; i++) {
        if (list[i] == MPI_REQUEST_NULL) continue;
        MPI_Cancel(&list[i]);
        MPI_Request_free(&list[i]);
    }
    end_transfer(t, list);
}

/* Leaves the run. MPI_Finalize waits for all ranks, so it is not called after a failure. */
static void close_link(void *context, bool orderly) {
    Link *link = context;
    if (!orderly) return;
    MPI_Comm_free(&link->all);
    MPI_Finalize();
    free(link);
}

__attribute__((visibility("default"))) const CoupletTransport *
couplet_transport_module(int version);

const CoupletTransport *couplet_transport_module(int version) {
    static char name[160];
    static CoupletTransport calls = {.open = open_link,
                                     .send = send_array,
                                     .receive = receive_array,
                                     .sum = sum_array,
                                     .done = is_done,
                                     .abandon = abandon,
                                     .close = close_link};
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    if (version != COUPLET_TRANSPORT_VERSION) return NULL;
    /* as in "Open MPI v4.1.4, package: .." and "MPICH Version: 4.0.2 .." */
    if (MPI_Get_library_version(library, &length) != MPI_SUCCESS) {
        strcpy(library, "MPI");
    }
    library[strcspn(library, ",\n")] = 0;
    const size_t word = strcspn(library, ":\t");
    snprintf(name, sizeof name, "%.*s%s%.60s", (int)(word < 60 ? word : 60), library,
             library[word] ? " " : "", library + word + strspn(library + word, ":\t "));
    calls.name = name;
    return &calls;
}
