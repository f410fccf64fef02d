/* Tables of whole numbers in little space: differences of neighbours, deflated. A binary holds the offset tables of its contractions this way; they are
 * made of runs of equal steps, and take a hundredth of their size. */
#ifndef COUPLET_RUNTIME_PACKED_H
#define COUPLET_RUNTIME_PACKED_H

#include <stdbool.h>
#include <stdint.h>

/* malloc'ed; NULL when memory is out. */
void *couplet_words_pack(const int32_t *words, int64_t count, int64_t *packed_bytes);
/* False when the data is damaged, or has another count. */
bool couplet_words_unpack(const void *packed, int64_t packed_bytes, int32_t *words, int64_t count);

#endif
