/* A fast hash of bytes that tells contents apart. It is no defence against someone who wants two contents to agree. */
#ifndef COUPLET_RUNTIME_HASH_H
#define COUPLET_RUNTIME_HASH_H

#include <stddef.h>
#include <stdint.h>

#define COUPLET_HASH_START UINT64_C(0x9e3779b97f4a7c15)

/* Goes on from `hash`, COUPLET_HASH_START at first. Eight bytes a step; the same value on every machine. */
uint64_t couplet_hash(uint64_t hash, const void *bytes, size_t length);

/* The same of an array that may be huge: up to COUPLET_HASH_WHOLE bytes of all of it; else of its length and 64 blocks of a mebibyte, the first and the last bytes
 * and those between in even steps. */
#define COUPLET_HASH_WHOLE (INT64_C(1) << 28)
uint64_t couplet_hash_array(uint64_t hash, const void *bytes, int64_t length);

#endif
