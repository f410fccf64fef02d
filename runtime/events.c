/* Writes event files by hand: a scalar takes three kinds of a protocol buffer's fields (a varint,
 * four or eight bytes, and bytes with their length), and nothing else of that library is needed. */
#include "runtime/events.h"

#include "runtime/files.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct CoupletEvents {
    FILE *file;
    char path[COUPLET_PATH_BYTES];
};

uint32_t couplet_crc32c(const void *bytes, size_t length) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < length; i++) {
        crc ^= ((const unsigned char *)bytes)[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* ---- protocol buffers ------------------------------------------------------------------------ */

enum { MESSAGE_BYTES = 1024, MOST_TAG = 700 };

typedef struct Message {
    unsigned char bytes[MESSAGE_BYTES];
    size_t length;
} Message;

/* The numbers of fields in event.proto and summary.proto. */
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    EVENT_SESSION_LOG = 7,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE_VALUE = 2,
    SESSION_LOG_STATUS = 1,
    STATUS_START = 1
};
typedef enum { WIRE_VARINT = 0, WIRE_EIGHT_BYTES = 1, WIRE_BYTES = 2, WIRE_FOUR_BYTES = 5 } Wire;

static void put_varint(Message *m, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        m->bytes[m->length++] = (unsigned char)(value | 0x80);
    m->bytes[m->length++] = (unsigned char)value;
}

static void put_key(Message *m, int field, Wire wire) {
    put_varint(m, (uint64_t)field << 3 | wire);
}

/* Numbers of the format are little-endian on every machine. */
static void put_little(Message *m, uint64_t bits, int bytes) {
    for (int i = 0; i < bytes; i++)
        m->bytes[m->length++] = (unsigned char)(bits >> 8 * i);
}

static void put_double(Message *m, int field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(m, field, WIRE_EIGHT_BYTES);
    put_little(m, bits, 8);
}

static void put_float(Message *m, int field, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(m, field, WIRE_FOUR_BYTES);
    put_little(m, bits, 4);
}

static void put_bytes(Message *m, int field, const void *bytes, size_t length) {
    put_key(m, field, WIRE_BYTES);
    put_varint(m, length);
    memcpy(m->bytes + m->length, bytes, length);
    m->length += length;
}

static void put_message(Message *m, int field, const Message *part) {
    put_bytes(m, field, part->bytes, part->length);
}

/* ---- records --------------------------------------------------------------------------------- */

/* The masked checksum of record_writer.h: one of bytes that hold checksums would be weak. */
static uint32_t masked(const void *bytes, size_t length) {
    const uint32_t crc = couplet_crc32c(bytes, length);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* A record: its length, the checksum of that, the event, the checksum of that. */
static bool put_record(CoupletEvents *e, const Message *event, char *error, size_t error_bytes) {
    Message head = {.length = 0}, tail = {.length = 0};
    put_little(&head, event->length, 8);
    put_little(&head, masked(head.bytes, 8), 4);
    put_little(&tail, masked(event->bytes, event->length), 4);
    errno = 0;
    const bool good = fwrite(head.bytes, 1, head.length, e->file) == head.length &&
                      fwrite(event->bytes, 1, event->length, e->file) == event->length &&
                      fwrite(tail.bytes, 1, tail.length, e->file) == tail.length &&
                      fflush(e->file) == 0;
    if (!good) snprintf(error, error_bytes, "%s: cannot be written: %s", e->path, strerror(errno));
    return good;
}

static void begin_event(Message *event, int64_t step) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    event->length = 0;
    put_double(event, EVENT_WALL_TIME, (double)t.tv_sec + (double)t.tv_nsec * 1e-9);
    put_key(event, EVENT_STEP, WIRE_VARINT);
    put_varint(event, (uint64_t)step);
}

static bool put_scalar(CoupletEvents *e, int64_t step, const char *group, const char *name,
                       double value, char *error, size_t error_bytes) {
    char tag[MOST_TAG];
    Message event, summary = {.length = 0}, scalar = {.length = 0};
    snprintf(tag, sizeof tag, "%s%s", group, name);
    put_bytes(&scalar, VALUE_TAG, tag, strlen(tag));
    put_float(&scalar, VALUE_SIMPLE_VALUE, (float)value);
    put_message(&summary, SUMMARY_VALUE, &scalar);
    begin_event(&event, step);
    put_message(&event, EVENT_SUMMARY, &summary);
    return put_record(e, &event, error, error_bytes);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static const CoupletMetric *find(const CoupletMetric *metrics, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(metrics[i].name, name) == 0) return &metrics[i];
    return NULL;
}

/* Keys that say when a row is. */
static bool is_of_time(const char *name) {
    static const char *const keys[] = {"step", "epoch", "epochs", "before_epoch", "before_step"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], name) == 0) return true;
    return false;
}

