/* Draws and gathers batches ahead of the step, in a thread of its own, into three slots.
 *
 * The rows of a batch are a function of seed and number alone. So a resumed run begins in the
 * middle without replaying earlier batches; only the order of a shuffled epoch is made again.
 * Weighted draws use the weights of their epoch. The loader waits at the end of an epoch until it
 * gets the next ones. */
#include "runtime/loader.h"

#include "runtime/classes.h"
#include "runtime/data/mapping.h"
#include "runtime/random.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 3, SHUFFLE_SITE = 0x53485546 /* "SHUF" in ASCII */, ALIGNMENT = 64 };

typedef struct Slot {
    void **fields; /* by number of the table's field: where row 0 of the batch lies, or would lie */
    void **memory; /* the allocation of each */
    int32_t *indices;
} Slot;

/* A loader. Batch b is in slot b mod SLOTS. The batches [taken, filled) are ready, and the one
 * before `taken` is still being read. */
struct CoupletLoader {
    const CoupletTable *table;
    CoupletFeed feed;
    bool *gathered, *own; /* by number of the table's field */
    int64_t per_epoch;
    int64_t filled;
    int64_t taken;
    int64_t until;
    uint64_t seed;
    Slot slots[SLOTS];
    /* [batch]: the rows, in the source, of the batch that is being gathered. */
    int32_t *rows;
    int32_t *order;        /* for a whole epoch: each row once, or balanced draws */
    int64_t order_epoch;   /* the epoch of `order`; -1: none */
    CoupletByClass sorted; /* balanced and episodes: the chosen rows by class */
    int32_t *classes;      /* the classes that may be drawn */
    int64_t class_count;
    int64_t *moved; /* episodes: [ways + each], the entries that a draw has exchanged */
    double *sums;   /* weighed: for each row, the sum of the weights up to it */
    /* `holding`: the batch before `taken` was handed out, and may still be read. */
    bool ending;
    bool started;
    bool holding;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* ---- draws ----------------------------------------------------------------------------------- */

static uint32_t random_word(const CoupletLoader *l, int64_t epoch, int64_t element, int lane) {
    const uint32_t site = SHUFFLE_SITE + l->feed.stream;
    return couplet_random_bits((uint32_t)l->seed, (uint32_t)(l->seed >> 32), (uint32_t)epoch, site,
                               (uint64_t)element, lane);
}

/* Draws a whole number below `count`. Its bias is below count / 2^32. */
static int64_t draw_whole(const CoupletLoader *l, int64_t epoch, int64_t element, int lane,
                          int64_t count) {
    return (int64_t)(((uint64_t)random_word(l, epoch, element, lane) * (uint64_t)count) >> 32);
}

static void swap(int32_t *a, int32_t *b) {
    const int32_t kept = *a;
    *a = *b;
    *b = kept;
}

/* Shuffles the order of an epoch (Fisher, Yates). */
static void shuffle(CoupletLoader *l, int64_t epoch) {
    const int64_t count = l->table->count;
    for (int64_t i = 0; i < count; i++)
        l->order[i] = (int32_t)i;
    for (int64_t i = count - 1; i > 0; i--)
        swap(&l->order[i], &l->order[draw_whole(l, epoch, i, 0, i + 1)]);
}

static int64_t class_size(const CoupletLoader *l, int64_t class_number) {
    return l->sorted.begins[class_number + 1] - l->sorted.begins[class_number];
}

static void draw_balanced(CoupletLoader *l, int64_t epoch) {
    for (int64_t i = 0; i < l->table->count; i++) {
        const int64_t c = l->classes[draw_whole(l, epoch, i, 0, l->class_count)];
        l->order[i] =
            l->sorted.rows[l->sorted.begins[c] + draw_whole(l, epoch, i, 1, class_size(l, c))];
    }
}

/* Draws `wanted` different entries of a list to its front, by the first steps of a shuffle.
 * `others` notes what was exchanged, so that undo restores the list. */
static void draw_front(CoupletLoader *l, int32_t *list, int64_t count, int64_t wanted,
                       int64_t number, int64_t first, int lane, int64_t *others) {
    for (int64_t i = 0; i < wanted; i++) {
        others[i] = i + draw_whole(l, number, first + i, lane, count - i);
        swap(&list[i], &list[others[i]]);
    }
}

static void undo_swaps(int32_t *list, int64_t wanted, const int64_t *others) {
    for (int64_t i = wanted - 1; i >= 0; i--)
        swap(&list[i], &list[others[i]]);
}

/* Draws the classes of an episode and rows of each. Both lists are restored, so that an episode
 * depends on its number alone. */
static void draw_episode(CoupletLoader *l, int64_t number, int32_t *indices) {
    const CoupletFeed *f = &l->feed;
    int64_t *classes = l->moved;
    int64_t *others = l->moved + f->ways;
    draw_front(l, l->classes, l->class_count, f->ways, number, 0, 0, classes);
    for (int64_t w = 0; w < f->ways; w++) {
        const int64_t c = l->classes[w];
        int32_t *rows = l->sorted.rows + l->sorted.begins[c];
        draw_front(l, rows, class_size(l, c), f->each, number, w * f->each, 1, others);
        memcpy(indices + w * f->each, rows, (size_t)f->each * sizeof *indices);
        undo_swaps(rows, f->each, others);
    }
    undo_swaps(l->classes, f->ways, classes);
}

/* Draws a row: the first whose sum is above a number in 0 .. total, of 53 bits. */
static int32_t draw_weighed(const CoupletLoader *l, int64_t number, int64_t element) {
    const uint64_t bits = (uint64_t)random_word(l, number, element, 0) << 21 |
                          random_word(l, number, element, 1) >> 11;
    int64_t low = 0;
    int64_t high = l->table->count - 1;
    const double wanted = (double)bits * 0x1p-53 * l->sums[high];
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (l->sums[middle] > wanted)
            high = middle;
        else
            low = middle + 1;
    }
    /* Rounding may lead to a row of weight 0 behind the last row that has a weight. */
    while (low > 0 && l->sums[low] <= l->sums[low - 1])
        low--;
    return (int32_t)low;
}

