/* Reads and writes frames of the protocol: `Content-Length: N`, an empty line and N bytes of JSON.
 * A header without a length ends the session, because nothing tells where the next message begins.
 * If the content is no JSON, only this one message is lost. */
#include "compiler/lsp/message.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* A message or a header of more bytes than these is taken for noise. */
enum {
    MOST_MESSAGE_BYTES = 256 << 20,
    MOST_HEADER_BYTES = 1 << 16,
};

Waited message_wait(MessageReader *reader, int other, int milliseconds) {
    struct pollfd ready[] = {{.fd = reader->descriptor, .events = POLLIN},
                             {.fd = other, .events = POLLIN}};
    char piece[1 << 16];
    const int count = poll(ready, 2, milliseconds);
    if (count < 0 && errno != EINTR) reader->ended = true;
    if (count <= 0) return WAITED_NOTHING;
    if (!ready[0].revents) return WAITED_OTHER;
    const ssize_t got = read(reader->descriptor, piece, sizeof piece);
    if (got > 0)
        text_append(&reader->buffer, piece, (size_t)got);
    else if (got == 0 || (errno != EINTR && errno != EAGAIN))
        reader->ended = true;
    return WAITED_MESSAGE;
}

/* Returns the length that a header of NAME: VALUE lines gives, or -1 if it gives none. */
static long length_of_header(const char *header, size_t size) {
    static const char name[] = "content-length:";
    for (size_t at = 0; at < size;) {
        const char *line = header + at;
        const char *end = memchr(line, '\n', size - at);
        if (!end) end = header + size;
        char value[32] = "";
        const size_t length = (size_t)(end - line);
        if (length > sizeof name - 1 && strncasecmp(line, name, sizeof name - 1) == 0) {
            snprintf(value, sizeof value, "%.*s", (int)(length - (sizeof name - 1)),
                     line + sizeof name - 1);
            char *stop;
            errno = 0;
            const long number = strtol(value, &stop, 10);
            const bool whole = stop != value && stop[strspn(stop, " \t\r")] == 0 && errno == 0;
            return whole && number >= 0 && number <= MOST_MESSAGE_BYTES ? number : -1;
        }
        at += length + 1;
    }
    return -1;
}

/* Returns the number of bytes up to and with the empty line, or 0 if the empty line has not
 * arrived. */
static size_t header_size(const char *data, size_t size) {
    for (size_t at = 0; at + 1 < size; at++) {
        if (data[at] != '\n') continue;
        if (data[at + 1] == '\n') return at + 2;
        if (data[at + 1] == '\r' && at + 2 < size && data[at + 2] == '\n') return at + 3;
    }
    return 0;
}

/* Drops the bytes of messages that were taken, once they are half of the buffer. */
static void drop_taken(MessageReader *reader) {
    Text *buffer = &reader->buffer;
    if (reader->begin < buffer->length / 2) return;
    memmove(buffer->data, buffer->data + reader->begin, buffer->length - reader->begin);
    buffer->length -= reader->begin;
    reader->begin = 0;
}

MessageAnswer message_take(MessageReader *reader, json_t **message) {
    const char *data = reader->buffer.data + reader->begin;
    const size_t size = reader->buffer.length - reader->begin;
    const size_t header = header_size(data, size);
    const MessageAnswer waiting = reader->ended ? MESSAGE_END : MESSAGE_NONE;
    *message = NULL;
    if (!header) {
        if (size <= MOST_HEADER_BYTES) return waiting;
        reader->ended = true;
        return MESSAGE_END;
    }
    const long length = length_of_header(data, header);
    if (length < 0) {
        reader->ended = true;
        reader->begin = reader->buffer.length;
        return MESSAGE_END;
    }
    if (size - header < (size_t)length) return waiting;
    *message = json_loadb(data + header, (size_t)length, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    reader->begin += header + (size_t)length;
    drop_taken(reader);
    return *message ? MESSAGE_READ : MESSAGE_BROKEN;
}

void message_reader_free(MessageReader *reader) {
    text_free(&reader->buffer);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void send_message(FILE *out, json_t *message) {
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    if (text) {
        fprintf(out, "Content-Length: %zu\r\n\r\n%s", strlen(text), text);
    }
    fflush(out);
    free(text);
    json_decref(message);
}

void message_answer(FILE *out, json_t *id, json_t *result) {
    send_message(out, json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result",
                                result ? result : json_null()));
}

void message_refuse(FILE *out, json_t *id, RpcError code, const char *text) {
    json_t *own = id ? json_incref(id) : json_null();
    send_message(out, json_pack("{s:s, s:o, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", own, "error",
                                "code", (int)code, "message", text));
}

void message_notify(FILE *out, const char *method, json_t *params) {
    send_message(
        out, json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params));
}