bool couplet_events_row(CoupletEvents *e, const CoupletMetric *metrics, int count, char *error,
                        size_t error_bytes) {
    const CoupletMetric *step = find(metrics, count, "step"),
                        *evaluation = find(metrics, count, "evaluation"),
                        *of = find(metrics, count, "of");
    const bool before = find(metrics, count, "before_epoch") || find(metrics, count, "before_step"),
               raw = of && couplet_subject_of(of->text) == COUPLET_RAW;
    const char *group = evaluation ? (raw ? "raw/" : "eval/") : before ? "before/" : "";
    bool good = true;
    for (int i = 0; step && good && i < count; i++) {
        const CoupletMetric *m = &metrics[i];
        if (m->text || is_of_time(m->name) || !isfinite(m->value)) continue;
        good = put_scalar(e, (int64_t)step->value, group, evaluation ? evaluation->text : m->name,
                          m->value, error, error_bytes);
    }
    return good;
}

typedef struct Replay {
    CoupletEvents *events;
    char *error;
    size_t error_bytes;
} Replay;

static bool take(void *context, const CoupletMetric *metrics, int count) {
    const Replay *r = context;
    const CoupletMetric *step = find(metrics, count, "step");
    return !step || step->value > 0 ||
           couplet_events_row(r->events, metrics, count, r->error, r->error_bytes);
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool put_start(CoupletEvents *e, int64_t step, char *error, size_t error_bytes) {
    static const char version[] = "brain.Event:2";
    Message event, start = {.length = 0};
    begin_event(&event, 0);
    put_bytes(&event, EVENT_FILE_VERSION, version, strlen(version));
    if (!put_record(e, &event, error, error_bytes)) return false;
    put_key(&start, SESSION_LOG_STATUS, WIRE_VARINT);
    put_varint(&start, STATUS_START);
    begin_event(&event, step + 1);
    put_message(&event, EVENT_SESSION_LOG, &start);
    return put_record(e, &event, error, error_bytes);
}

CoupletEvents *couplet_events_open(const char *folder, int64_t step, const char *start, char *error,
                                   size_t error_bytes) {
    CoupletEvents *e = calloc(1, sizeof *e);
    char name[80];
    if (!e) snprintf(error, error_bytes, "out of memory for an event file");
    snprintf(name, sizeof name, COUPLET_EVENTS_BEGIN "%010" PRId64 COUPLET_EVENTS_END, step);
    if (!e || !couplet_path_join(folder, name, e->path, error, error_bytes)) {
        free(e);
        return NULL;
    }
    Replay replay = {e, error, error_bytes};
    e->file = fopen(e->path, "wb");
    if (!e->file)
        snprintf(error, error_bytes, "%s: cannot be written: %s", e->path, strerror(errno));
    if (e->file && put_start(e, step, error, error_bytes) &&
        (!start || couplet_metrics_each(start, take, &replay, error, error_bytes)))
        return e;
    couplet_events_close(e);
    return NULL;
}

void couplet_events_close(CoupletEvents *e) {
    if (e && e->file) fclose(e->file);
    free(e);
}
