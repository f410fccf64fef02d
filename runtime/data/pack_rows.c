/* Decodes all rows on several threads into a file. Rows are divided into blocks, each with a hash,
 * and the hashes are joined in order, so the result does not depend on which thread did what.
 *
 * The bad row that is named must not depend on it either. Threads therefore continue with rows
 * below the lowest bad row that ends the packing, and stop with rows beyond it. */
#include "runtime/data/pack_rows.h"

#include "runtime/clock.h"
#include "runtime/data/reader.h"
#include "runtime/hash.h"
#include "runtime/threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Rows are handed out in ascending blocks. A thread decodes a part of a block into its own memory,
 * hashes it and writes it. The file is written and not mapped, so that a failing disk is an error
 * and no signal. */
enum {
    MOST_BLOCKS = 1 << 16, /* each block has a hash */
    PART_BYTES = 4 << 20,  /* the bytes that a thread decodes before it writes */
    SENTENCE_BYTES = COUPLET_PATH_BYTES + 512
};
static const double told_every = 0.1; /* seconds */

typedef struct Packing {
    const CoupletTable *table;
    const CoupletLoading *loading;
    const CoupletPackLayout *layout;
    int file;
    int64_t row_bytes;
    int64_t block_rows;
    int64_t blocks;
    int64_t part_rows;    /* the number of rows in PART_BYTES; at least one */
    uint64_t *hashes;     /* by block */
    _Atomic int64_t next; /* the next block */
    _Atomic int64_t done; /* the rows that are done */
    /* Rows behind this one have no effect, because there are enough bad rows before them. */
    _Atomic int64_t beyond;
    _Atomic bool ended;   /* true after a failure */
    pthread_mutex_t lock; /* guards all members below */
    CoupletBadRows *bad;
    double told;
    char failure[SENTENCE_BYTES];
} Packing;

/* ---- what goes wrong ------------------------------------------------------------------------- */

/* Notes the first failure. All threads end soon. */
static void end_by(Packing *p, const char *sentence) {
    pthread_mutex_lock(&p->lock);
    if (!atomic_load(&p->ended)) {
        snprintf(p->failure, sizeof p->failure, "%s", sentence);
    }
    atomic_store(&p->ended, true);
    pthread_mutex_unlock(&p->lock);
}

static void end_by_memory(Packing *p) {
    char sentence[SENTENCE_BYTES];
    snprintf(sentence, sizeof sentence,
             "%s: out of memory while its rows are decoded (%lld bytes each)", p->table->name,
             (long long)p->row_bytes);
    end_by(p, sentence);
}

static bool make_room(CoupletBadRows *bad) {
    if (bad->count < bad->room) return true;
    const int64_t room = 2 * bad->room + 8;
    CoupletBadRow *rows = realloc(bad->rows, (size_t)room * sizeof *rows);
    if (!rows) return false;
    bad->rows = rows;
    bad->room = room;
    return true;
}

/* Notes the lowest skip_bad + 1 bad rows. That many end the packing, and the lowest of all is
 * named. */
static bool keep_bad(Packing *p, int64_t row, const char *sentence) {
    CoupletBadRows *bad = p->bad;
    char *copy = strdup(sentence);
    if (!copy || !make_room(bad)) {
        free(copy);
        return false;
    }
    int64_t place = bad->count++;
    for (; place > 0 && bad->rows[place - 1].row > row; place--)
        bad->rows[place] = bad->rows[place - 1];
    bad->rows[place] = (CoupletBadRow){row, copy};
    if (bad->count <= p->loading->skip_bad) return true;
    if (bad->count > p->loading->skip_bad + 1) free(bad->rows[--bad->count].sentence);
    atomic_store(&p->beyond, bad->rows[bad->count - 1].row);
    return true;
}

static void note_bad(Packing *p, int64_t row, const char *sentence) {
    pthread_mutex_lock(&p->lock);
    const bool kept = keep_bad(p, row, sentence);
    pthread_mutex_unlock(&p->lock);
    if (!kept) end_by_memory(p);
}

void couplet_bad_rows_free(CoupletBadRows *bad) {
    for (int64_t i = 0; i < bad->count; i++)
        free(bad->rows[i].sentence);
    free(bad->rows);
    *bad = (CoupletBadRows){.count = 0};
}

/* ---- a part of a block ----------------------------------------------------------------------- */

/* The memory of one thread: part_rows rows of each field, field by field. */
typedef struct Part {
    char *bytes;
    char **columns; /* by field */
    void **fields;  /* by field: where the row goes that is being read */
    int64_t *sizes; /* by field: the bytes of one row */
} Part;

static void part_free(Part *part) {
    free(part->bytes);
    free(part->columns);
    free(part->fields);
    free(part->sizes);
}

/* Makes the memory in which a thread decodes its rows, column by column. Returns false if memory is
 * out; the caller frees what is there. */
