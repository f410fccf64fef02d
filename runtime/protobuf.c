/* Writes the fields of a message one behind the other (protobuf.h). */
#include "runtime/protobuf.h"

#include <stdlib.h>
#include <string.h>

typedef enum {
    WIRE_VARINT = 0,
    WIRE_EIGHT_BYTES = 1,
    WIRE_BYTES = 2,
    WIRE_FOUR_BYTES = 5,
} Wire;

static void put_bytes(CoupletMessage *m, const void *bytes, size_t length) {
    if (m->is_short || !length) return;
    if (length > m->capacity - m->length) {
        const size_t capacity = 2 * m->capacity + length + 64;
        unsigned char *grown = realloc(m->bytes, capacity);
        m->is_short = !grown;
        if (!grown) return;
        m->bytes = grown;
        m->capacity = capacity;
    }
    memcpy(m->bytes + m->length, bytes, length);
    m->length += length;
}

static void put_varint(CoupletMessage *m, uint64_t value) {
    unsigned char bytes[10];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (unsigned char)(value | 0x80);
    bytes[count++] = (unsigned char)value;
    put_bytes(m, bytes, count);
}

static void put_key(CoupletMessage *m, int field, Wire wire) {
    put_varint(m, (uint64_t)field << 3 | wire);
}

/* The format's numbers are little-endian on every machine. */
void couplet_message_little(CoupletMessage *m, uint64_t bits, int bytes) {
    unsigned char little[8];
    for (int i = 0; i < bytes; i++)
        little[i] = (unsigned char)(bits >> 8 * i);
    put_bytes(m, little, (size_t)bytes);
}

void couplet_message_int(CoupletMessage *m, int field, int64_t value) {
    put_key(m, field, WIRE_VARINT);
    put_varint(m, (uint64_t)value);
}

void couplet_message_double(CoupletMessage *m, int field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(m, field, WIRE_EIGHT_BYTES);
    couplet_message_little(m, bits, 8);
}

void couplet_message_float(CoupletMessage *m, int field, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(m, field, WIRE_FOUR_BYTES);
    couplet_message_little(m, bits, 4);
}

void couplet_message_bytes(CoupletMessage *m, int field, const void *bytes, size_t length) {
    put_key(m, field, WIRE_BYTES);
    put_varint(m, length);
    put_bytes(m, bytes, length);
}

void couplet_message_text(CoupletMessage *m, int field, const char *text) {
    couplet_message_bytes(m, field, text, strlen(text));
}

void couplet_message_part(CoupletMessage *m, int field, const CoupletMessage *part) {
    couplet_message_bytes(m, field, part->bytes, part->length);
    m->is_short |= part->is_short;
}

void couplet_message_free(CoupletMessage *m) {
    free(m->bytes);
    *m = (CoupletMessage){0};
}