/* ---- batches --------------------------------------------------------------------------------- */

/* Sets the rows of a batch, as numbers among the chosen rows. */
static void number_rows(CoupletLoader *l, int64_t number, int32_t *indices) {
    const int64_t batch = l->feed.batch;
    const int64_t epoch = number / l->per_epoch;
    const int64_t first = number % l->per_epoch * batch;
    if (l->feed.ways) {
        draw_episode(l, number, indices);
        return;
    }
    if (l->feed.weighed) {
        for (int64_t i = 0; i < batch; i++)
            indices[i] = draw_weighed(l, number, i);
        return;
    }
    if (l->order_epoch != epoch) {
        if (l->feed.balanced)
            draw_balanced(l, epoch);
        else
            shuffle(l, epoch);
        l->order_epoch = epoch;
    }
    memcpy(indices, l->order + first, (size_t)batch * sizeof *indices);
}

/* Return the first row of a field that is gathered in a batch, and the row behind the last. */
static int64_t first_row(const CoupletLoader *l, int field) {
    return l->own[field] ? l->feed.own_first : 0;
}

/* Returns the number behind the last row of a field that is gathered. */
static int64_t rows_end(const CoupletLoader *l, int field) {
    return l->own[field] ? l->feed.own_end : l->feed.batch;
}

/* Copies rows of a field. `to` is where row 0 lies. */
static void copy_field(const CoupletLoader *l, int field, const int32_t *rows, int64_t first,
                       int64_t end, char *to) {
    const int64_t bytes = couplet_field_bytes(&l->table->fields[field]);
    for (int64_t i = first; i < end; i++)
        memcpy(to + i * bytes, (const char *)l->table->columns[field] + rows[i] * bytes,
               (size_t)bytes);
}

/* Asks the system to read pages ahead of the copy. */
static void prefetch(const CoupletLoader *l) {
    int64_t first = l->feed.batch;
    int64_t end = 0;
    for (int f = 0; f < l->table->field_count; f++) {
        if (!l->gathered[f]) continue;
        if (first_row(l, f) < first) first = first_row(l, f);
        if (rows_end(l, f) > end) end = rows_end(l, f);
    }
    if (first < end) {
        couplet_table_prefetch(l->table, l->rows + first, end - first);
    }
}

static void gather_batch(CoupletLoader *l, int64_t number) {
    const CoupletTable *t = l->table;
    Slot *slot = &l->slots[number % SLOTS];
    number_rows(l, number, slot->indices);
    for (int64_t i = 0; i < l->feed.batch; i++)
        l->rows[i] = (int32_t)couplet_table_origin(t, slot->indices[i]);
    if (t->mapped) prefetch(l);
    for (int f = 0; f < t->field_count; f++)
        if (l->gathered[f])
            copy_field(l, f, l->rows, first_row(l, f), rows_end(l, f), slot->fields[f]);
}

