/* Converts elements between types, without loss or with an error. A whole number becomes a real
 * only if float32 has it exactly, and a real becomes an int only if it is whole.
 *
 * A macro makes one loop for each type of element, so that the compiler knows the type inside it.
 * Bytes are swapped if the file has another order. */
#include "runtime/data/elements.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t bytes;
    bool is_real;
} elements[] = {
    [COUPLET_ELEMENT_F16] = {"float16", 2, true},   [COUPLET_ELEMENT_F32] = {"float32", 4, true},
    [COUPLET_ELEMENT_F64] = {"float64", 8, true},   [COUPLET_ELEMENT_I8] = {"int8", 1, false},
    [COUPLET_ELEMENT_I16] = {"int16", 2, false},    [COUPLET_ELEMENT_I32] = {"int32", 4, false},
    [COUPLET_ELEMENT_I64] = {"int64", 8, false},    [COUPLET_ELEMENT_U8] = {"uint8", 1, false},
    [COUPLET_ELEMENT_U16] = {"uint16", 2, false},   [COUPLET_ELEMENT_U32] = {"uint32", 4, false},
    [COUPLET_ELEMENT_U64] = {"uint64", 8, false},   [COUPLET_ELEMENT_BOOL] = {"bool", 1, false},
    [COUPLET_ELEMENT_BF16] = {"bfloat16", 2, true},
};

size_t couplet_elements_bytes(CoupletNpyElement element) {
    return elements[element].bytes;
}
bool couplet_elements_are_real(CoupletNpyElement element) {
    return elements[element].is_real;
}
const char *couplet_elements_name(CoupletNpyElement element) {
    return elements[element].name;
}

bool couplet_elements_fit(CoupletNpyElement element, CoupletType type) {
    return type != COUPLET_U8 || element == COUPLET_ELEMENT_U8;
}

/* ---- one element ----------------------------------------------------------------------------- */

static inline uint16_t load16(const unsigned char *at, bool swapped) {
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return swapped ? __builtin_bswap16(bits) : bits;
}

static inline uint32_t load32(const unsigned char *at, bool swapped) {
    uint32_t bits;
    memcpy(&bits, at, sizeof bits);
    return swapped ? __builtin_bswap32(bits) : bits;
}

static inline uint64_t load64(const unsigned char *at, bool swapped) {
    uint64_t bits;
    memcpy(&bits, at, sizeof bits);
    return swapped ? __builtin_bswap64(bits) : bits;
}

static inline float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float half_of(uint16_t bits) {
    const uint32_t exponent = bits >> 10 & 31;
    const uint32_t fraction = bits & 1023;
    const uint32_t sign = (uint32_t)(bits >> 15) << 31;
    if (exponent == 31) return float_of(sign | 0x7f800000u | fraction << 13);
    if (exponent) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    const float small = (float)fraction * 0x1p-24f;
    return sign ? -small : small;
}

/* Returns a real as a double, which holds all of them exactly. */
static inline double real_at(CoupletNpyElement element, const unsigned char *at, bool swapped) {
    if (element == COUPLET_ELEMENT_F32) return (double)float_of(load32(at, swapped));
    if (element == COUPLET_ELEMENT_F64) return double_of(load64(at, swapped));
    if (element == COUPLET_ELEMENT_F16) return (double)half_of(load16(at, swapped));
    return (double)float_of((uint32_t)load16(at, swapped) << 16);
}

/* Returns a whole number. A uint64 beyond int64 becomes INT64_MAX, which neither int32 nor float32
 * holds. */
static inline int64_t whole_at(CoupletNpyElement element, const unsigned char *at, bool swapped) {
    switch (element) {
    case COUPLET_ELEMENT_I8:
        return (int8_t)*at;
    case COUPLET_ELEMENT_I16:
        return (int16_t)load16(at, swapped);
    case COUPLET_ELEMENT_I32:
        return (int32_t)load32(at, swapped);
    case COUPLET_ELEMENT_I64:
        return (int64_t)load64(at, swapped);
    case COUPLET_ELEMENT_U8:
        return *at;
    case COUPLET_ELEMENT_U16:
        return load16(at, swapped);
    case COUPLET_ELEMENT_U32:
        return load32(at, swapped);
    case COUPLET_ELEMENT_U64:
        return load64(at, swapped) > INT64_MAX ? INT64_MAX : (int64_t)load64(at, swapped);
    case COUPLET_ELEMENT_BOOL:
        return *at != 0;
    case COUPLET_ELEMENT_F16:
    case COUPLET_ELEMENT_F32:
    case COUPLET_ELEMENT_F64:
    case COUPLET_ELEMENT_BF16:
        break;
    }
    return 0;
}

/* ---- many ------------------------------------------------------------------------------------ */

/* Rounds to float32. Returns false if the value is too large, or if it is NaN or infinite and these
 * are not allowed. */
static inline bool to_real(double value, bool unusual, float *out) {
    *out = (float)value;
    if (isfinite(*out)) return true;
    return unusual && !isfinite(value);
}

