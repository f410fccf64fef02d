/* Packs tables of offsets for binaries: differences of neighbours, then zlib. The offsets of a
 * contraction run in equal steps, so their differences are nearly constant. */
#include "runtime/packed.h"

#include <stdlib.h>
#include <zlib.h>

/* Differences wrap around, so that any words can be restored. */
static void to_differences(const int32_t *words, uint32_t *out, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        out[i] = (uint32_t)words[i] - (i ? (uint32_t)words[i - 1] : 0);
}

void *couplet_words_pack(const int32_t *words, int64_t count, int64_t *packed_bytes) {
    uLongf bytes = compressBound((uLong)(count * 4));
    uint32_t *differences = malloc((size_t)(count * 4) + 1);
    void *packed = malloc(bytes);
    bool good = differences && packed;
    if (good) {
        to_differences(words, differences, count);
        good = compress2(packed, &bytes, (const Bytef *)differences, (uLong)(count * 4),
                         Z_BEST_COMPRESSION) == Z_OK;
    }
    free(differences);
    *packed_bytes = (int64_t)bytes;
    if (good) return packed;
    free(packed);
    return NULL;
}

bool couplet_words_unpack(const void *packed, int64_t packed_bytes, int32_t *words, int64_t count) {
    uLongf bytes = (uLongf)(count * 4);
    if (uncompress((Bytef *)words, &bytes, packed, (uLong)packed_bytes) != Z_OK ||
        bytes != (uLongf)(count * 4))
        return false;
    uint32_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += (uint32_t)words[i];
        words[i] = (int32_t)sum;
    }
    return true;
}
