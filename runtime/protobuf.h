/* Writes protocol buffers: the fields of a message, one behind the other. Event files and models of
 * ONNX need four kinds of fields (a varint, four bytes, eight bytes, and bytes with their length),
 * so a library for the whole format would be more to carry.
 *
 * Fields and their numbers are those of the message's .proto file. */
#ifndef COUPLET_RUNTIME_PROTOBUF_H
#define COUPLET_RUNTIME_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message that grows. {0} is a message without fields. A message is freed after its last use. */
typedef struct CoupletMessage {
    unsigned char *bytes;
    size_t length;
    size_t capacity;
    bool is_short; /* memory ran out, so fields are missing */
} CoupletMessage;

/* Add a field: an int, a truth value or a value of an enum. */
void couplet_message_int(CoupletMessage *m, int field, int64_t value);
void couplet_message_double(CoupletMessage *m, int field, double value);
void couplet_message_float(CoupletMessage *m, int field, float value);
void couplet_message_bytes(CoupletMessage *m, int field, const void *bytes, size_t length);
void couplet_message_text(CoupletMessage *m, int field, const char *text);
/* Adds a message as a field. The caller keeps `part`. */
void couplet_message_part(CoupletMessage *m, int field, const CoupletMessage *part);
/* Adds a number without a field, little-endian, as in frames of records. */
void couplet_message_little(CoupletMessage *m, uint64_t bits, int bytes);
void couplet_message_free(CoupletMessage *m);

#endif