static bool part_new(const Packing *p, Part *part) {
    const size_t fields = (size_t)p->table->field_count;
    int64_t bytes;
    *part = (Part){.columns = calloc(fields + 1, sizeof *part->columns),
                   .fields = calloc(fields + 1, sizeof *part->fields),
                   .sizes = calloc(fields + 1, sizeof *part->sizes)};
    const bool fits = !__builtin_mul_overflow(p->row_bytes, p->part_rows, &bytes);
    const size_t room = (size_t)bytes + fields * COUPLET_PACK_ALIGNMENT + COUPLET_PACK_ALIGNMENT;
    if (fits)
        part->bytes = aligned_alloc(COUPLET_PACK_ALIGNMENT,
                                    room / COUPLET_PACK_ALIGNMENT * COUPLET_PACK_ALIGNMENT);
    if (!part->bytes || !part->columns || !part->fields || !part->sizes) return false;
    char *at = part->bytes;
    for (int f = 0; f < p->table->field_count; f++) {
        part->sizes[f] = couplet_field_bytes(&p->table->fields[f]);
        part->columns[f] = at;
        const int64_t column = part->sizes[f] * p->part_rows;
        at +=
            (column + COUPLET_PACK_ALIGNMENT - 1) / COUPLET_PACK_ALIGNMENT * COUPLET_PACK_ALIGNMENT;
    }
    return true;
}

static void clear_row(const Packing *p, Part *part, int64_t place) {
    for (int f = 0; f < p->table->field_count; f++) {
        part->fields[f] = part->columns[f] + place * part->sizes[f];
        memset(part->fields[f], 0, (size_t)part->sizes[f]);
    }
}

static uint64_t hash_row(const Packing *p, const Part *part, int64_t place, uint64_t hash) {
    for (int f = 0; f < p->table->field_count; f++)
        hash =
            couplet_hash(hash, part->columns[f] + place * part->sizes[f], (size_t)part->sizes[f]);
    return hash;
}

static bool put_rows(Packing *p, const Part *part, int64_t first, int64_t rows) {
    for (int f = 0; f < p->table->field_count; f++) {
        const int64_t place = p->layout->columns[f] + first * part->sizes[f];
        if (couplet_pack_put(p->file, part->columns[f], (size_t)(rows * part->sizes[f]), place))
            continue;
        char sentence[SENTENCE_BYTES];
        snprintf(sentence, sizeof sentence, "the packed copy of %s cannot be written: %s",
                 p->table->name, strerror(errno));
        end_by(p, sentence);
        return false;
    }
    return true;
}

static bool has_ended(Packing *p) {
    if (atomic_load_explicit(&p->ended, memory_order_relaxed)) return true;
    if (!p->loading->stop || !*p->loading->stop) return false;
    char sentence[SENTENCE_BYTES];
    snprintf(sentence, sizeof sentence,
             "%s: stopped before all rows were packed; nothing is left of it", p->table->name);
    end_by(p, sentence);
    return true;
}

/* Reports progress, from one thread at a time. The other threads do not wait. */
static void tell_progress(Packing *p, int64_t rows) {
    atomic_fetch_add(&p->done, rows);
    if (!p->loading->progress || pthread_mutex_trylock(&p->lock) != 0) return;
    const double now = couplet_seconds();
    if (now - p->told >= told_every) {
        p->told = now;
        p->loading->progress(p->loading->context, atomic_load(&p->done), p->table->held);
    }
    pthread_mutex_unlock(&p->lock);
}

/* Reads a part. True if nothing ended the packing, and no row of the part has become pointless. */
static bool read_part(Packing *p, Part *part, int64_t first, int64_t rows, uint64_t *hash) {
    char sentence[SENTENCE_BYTES];
    for (int64_t i = 0; i < rows; i++) {
        const int64_t row = first + i;
        if (has_ended(p) || row > atomic_load_explicit(&p->beyond, memory_order_relaxed))
            return false;
        clear_row(p, part, i);
        sentence[0] = 0;
        if (!p->table->reader->read(p->table, row, part->fields, sentence, sizeof sentence)) {
            clear_row(p, part, i);
            note_bad(p, row, sentence);
        }
        *hash = hash_row(p, part, i, *hash);
    }
    return put_rows(p, part, first, rows);
}

static bool read_block(Packing *p, Part *part, int64_t block) {
    const int64_t first = block * p->block_rows;
    const int64_t end =
        first + p->block_rows < p->table->held ? first + p->block_rows : p->table->held;
    uint64_t hash = COUPLET_HASH_START;
    for (int64_t row = first; row < end; row += p->part_rows) {
        const int64_t rows = row + p->part_rows < end ? p->part_rows : end - row;
        if (!read_part(p, part, row, rows, &hash)) return false;
        tell_progress(p, rows);
    }
    p->hashes[block] = hash;
    return true;
}

/* Reads blocks, which ascend. So all rows below a bad row are read, whichever thread has them. */
static void read_blocks(void *context, int64_t begin, int64_t end, int worker) {
    Packing *p = context;
    Part part;
    (void)begin, (void)end, (void)worker;
    bool good = part_new(p, &part);
    if (!good) end_by_memory(p);
    while (good) {
        const int64_t block = atomic_fetch_add(&p->next, 1);
        good = block < p->blocks && read_block(p, &part, block);
    }
    part_free(&part);
}

