/* The messages between an editor and the server: JSON-RPC 2.0, each behind a header that says its
 * length. */
#ifndef COUPLET_LSP_MESSAGE_H
#define COUPLET_LSP_MESSAGE_H

#include "lang/support.h"

#include <jansson.h>

/* The codes of errors of JSON-RPC and of the protocol. */
typedef enum {
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_UNKNOWN_METHOD = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_INTERNAL = -32603,
    RPC_NOT_INITIALIZED = -32002,
    RPC_FAILED = -32803
} RpcError;

/* A reader of a descriptor, with the bytes that arrived behind the last message. All but the
 * descriptor is zero at the beginning. */
typedef struct MessageReader {
    int descriptor;
    Text buffer;
    size_t begin; /* the first byte of the buffer that was not taken yet */
    bool ended;   /* true if the other side has closed the stream, or sends what is no message */
} MessageReader;

typedef enum {
    MESSAGE_NONE, /* the message is not complete yet */
    MESSAGE_READ,
    MESSAGE_BROKEN, /* the content is no JSON */
    MESSAGE_END
} MessageAnswer;

typedef enum {
    WAITED_NOTHING,
    WAITED_MESSAGE,
    WAITED_OTHER,
} Waited;

/* Waits up to `milliseconds` (-1: without end) until the descriptor has bytes, and reads them. The
 * wait also ends when the descriptor `other` (-1: none) has bytes, which are left to be read. */
Waited message_wait(MessageReader *reader, int other, int milliseconds);
/* Takes the next whole message. The caller owns *message. */
MessageAnswer message_take(MessageReader *reader, json_t **message);
void message_reader_free(MessageReader *reader);

/* Write an answer, a refusal or a notification. Each takes the reference of `result` or `params`. A
 * `result` of NULL is written as null, and so is an `id` of NULL in a refusal. */
void message_answer(FILE *out, json_t *id, json_t *result);
void message_refuse(FILE *out, json_t *id, RpcError code, const char *text);
void message_notify(FILE *out, const char *method, json_t *params);

#endif