/* Converts a whole number to float32. Returns false if float32 does not have it exactly. */
static inline bool whole_to_real(int64_t whole, float *out) {
    const int64_t most = INT64_C(1) << 62; /* beyond this, converting back could overflow */
    *out = (float)whole;
    return whole > -most && whole < most && (int64_t)*out == whole;
}

static inline bool real_to_int(double value, int32_t *out) {
    const bool fits = value >= INT32_MIN && value <= INT32_MAX; /* false for NaN */
    *out = fits ? (int32_t)value : 0;
    return fits && (double)*out == value;
}

static inline bool to_int(int64_t whole, int32_t *out) {
    *out = (int32_t)whole;
    return whole == (int64_t)*out;
}

/* Writes a loop for each type of element, so that the compiler knows the type. */
#define EACH(body)                                                                                 \
    for (int64_t i = 0; i < count; i++) {                                                          \
        const unsigned char *at = from->at + i * from->stride;                                     \
        if (!(body)) return i;                                                                     \
    }                                                                                              \
    return count;

#define REALS(element)                                                                             \
    if (type == COUPLET_I32) {                                                                     \
        EACH(real_to_int(real_at(element, at, from->swapped), &ints[i]))                           \
    }                                                                                              \
    EACH(to_real(real_at(element, at, from->swapped), unusual, &reals[i]))

#define WHOLES(element)                                                                            \
    if (type == COUPLET_I32) {                                                                     \
        EACH(to_int(whole_at(element, at, from->swapped), &ints[i]))                               \
    }                                                                                              \
    EACH(whole_to_real(whole_at(element, at, from->swapped), &reals[i]))

int64_t couplet_elements_convert(const CoupletElements *from, int64_t count, CoupletType type,
                                 bool unusual, void *out) {
    float *reals = out;
    int32_t *ints = out;
    uint8_t *bytes = out;
    if (type == COUPLET_U8) {
        for (int64_t i = 0; i < count; i++)
            bytes[i] = from->at[i * from->stride];
        return count;
    }
    switch (from->element) {
    case COUPLET_ELEMENT_F16:
        REALS(COUPLET_ELEMENT_F16)
    case COUPLET_ELEMENT_F32:
        REALS(COUPLET_ELEMENT_F32)
    case COUPLET_ELEMENT_F64:
        REALS(COUPLET_ELEMENT_F64)
    case COUPLET_ELEMENT_BF16:
        REALS(COUPLET_ELEMENT_BF16)
    case COUPLET_ELEMENT_I8:
        WHOLES(COUPLET_ELEMENT_I8)
    case COUPLET_ELEMENT_I16:
        WHOLES(COUPLET_ELEMENT_I16)
    case COUPLET_ELEMENT_I32:
        WHOLES(COUPLET_ELEMENT_I32)
    case COUPLET_ELEMENT_I64:
        WHOLES(COUPLET_ELEMENT_I64)
    case COUPLET_ELEMENT_U8:
        WHOLES(COUPLET_ELEMENT_U8)
    case COUPLET_ELEMENT_U16:
        WHOLES(COUPLET_ELEMENT_U16)
    case COUPLET_ELEMENT_U32:
        WHOLES(COUPLET_ELEMENT_U32)
    case COUPLET_ELEMENT_U64:
        WHOLES(COUPLET_ELEMENT_U64)
    case COUPLET_ELEMENT_BOOL:
        WHOLES(COUPLET_ELEMENT_BOOL)
    }
    return 0;
}

int64_t couplet_elements_unusual(const float *values, int64_t count) {
    enum { BLOCK = 1024 };
    for (int64_t first = 0; first < count; first += BLOCK) {
        const int64_t here = count - first < BLOCK ? count - first : BLOCK;
        uint32_t any = 0;
        for (int64_t i = 0; i < here; i++) { /* without a branch, so that it becomes vectors */
            uint32_t bits;
            memcpy(&bits, values + first + i, sizeof bits);
            any |= (bits & 0x7f800000u) == 0x7f800000u;
        }
        for (int64_t i = 0; any && i < here; i++)
            if (!isfinite(values[first + i])) return first + i;
    }
    return count;
}

const char *couplet_elements_text(const CoupletElements *from, int64_t i, char *out, size_t bytes) {
    const unsigned char *at = from->at + i * from->stride;
    if (elements[from->element].is_real) {
        const double value = real_at(from->element, at, from->swapped);
        snprintf(out, bytes, "%.*g", from->element == COUPLET_ELEMENT_F64 ? 17 : 9,
                 isnan(value) ? fabs(value) : value);
    } else if (from->element == COUPLET_ELEMENT_U64) {
        snprintf(out, bytes, "%llu", (unsigned long long)load64(at, from->swapped));
    } else {
        snprintf(out, bytes, "%lld", (long long)whole_at(from->element, at, from->swapped));
    }
    return out;
}
