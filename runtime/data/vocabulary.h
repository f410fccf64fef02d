/* Distinct texts, numbered as they come, and counted. They are the words of a column or of a
 * corpus, or the names of classes. */
#ifndef COUPLET_RUNTIME_DATA_VOCABULARY_H
#define COUPLET_RUNTIME_DATA_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CoupletWord {
    const char *text; /* with a closing 0; it has none inside */
    uint32_t length;
    uint32_t hash;
    int64_t count; /* the number of times that the word was added */
} CoupletWord;

/* A table of words. One that is all zeros has none yet. */
typedef struct CoupletWords {
    CoupletWord *words; /* [count] */
    int32_t count, room;
    int32_t *slots; /* [slot_count], a power of two: the number of a word, or -1 */
    int64_t slot_count;
    /* Texts are put here, one after the other; its first bytes point to the block before. */
    char *block;
    size_t used, size;
} CoupletWords;

/* Counts the text once more, and returns its number; -1 when memory is out, or there are more than
 * 2^30 words. */
int32_t couplet_words_add(CoupletWords *words, const char *text, size_t length);
/* The number of a text; -1: it is no word of the table. */
int32_t couplet_words_find(const CoupletWords *words, const char *text, size_t length);
void couplet_words_free(CoupletWords *words);
/* True for digits, at most 18 of them, with a minus ahead or not. */
bool couplet_word_is_whole(const char *text, size_t length);

/* Put the words that were counted at least once in order. codes[word] is the place of each, and -1
 * for the others. `order`, which may be NULL, has room for all words. Returns the number of words
 * in order; -1 when memory is out.
 *
 * By name, the order is that of bytes, or of numbers if all words are numbers. By count, the most
 * frequent word comes first, and words that are as frequent are in the order of their bytes. */
int32_t couplet_words_by_name(const CoupletWords *words, int32_t *codes, int32_t *order);
int32_t couplet_words_by_count(const CoupletWords *words, int32_t *codes, int32_t *order);
/* True if two words that follow each other in order are one number that is written in two ways, 1
 * and 1.0, and gives the two. Whole numbers alone, 7 and 07, may be the names of two things. */
bool couplet_words_alike(const CoupletWords *words, const int32_t *order, int32_t count,
                         int32_t pair[2]);

#endif
