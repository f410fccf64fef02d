/* A hash for contents: packed copies, data of a run, spec files. It takes a multiplication and a
 * rotation for each eight bytes. Bytes are read in a fixed order, so the value is the same on every
 * machine.
 *
 * Huge arrays are hashed in 64 blocks. This tells apart different files, but does not notice every
 * changed byte of a file. */
#include "runtime/hash.h"

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash ^= word * UINT64_C(0x87c37b91114253d5);
    hash = hash << 31 | hash >> 33;
    return hash * UINT64_C(0x9fb21c651e98df25) + UINT64_C(0x52dce729);
}

/* Returns the bytes as a whole number, the first byte lowest. Compilers make one load of it. */
static uint64_t load_word(const uint8_t *bytes, size_t count) {
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t couplet_hash(uint64_t hash, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    size_t left = length;
    for (; left >= 8; at += 8, left -= 8)
        hash = mix(hash, load_word(at, 8));
    hash = mix(hash, load_word(at, left));
    hash = mix(hash, length); /* the length makes "ab", "c" differ from "a", "bc" */
    return hash ^ hash >> 29;
}

uint64_t couplet_hash_array(uint64_t hash, const void *bytes, int64_t length) {
    enum {
        BLOCKS = 64,
        BLOCK_BYTES = 1 << 20,
    };
    if (length <= COUPLET_HASH_WHOLE) return couplet_hash(hash, bytes, (size_t)length);
    hash = couplet_hash(hash, &length, sizeof length);
    for (int64_t i = 0; i < BLOCKS; i++) {
        const int64_t at = (length - BLOCK_BYTES) / (BLOCKS - 1) * i;
        hash = couplet_hash(
            hash, (const char *)bytes + (i + 1 < BLOCKS ? at : length - BLOCK_BYTES), BLOCK_BYTES);
    }
    return hash;
}