void couplet_loader_whole(const CoupletLoader *l, int field, void *out) {
    const Slot *slot = &l->slots[(l->taken - 1) % SLOTS];
    const int64_t bytes = couplet_field_bytes(&l->table->fields[field]);
    for (int64_t i = 0; i < l->feed.batch; i++)
        memcpy((char *)out + i * bytes,
               (const char *)l->table->columns[field] +
                   couplet_table_origin(l->table, slot->indices[i]) * bytes,
               (size_t)bytes);
}

/* True if the next batch may be gathered now: its weights are known, and it does not overwrite a
 * batch that is ready or still read. */
static bool may_fill(const CoupletLoader *l) {
    const int64_t kept = l->holding ? l->taken - 1 : l->taken;
    return l->filled - kept < SLOTS && l->filled < l->until;
}

/* Gathers batches in the thread of the loader, until the loader is freed. */
static void *work(void *context) {
    CoupletLoader *l = context;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->ending && !may_fill(l))
            pthread_cond_wait(&l->changed, &l->lock);
        if (l->ending) break;
        const int64_t number = l->filled;
        pthread_mutex_unlock(&l->lock);
        gather_batch(l, number);
        pthread_mutex_lock(&l->lock);
        l->filled++;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

int64_t couplet_loader_batches(const CoupletTable *table, int64_t batch) {
    return table->count / batch;
}

bool couplet_loader_weigh(CoupletLoader *l, const float *weights, int64_t until, char *error,
                          size_t error_bytes) {
    double sum = 0;
    /* The sums may change once all batches before `until` are gathered, because no thread reads
     * them then. */
    pthread_mutex_lock(&l->lock);
    while (l->filled < l->until)
        pthread_cond_wait(&l->changed, &l->lock);
    bool good = true;
    for (int64_t i = 0; good && i < l->table->count; i++) {
        good = isfinite(weights[i]) && weights[i] >= 0;
        if (!good)
            snprintf(error, error_bytes,
                     "the weight of sample %lld of %s is %g, and finite numbers of at least 0 are "
                     "expected",
                     (long long)i, l->table->name, (double)weights[i]);
        sum += (double)weights[i];
        l->sums[i] = sum;
    }
    if (good && !(sum > 0)) {
        snprintf(error, error_bytes,
                 "the weights of all %lld samples of %s are 0, and batches are drawn in proportion "
                 "to them",
                 (long long)l->table->count, l->table->name);
        good = false;
    }
    if (good) l->until = until;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    return good;
}

/* ---- making ---------------------------------------------------------------------------------- */

static bool out_of_memory(const CoupletTable *table, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "out of memory, or of threads, for the batches of %s",
             table->name);
    return false;
}

/* Finds the classes with rows enough for a batch. */
static bool sort_classes(CoupletLoader *l, char *error, size_t error_bytes) {
    const int64_t least = l->feed.ways ? l->feed.each : 1;
    CoupletClasses classes;
    if (!couplet_classes_chosen(l->table, l->feed.by, &classes, error, error_bytes)) return false;
    bool good = couplet_classes_sort(&classes, l->table->count, &l->sorted);
    l->classes = malloc(((size_t)classes.count + 1) * sizeof *l->classes);
    good = good && l->classes ? true : out_of_memory(l->table, error, error_bytes);
    for (int64_t c = 0; good && c < classes.count; c++)
        if (class_size(l, c) >= least) l->classes[l->class_count++] = (int32_t)c;
    couplet_classes_free(&classes);
    if (!good || l->class_count >= l->feed.ways) return good;
    snprintf(error, error_bytes,
             "an episode takes %lld samples of each of %lld classes, and %lld classes of %s have "
             "so many",
             (long long)least, (long long)l->feed.ways, (long long)l->class_count, l->table->name);
    return false;
}

/* Allocates the rows of a field that are gathered. Rows keep their distance from multiples of the
 * alignment, wherever the first of these rows lies. */
static bool allocate_field(const CoupletLoader *l, Slot *s, int field) {
    const int64_t row = couplet_field_bytes(&l->table->fields[field]);
    const int64_t ahead = first_row(l, field) * row;
    const int64_t gap = ahead % ALIGNMENT;
    s->memory[field] = couplet_lines_take(gap + (rows_end(l, field) - first_row(l, field)) * row);
    s->fields[field] = (void *)((uintptr_t)s->memory[field] + (uintptr_t)gap - (uintptr_t)ahead);
    return s->memory[field] != NULL;
}

