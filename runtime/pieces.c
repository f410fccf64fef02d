/* Runs several pieces of work as one run of the thread pool, in which the tiles of all pieces are
 * numbered one after the other. Threads are woken once instead of once for each piece. That matters
 * if pieces take a few microseconds, as updates of small parameters do. */
#include "runtime/pieces.h"

typedef struct Pieces {
    int count;
    const int64_t *lengths;
    int64_t piece;
    CoupletPiece work;
    void *context;
} Pieces;

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Does some tiles. The pieces of the first work come first, then those of the next. */
static void run_tiles(void *context, int64_t begin, int64_t end, int worker) {
    const Pieces *p = context;
    int64_t before = 0;
    for (int i = 0; i < p->count && before < end; i++) {
        const int64_t pieces = (p->lengths[i] + p->piece - 1) / p->piece;
        const int64_t from = begin > before ? begin - before : 0;
        const int64_t to = smaller(end - before, pieces);
        if (from < to)
            p->work(p->context, i, from * p->piece, smaller(to * p->piece, p->lengths[i]), worker);
        before += pieces;
    }
}

void couplet_pieces_run(CoupletThreads *threads, int count, const int64_t *lengths, int64_t piece,
                        CoupletPiece work, void *context) {
    Pieces pieces = {count, lengths, piece, work, context};
    int64_t tiles = 0;
    for (int i = 0; i < count; i++)
        tiles += (lengths[i] + piece - 1) / piece;
    couplet_threads_run(threads, tiles, run_tiles, &pieces);
}
