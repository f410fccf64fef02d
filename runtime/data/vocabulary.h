/* Distinct texts, numbered in the order of their first occurrence, and counted. They are the words
 * of a column or of a corpus, or the names of classes. */
#ifndef COUPLET_RUNTIME_DATA_VOCABULARY_H
#define COUPLET_RUNTIME_DATA_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CoupletWord {
    const char *text; /* NUL-terminated, without NUL inside */
    uint32_t length;
    uint32_t hash;
    int64_t count; /* how often the word was added */
} CoupletWord;

/* A table of words. A table of zeros is empty. */
typedef struct CoupletWords {
    CoupletWord *words; /* [count] */
    int32_t count;
    int32_t room;
    int32_t *slots; /* [slot_count], a power of two: the number of a word, or -1 */
    int64_t slot_count;
    /* The memory of the texts, one after the other. Its first bytes point to the block before. */
    char *block;
    size_t used;
    size_t size;
} CoupletWords;

/* Counts a text, and returns its number. Returns -1 if memory is out, or if there are more than
 * 2^30 words. */
int32_t couplet_words_add(CoupletWords *words, const char *text, size_t length);
/* Returns the number of a text, or -1 if it is no word of the table. */
int32_t couplet_words_find(const CoupletWords *words, const char *text, size_t length);
void couplet_words_free(CoupletWords *words);
/* True for at most 18 digits, with or without a minus in front. */
bool couplet_word_is_whole(const char *text, size_t length);

/* Sort the words that were counted at least once. codes[word] is the position of each, and -1 for
 * other words. `order`, which may be NULL, has room for all words. Return the number of sorted
 * words, or -1 if memory is out.
 *
 * By name, the order is that of bytes, or that of numbers if all words are numbers. By count, the
 * most frequent word comes first, and words of equal frequency are in byte order. */
int32_t couplet_words_by_name(const CoupletWords *words, int32_t *codes, int32_t *order);
int32_t couplet_words_by_count(const CoupletWords *words, int32_t *codes, int32_t *order);
/* True if two words next to each other in the order are one number, written in two ways, such as 1
 * and 1.0. Returns the two. Different whole numbers such as 7 and 07 may be the names of two
 * things, and do not count. */
bool couplet_words_alike(const CoupletWords *words, const int32_t *order, int32_t count,
                         int32_t pair[2]);

#endif
