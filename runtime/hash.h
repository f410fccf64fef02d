/* A fast hash of bytes that tells contents apart. It does not resist someone who wants two contents
 * to have one hash. */
#ifndef COUPLET_RUNTIME_HASH_H
#define COUPLET_RUNTIME_HASH_H

#include <stddef.h>
#include <stdint.h>

#define COUPLET_HASH_START UINT64_C(0x9e3779b97f4a7c15)

/* Continues `hash`, which is COUPLET_HASH_START at first, with some bytes. The value is the same on
 * every machine. */
uint64_t couplet_hash(uint64_t hash, const void *bytes, size_t length);

/* Hashes an array that may be huge. Up to COUPLET_HASH_WHOLE bytes, all bytes count. Of a longer
 * array, its length and 64 blocks of a mebibyte count: the first, the last, and those between them
 * at even distances. */
#define COUPLET_HASH_WHOLE (INT64_C(1) << 28)
uint64_t couplet_hash_array(uint64_t hash, const void *bytes, int64_t length);

/* Goes on with FNV-1a over the bytes, for keys of files that other versions wrote as well. */
static inline uint64_t couplet_hash_bytewise(uint64_t hash, const void *bytes, size_t length) {
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 1099511628211u;
    return hash;
}

#endif
