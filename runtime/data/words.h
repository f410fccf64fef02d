/* Distinct texts, numbered as they come, and counted: the words of a column, of a corpus, the names of classes. */
#ifndef COUPLET_RUNTIME_DATA_WORDS_H
#define COUPLET_RUNTIME_DATA_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CoupletWord {
    const char *text; /* with a closing 0; it has none inside */
    uint32_t length;
    uint32_t hash;
    int64_t count;    /* how often it was added */
} CoupletWord;

/* All zeros: none yet. */
typedef struct CoupletWords {
    CoupletWord *words; /* [count] */
    int32_t count, room;
    int32_t *slots; /* [slot_count], a power of two: the number of a word, or -1 */
    int64_t slot_count;
    char *block;    /* texts are put here, one after the other; its first bytes point to the block before */
    size_t used, size;
} CoupletWords;

/* The number of the text, which is counted once more; -1 when memory is out, or there are more than 2^30 words. */
int32_t couplet_words_add(CoupletWords *words, const char *text, size_t length);
/* -1: there is none. */
int32_t couplet_words_find(const CoupletWords *words, const char *text, size_t length);
void couplet_words_free(CoupletWords *words);

/* Numbers of the words that were counted at least once, in order: `codes[word]` is the place of each, -1 of the others. Returns how many there are; -1 when memory
 * is out. By name, the order is that of bytes; words that are all whole numbers are in the order of numbers. By count, the most frequent is the first, and those that
 * are as frequent are by name. `order`, which may be NULL, has room for all words. */
int32_t couplet_words_by_name(const CoupletWords *words, int32_t *codes, int32_t *order);
int32_t couplet_words_by_count(const CoupletWords *words, int32_t *codes, int32_t *order);

#endif