static bool allocate_slot(const CoupletLoader *l, Slot *s) {
    s->fields = calloc((size_t)l->table->field_count + 1, sizeof *s->fields);
    s->memory = calloc((size_t)l->table->field_count + 1, sizeof *s->memory);
    s->indices = malloc((size_t)l->feed.batch * sizeof *s->indices);
    if (!s->fields || !s->memory || !s->indices) return false;
    for (int f = 0; f < l->table->field_count; f++)
        if (l->gathered[f] && !allocate_field(l, s, f)) return false;
    return true;
}

static bool allocate_slots(CoupletLoader *l) {
    const int fields = l->table->field_count;
    l->gathered = calloc((size_t)fields + 1, sizeof *l->gathered);
    l->own = calloc((size_t)fields + 1, sizeof *l->own);
    l->rows = malloc((size_t)l->feed.batch * sizeof *l->rows);
    if (!l->gathered || !l->own || !l->rows) return false;
    for (int f = 0; f < fields; f++) {
        l->gathered[f] = !l->feed.gathered || l->feed.gathered[f];
        l->own[f] = l->feed.own && l->feed.own[f];
    }
    l->feed.gathered = l->feed.own = NULL;
    for (int i = 0; i < SLOTS; i++)
        if (!allocate_slot(l, &l->slots[i])) return false;
    if (l->feed.weighed)
        return (l->sums = malloc((size_t)l->table->count * sizeof *l->sums)) != NULL;
    if (l->feed.ways)
        return (l->moved = malloc((size_t)(l->feed.ways + l->feed.each) * sizeof *l->moved)) !=
               NULL;
    return (l->order = malloc((size_t)l->table->count * sizeof *l->order)) != NULL;
}

static bool batch_fits(const CoupletTable *table, const CoupletFeed *feed, char *error,
                       size_t error_bytes) {
    if (feed->batch <= table->count) return true;
    snprintf(error, error_bytes, "the batch of %lld is larger than the %lld samples of %s",
             (long long)feed->batch, (long long)table->count, table->name);
    return false;
}

static CoupletLoader *new_loader(const CoupletTable *table, const CoupletFeed *feed, uint64_t seed,
                                 int64_t first) {
    CoupletLoader *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->table = table;
    l->feed = *feed;
    l->seed = seed;
    l->per_epoch = couplet_loader_batches(table, feed->batch);
    l->filled = l->taken = first;
    l->until = feed->weighed ? first : INT64_MAX;
    l->order_epoch = -1;
    return l;
}

CoupletLoader *couplet_loader_new(const CoupletTable *table, const CoupletFeed *feed, uint64_t seed,
                                  int64_t first, char *error, size_t error_bytes) {
    if (!batch_fits(table, feed, error, error_bytes)) return NULL;
    CoupletLoader *l = new_loader(table, feed, seed, first);
    bool good = l && allocate_slots(l) ? true : out_of_memory(table, error, error_bytes);
    if (good && (feed->balanced || feed->ways)) {
        good = sort_classes(l, error, error_bytes);
    }
    if (good)
        good = (l->started = pthread_create(&l->thread, NULL, work, l) == 0) ||
               out_of_memory(table, error, error_bytes);
    if (good) return l;
    couplet_loader_free(l);
    return NULL;
}

void couplet_loader_next(CoupletLoader *l, CoupletBatch *out) {
    pthread_mutex_lock(&l->lock);
    /* From here on, the batch that was handed out before may be overwritten. */
    l->holding = false;
    pthread_cond_broadcast(&l->changed);
    while (l->filled <= l->taken)
        pthread_cond_wait(&l->changed, &l->lock);
    const int64_t number = l->taken++;
    l->holding = true;
    pthread_mutex_unlock(&l->lock);
    const Slot *slot = &l->slots[number % SLOTS];
    *out = (CoupletBatch){(const void *const *)slot->fields, slot->indices, number};
}

static void free_slot(const CoupletLoader *l, Slot *slot) {
    for (int f = 0; slot->memory && f < l->table->field_count; f++)
        free(slot->memory[f]);
    free(slot->memory);
    free(slot->fields);
    free(slot->indices);
}

void couplet_loader_free(CoupletLoader *l) {
    if (!l) return;
    if (l->started) {
        pthread_mutex_lock(&l->lock);
        l->ending = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
    }
    for (int i = 0; i < SLOTS; i++)
        free_slot(l, &l->slots[i]);
    couplet_by_class_free(&l->sorted);
    free(l->classes);
    free(l->moved);
    free(l->sums);
    free(l->order);
    free(l->rows);
    free(l->gathered);
    free(l->own);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    free(l);
}
