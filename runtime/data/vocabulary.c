/* A table of distinct texts with counts: a hash table with open addressing, and texts in blocks of
 * memory that never move. The order in which words are numbered, by name or by count, is made on
 * request, and does not depend on the order in which the words came. */
#include "runtime/data/vocabulary.h"

#include "runtime/hash.h"
#include "runtime/numbers.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_BYTES = 1 << 16,
    FIRST_SLOTS = 64,
    MOST_WORDS = 1 << 30,
};

static uint32_t hash_word(const char *text, size_t length) {
    const uint64_t hash = couplet_hash(COUPLET_HASH_START, text, length);
    return (uint32_t)(hash ^ hash >> 32);
}

/* ---- finding --------------------------------------------------------------------------------- */

/* Returns the slot of the text, or the slot that it would get. */
static int64_t find_slot(const CoupletWords *w, const char *text, size_t length, uint32_t hash) {
    int64_t slot = hash & (w->slot_count - 1);
    for (; w->slots[slot] >= 0; slot = (slot + 1) & (w->slot_count - 1)) {
        const CoupletWord *word = &w->words[w->slots[slot]];
        if (word->hash == hash && word->length == length && memcmp(word->text, text, length) == 0)
            break;
    }
    return slot;
}

int32_t couplet_words_find(const CoupletWords *w, const char *text, size_t length) {
    if (!w->slot_count) return -1;
    return w->slots[find_slot(w, text, length, hash_word(text, length))];
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* Makes more slots, of which half stay empty. */
static bool grow_slots(CoupletWords *w) {
    const int64_t count = w->slot_count ? 2 * w->slot_count : FIRST_SLOTS;
    int32_t *slots = malloc((size_t)count * sizeof *slots);
    if (!slots) return false;
    memset(slots, 0xff, (size_t)count * sizeof *slots);
    for (int32_t i = 0; i < w->count; i++) {
        int64_t slot = w->words[i].hash & (count - 1);
        while (slots[slot] >= 0)
            slot = (slot + 1) & (count - 1);
        slots[slot] = i;
    }
    free(w->slots);
    w->slots = slots;
    w->slot_count = count;
    return true;
}

static bool grow_words(CoupletWords *w) {
    const int32_t room = w->room ? 2 * w->room : FIRST_SLOTS;
    CoupletWord *words = realloc(w->words, (size_t)room * sizeof *words);
    if (!words) return false;
    w->words = words;
    w->room = room;
    return true;
}

/* Copies a text into a block of memory. Each block begins with a pointer to the block before it.
 * Returns NULL if memory is out. */
static char *copy_text(CoupletWords *w, const char *text, size_t length) {
    if (w->size - w->used < length + 1) {
        const size_t size = sizeof(char *) + (length + 1 > BLOCK_BYTES ? length + 1 : BLOCK_BYTES);
        char *block = malloc(size);
        if (!block) return NULL;
        memcpy(block, &w->block, sizeof(char *));
        w->block = block;
        w->used = sizeof(char *);
        w->size = size;
    }
    char *copy = w->block + w->used;
    memcpy(copy, text, length);
    copy[length] = 0;
    w->used += length + 1;
    return copy;
}

int32_t couplet_words_add(CoupletWords *w, const char *text, size_t length) {
    if (2 * (int64_t)(w->count + 1) > w->slot_count && !grow_slots(w)) return -1;
    const uint32_t hash = hash_word(text, length);
    const int64_t slot = find_slot(w, text, length, hash);
    const int32_t found = w->slots[slot];
    if (found >= 0) {
        w->words[found].count++;
        return found;
    }
    if (length > UINT32_MAX || w->count == MOST_WORDS || (w->count == w->room && !grow_words(w)))
        return -1;
    char *copy = copy_text(w, text, length);
    if (!copy) return -1;
    w->words[w->count] = (CoupletWord){copy, (uint32_t)length, hash, 1};
    w->slots[slot] = w->count;
    return w->count++;
}

void couplet_words_free(CoupletWords *w) {
    while (w->block) {
        char *before;
        memcpy(&before, w->block, sizeof before);
        free(w->block);
        w->block = before;
    }
    free(w->words);
    free(w->slots);
    memset(w, 0, sizeof *w);
}

/* ---- in order -------------------------------------------------------------------------------- */

static int by_bytes(const CoupletWord *a, const CoupletWord *b) {
    const size_t shared = a->length < b->length ? a->length : b->length;
    const int order = memcmp(a->text, b->text, shared);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int by_name(const void *left, const void *right) {
    return by_bytes(*(const CoupletWord *const *)left, *(const CoupletWord *const *)right);
}

static int by_count(const void *left, const void *right) {
    const CoupletWord *a = *(const CoupletWord *const *)left;
    const CoupletWord *b = *(const CoupletWord *const *)right;
    return a->count != b->count ? (a->count < b->count) - (a->count > b->count) : by_bytes(a, b);
}

bool couplet_word_is_whole(const char *text, size_t length) {
    const size_t sign = length > 0 && *text == '-';
    size_t digits = 0;
    while (sign + digits < length && text[sign + digits] >= '0' && text[sign + digits] <= '9')
        digits++;
    return digits > 0 && digits <= 18 && sign + digits == length;
}

/* Compares whole numbers. 7 and 07 are two words, and are sorted by their bytes. */
static int by_whole(const void *left, const void *right) {
    const CoupletWord *a = *(const CoupletWord *const *)left;
    const CoupletWord *b = *(const CoupletWord *const *)right;
    const long long x = strtoll(a->text, NULL, 10);
    const long long y = strtoll(b->text, NULL, 10);
    return x != y ? (x > y) - (x < y) : by_bytes(a, b);
}

/* Compares numbers. Long doubles hold whole numbers of 18 digits exactly if they have 64 bits for
 * digits. On other machines, such neighbours are sorted by their bytes. */
static int by_number(const void *left, const void *right) {
    const CoupletWord *a = *(const CoupletWord *const *)left;
    const CoupletWord *b = *(const CoupletWord *const *)right;
    const long double x = strtold(a->text, NULL), y = strtold(b->text, NULL);
    return x != y ? (x > y) - (x < y) : by_bytes(a, b);
}

typedef int Order(const void *left, const void *right);

/* Returns the order by name of the words in a list. */
static Order *order_of_names(const CoupletWord *const *list, int32_t count) {
    bool wholes = true;
    bool numbers = true;
    double ignored;
    for (int32_t i = 0; numbers && i < count; i++) {
        wholes = wholes && couplet_word_is_whole(list[i]->text, list[i]->length);
        numbers = wholes || couplet_read_number(list[i]->text, &ignored, NULL);
    }
    return wholes ? by_whole : numbers ? by_number : by_name;
}

static int32_t arrange(const CoupletWords *w, bool named, int32_t *codes, int32_t *order) {
    const CoupletWord **list = malloc(((size_t)w->count + 1) * sizeof *list);
    int32_t count = 0;
    if (!list) return -1;
    for (int32_t i = 0; i < w->count; i++) {
        codes[i] = -1;
        if (w->words[i].count < 1) continue;
        list[count++] = &w->words[i];
    }
    qsort(list, (size_t)count, sizeof *list, named ? order_of_names(list, count) : by_count);
    for (int32_t place = 0; place < count; place++) {
        const int32_t word = (int32_t)(list[place] - w->words);
        codes[word] = place;
        if (order) order[place] = word;
    }
    free(list);
    return count;
}

int32_t couplet_words_by_name(const CoupletWords *w, int32_t *codes, int32_t *order) {
    return arrange(w, true, codes, order);
}
int32_t couplet_words_by_count(const CoupletWords *w, int32_t *codes, int32_t *order) {
    return arrange(w, false, codes, order);
}

bool couplet_words_alike(const CoupletWords *w, const int32_t *order, int32_t count,
                         int32_t pair[2]) {
    double value;
    double before = 0;
    bool was_number = false;
    bool was_whole = false;
    for (int32_t i = 0; i < count; i++) {
        const CoupletWord *word = &w->words[order[i]];
        const bool is_whole = couplet_word_is_whole(word->text, word->length);
        const bool is_number = couplet_read_number(word->text, &value, NULL);
        pair[0] = i ? order[i - 1] : 0;
        pair[1] = order[i];
        if (is_number && was_number && value == before && !(is_whole && was_whole)) return true;
        before = value;
        was_number = is_number;
        was_whole = is_whole;
    }
    return false;
}
