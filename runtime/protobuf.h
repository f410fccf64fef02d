/* Protocol buffers, for writing: fields of a message, one behind the other. Event files and models
 * of ONNX take four kinds of fields (a varint, four or eight bytes, and bytes with their length),
 * so that a library of the whole format would be more to carry than this.
 *
 * The fields and their numbers are those of the .proto file of the message. */
#ifndef COUPLET_RUNTIME_PROTOBUF_H
#define COUPLET_RUNTIME_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message that grows. {0} is a message without a field. A message is freed after its last use. */
typedef struct CoupletMessage {
    unsigned char *bytes;
    size_t length, capacity;
    bool is_short; /* memory ran out: what was put behind is missing */
} CoupletMessage;

/* An int, a truth value or a value of an enum. */
void couplet_message_int(CoupletMessage *m, int field, int64_t value);
void couplet_message_double(CoupletMessage *m, int field, double value);
void couplet_message_float(CoupletMessage *m, int field, float value);
void couplet_message_bytes(CoupletMessage *m, int field, const void *bytes, size_t length);
void couplet_message_text(CoupletMessage *m, int field, const char *text);
/* A message as a field; `part` stays the caller's. */
void couplet_message_part(CoupletMessage *m, int field, const CoupletMessage *part);
/* A number without a field, little-endian, as records frame messages. */
void couplet_message_little(CoupletMessage *m, uint64_t bits, int bytes);
void couplet_message_free(CoupletMessage *m);

#endif