/* ---- all rows -------------------------------------------------------------------------------- */

static uint64_t hash_of_all(const Packing *p) {
    const CoupletTable *t = p->table;
    uint64_t hash = couplet_hash(COUPLET_HASH_START, &t->held, sizeof t->held);
    for (int f = 0; f < t->field_count; f++) {
        const CoupletField *field = &t->fields[f];
        const int64_t about[] = {field->type, field->rank};
        hash = couplet_hash(hash, field->name, strlen(field->name));
        hash = couplet_hash(hash, about, sizeof about);
        hash = couplet_hash(hash, field->shape, (size_t)field->rank * sizeof *field->shape);
    }
    return couplet_hash(hash, p->hashes, (size_t)p->blocks * sizeof *p->hashes);
}

/* True if all rows were read, or no more than --skip-bad could not be. Returns false with a
 * sentence. */
static bool judge(const Packing *p, char *error, size_t error_bytes) {
    const long long allowed = (long long)p->loading->skip_bad;
    if (atomic_load(&p->ended))
        snprintf(error, error_bytes, "%s", p->failure);
    else if (p->bad->count <= p->loading->skip_bad)
        return true;
    else if (allowed == 0)
        snprintf(error, error_bytes, "%s; --skip-bad N leaves out up to N rows that cannot be read",
                 p->bad->rows[0].sentence);
    else
        snprintf(error, error_bytes,
                 "%s; this is the first of the rows of %s that cannot be read, and there are more "
                 "than the %lld that --skip-bad allows",
                 p->bad->rows[0].sentence, p->table->name, allowed);
    return false;
}

static int64_t bytes_of_row(const CoupletTable *table) {
    int64_t bytes = 0;
    for (int f = 0; f < table->field_count; f++)
        bytes += couplet_field_bytes(&table->fields[f]);
    return bytes;
}

static void cut_into_blocks(Packing *p) {
    p->row_bytes = bytes_of_row(p->table);
    p->block_rows = (p->table->held + MOST_BLOCKS - 1) / MOST_BLOCKS;
    if (p->block_rows < 1) p->block_rows = 1;
    p->blocks = (p->table->held + p->block_rows - 1) / p->block_rows;
    p->part_rows = p->row_bytes ? PART_BYTES / p->row_bytes : p->block_rows;
    if (p->part_rows < 1) p->part_rows = 1;
    if (p->part_rows > p->block_rows) p->part_rows = p->block_rows;
}

bool couplet_pack_hash(const CoupletTable *table, uint64_t *hash) {
    Packing p = {.table = table};
    Part part = {.bytes = NULL};
    cut_into_blocks(&p);
    p.hashes = calloc((size_t)p.blocks + 1, sizeof *p.hashes);
    part.columns = calloc((size_t)table->field_count + 1, sizeof *part.columns);
    part.sizes = calloc((size_t)table->field_count + 1, sizeof *part.sizes);
    const bool good = p.hashes && part.columns && part.sizes;
    for (int f = 0; good && f < table->field_count; f++) {
        part.columns[f] = (char *)(uintptr_t)table->columns[f];
        part.sizes[f] = couplet_field_bytes(&table->fields[f]);
    }
    for (int64_t row = 0; good && row < table->held; row++) {
        uint64_t *of_block = &p.hashes[row / p.block_rows];
        *of_block = hash_row(&p, &part, row, row % p.block_rows ? *of_block : COUPLET_HASH_START);
    }
    if (good) *hash = hash_of_all(&p);
    free(p.hashes);
    part_free(&part);
    return good;
}

bool couplet_pack_rows(const CoupletTable *table, const CoupletLoading *loading,
                       const CoupletPackLayout *layout, int file, uint64_t *hash,
                       CoupletBadRows *bad, char *error, size_t error_bytes) {
    Packing p = {.table = table,
                 .loading = loading,
                 .layout = layout,
                 .file = file,
                 .bad = bad,
                 .beyond = INT64_MAX};
    cut_into_blocks(&p);
    *bad = (CoupletBadRows){.count = 0};
    p.hashes = calloc((size_t)p.blocks + 1, sizeof *p.hashes);
    CoupletThreads *threads = couplet_threads_new(loading->threads);
    if (!p.hashes || !threads) {
        snprintf(error, error_bytes, "%s: out of memory, or of threads, to decode its rows",
                 table->name);
        free(p.hashes);
        couplet_threads_free(threads);
        return false;
    }
    pthread_mutex_init(&p.lock, NULL);
    couplet_threads_run(threads, couplet_threads_count(threads), read_blocks, &p);
    couplet_threads_free(threads);
    pthread_mutex_destroy(&p.lock);
    const bool good = judge(&p, error, error_bytes);
    if (good) *hash = hash_of_all(&p);
    if (good && loading->progress) loading->progress(loading->context, table->held, table->held);
    free(p.hashes);
    return good;
}
