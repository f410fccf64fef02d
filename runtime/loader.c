#include "runtime/loader.h"

#include "runtime/random.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 3, SHUFFLE_SITE = 0x53485546 /* "SHUF" */, MOST_CLASSES = 1024 };

typedef struct Slot {
    uint8_t *images;
    int32_t *labels, *indices;
} Slot;

/* Batch b lives in slot b mod SLOTS; batches [taken, filled) are ready, and the one before `taken` is still being read. */
struct CoupletLoader {
    const CoupletDataset *data;
    CoupletFeed feed;
    int64_t per_epoch, filled, taken;
    uint64_t seed;
    Slot slots[SLOTS];
    int32_t *order;
    int32_t *by_class;               /* balanced: rows sorted by label */
    int64_t first[MOST_CLASSES + 1]; /* where a class begins in by_class */
    int64_t order_epoch; /* the epoch that `order` is of; -1: none */
    bool ending, started, holding;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/* A whole number below `count`: its bias is below count / 2^32. */
static int64_t draw(const CoupletLoader *l, int64_t epoch, int64_t element, int lane, int64_t count) {
    uint32_t site = SHUFFLE_SITE + l->feed.stream;
    uint32_t word = couplet_random_bits((uint32_t)l->seed, (uint32_t)(l->seed >> 32), (uint32_t)epoch, site, (uint64_t)element, lane);
    return (int64_t)(((uint64_t)word * (uint64_t)count) >> 32);
}

/* Fisher and Yates. */
static void shuffle(CoupletLoader *l, int64_t epoch) {
    int64_t count = l->data->count;
    for (int64_t i = 0; i < count; i++) l->order[i] = (int32_t)i;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t other = draw(l, epoch, i, 0, i + 1);
        int32_t kept = l->order[i];
        l->order[i] = l->order[other];
        l->order[other] = kept;
    }
}

static void draw_balanced(CoupletLoader *l, int64_t epoch) {
    int classes[MOST_CLASSES], count = 0;
    for (int c = 0; c < l->data->class_count; c++)
        if (l->first[c + 1] > l->first[c]) classes[count++] = c;
    for (int64_t i = 0; i < l->data->count; i++) {
        int c = classes[draw(l, epoch, i, 0, count)];
        l->order[i] = l->by_class[l->first[c] + draw(l, epoch, i, 1, l->first[c + 1] - l->first[c])];
    }
}

static void make_order(CoupletLoader *l, int64_t epoch) {
    if (l->feed.balanced) draw_balanced(l, epoch);
    else shuffle(l, epoch);
    l->order_epoch = epoch;
}

static void sort_by_class(CoupletLoader *l) {
    int64_t at = 0;
    for (int c = 0; c < l->data->class_count; c++) {
        l->first[c] = at;
        for (int64_t i = 0; i < l->data->count; i++)
            if (l->data->labels[i] == c) l->by_class[at++] = (int32_t)i;
    }
    l->first[l->data->class_count] = at;
}

static void gather(CoupletLoader *l, int64_t number) {
    const CoupletDataset *data = l->data;
    Slot *slot = &l->slots[number % SLOTS];
    int64_t epoch = number / l->per_epoch, first = number % l->per_epoch * l->feed.batch;
    if (l->order_epoch != epoch) make_order(l, epoch);
    for (int64_t i = 0; i < l->feed.batch; i++) {
        int32_t row = l->order[first + i];
        if (!l->feed.without_images) memcpy(slot->images + i * data->image_bytes, data->images + row * data->image_bytes, (size_t)data->image_bytes);
        slot->labels[i] = data->labels[row];
        slot->indices[i] = row;
    }
}

static void *work(void *context) {
    CoupletLoader *l = context;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        int64_t kept = l->holding ? l->taken - 1 : l->taken;
        while (!l->ending && l->filled - kept >= SLOTS) {
            pthread_cond_wait(&l->changed, &l->lock);
            kept = l->holding ? l->taken - 1 : l->taken;
        }
        if (l->ending) break;
        int64_t number = l->filled;
        pthread_mutex_unlock(&l->lock);
        gather(l, number);
        pthread_mutex_lock(&l->lock);
        l->filled++;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

int64_t couplet_loader_batches(const CoupletDataset *data, int64_t batch) { return data->count / batch; }

static bool allocate(CoupletLoader *l) {
    for (int i = 0; i < SLOTS; i++) {
        Slot *s = &l->slots[i];
        s->images = malloc(l->feed.without_images ? 1 : (size_t)(l->feed.batch * l->data->image_bytes));
        s->labels = malloc((size_t)l->feed.batch * sizeof *s->labels);
        s->indices = malloc((size_t)l->feed.batch * sizeof *s->indices);
        if (!s->images || !s->labels || !s->indices) return false;
    }
    l->order = malloc((size_t)l->data->count * sizeof *l->order);
    if (!l->feed.balanced) return l->order != NULL;
    l->by_class = malloc((size_t)l->data->count * sizeof *l->by_class);
    if (l->by_class) sort_by_class(l);
    return l->order && l->by_class;
}

CoupletLoader *couplet_loader_new(const CoupletDataset *data, const CoupletFeed *feed, uint64_t seed, int64_t first, char *error, size_t error_bytes) {
    if (feed->batch > data->count) {
        snprintf(error, error_bytes, "the batch of %lld is larger than the %lld images of %s", (long long)feed->batch, (long long)data->count, data->name);
        return NULL;
    }
    if (feed->balanced && data->class_count > MOST_CLASSES) {
        snprintf(error, error_bytes, "%s has %d classes, and balanced batches are drawn from at most %d", data->name, data->class_count, MOST_CLASSES);
        return NULL;
    }
    CoupletLoader *l = calloc(1, sizeof *l);
    if (l) {
        pthread_mutex_init(&l->lock, NULL);
        pthread_cond_init(&l->changed, NULL);
        l->data = data;
        l->feed = *feed;
        l->seed = seed;
        l->per_epoch = couplet_loader_batches(data, feed->batch);
        l->filled = l->taken = first;
        l->order_epoch = -1;
        if (allocate(l)) l->started = pthread_create(&l->thread, NULL, work, l) == 0;
        if (l->started) return l;
        couplet_loader_free(l);
    }
    snprintf(error, error_bytes, "out of memory, or of threads, for the batches of %s", data->name);
    return NULL;
}

void couplet_loader_next(CoupletLoader *l, CoupletBatch *out) {
    pthread_mutex_lock(&l->lock);
    l->holding = false; /* the batch handed out before may be overwritten from here on */
    pthread_cond_broadcast(&l->changed);
    while (l->filled <= l->taken) pthread_cond_wait(&l->changed, &l->lock);
    int64_t number = l->taken++;
    l->holding = true;
    pthread_mutex_unlock(&l->lock);
    const Slot *slot = &l->slots[number % SLOTS];
    *out = (CoupletBatch){slot->images, slot->labels, slot->indices, number};
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
    for (int i = 0; i < SLOTS; i++) {
        free(l->slots[i].images);
        free(l->slots[i].labels);
        free(l->slots[i].indices);
    }
    free(l->order);
    free(l->by_class);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    free(l);
}
