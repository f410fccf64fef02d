/* Writes event files (events.h): records with checksums, which are appended as the numbers come. */
#include "runtime/events.h"

#include "runtime/files.h"
#include "runtime/protobuf.h"

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
enum { MOST_TAG = 700 };

/* ---- records --------------------------------------------------------------------------------- */

/* Returns the masked checksum of record_writer.h. A plain checksum of bytes that hold checksums
 * would be weak. */
static uint32_t masked(const void *bytes, size_t length) {
    const uint32_t crc = couplet_crc32c(bytes, length);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* Writes a record: its length, the checksum of the length, the event, the checksum of the event. */
static bool write_record(CoupletEvents *e, const CoupletMessage *event, char *error,
                         size_t error_bytes) {
    CoupletMessage record = {0};
    errno = 0;
    bool good = !event->is_short;
    if (good) {
        couplet_message_little(&record, event->length, 8);
        if (!record.is_short) {
            couplet_message_little(&record, masked(record.bytes, 8), 4);
        }
        good = !record.is_short && fwrite(record.bytes, 1, record.length, e->file) == record.length;
        record.length = 0;
        couplet_message_little(&record, masked(event->bytes, event->length), 4);
        good = good && !record.is_short &&
               fwrite(event->bytes, 1, event->length, e->file) == event->length &&
               fwrite(record.bytes, 1, record.length, e->file) == record.length &&
               fflush(e->file) == 0;
    }
    couplet_message_free(&record);
    if (!good)
        snprintf(error, error_bytes, "%s: cannot be written: %s", e->path,
                 errno ? strerror(errno) : "out of memory");
    return good;
}

/* Returns an event at this step and at the present time. The caller frees it. */
static CoupletMessage event_of(int64_t step) {
    CoupletMessage event = {0};
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    couplet_message_double(&event, EVENT_WALL_TIME, (double)t.tv_sec + (double)t.tv_nsec * 1e-9);
    couplet_message_int(&event, EVENT_STEP, step);
    return event;
}

/* Writes the event and frees it. */
static bool put_record(CoupletEvents *e, CoupletMessage *event, char *error, size_t error_bytes) {
    const bool good = write_record(e, event, error, error_bytes);
    couplet_message_free(event);
    return good;
}

/* Puts a message into the event as a field, and frees it. */
static void put_part(CoupletMessage *event, int field, CoupletMessage *part) {
    couplet_message_part(event, field, part);
    couplet_message_free(part);
}

static bool put_scalar(CoupletEvents *e, int64_t step, const char *group, const char *name,
                       double value, char *error, size_t error_bytes) {
    char tag[MOST_TAG];
    CoupletMessage event = event_of(step);
    CoupletMessage summary = {0};
    CoupletMessage scalar = {0};
    snprintf(tag, sizeof tag, "%s%s", group, name);
    couplet_message_text(&scalar, VALUE_TAG, tag);
    couplet_message_float(&scalar, VALUE_SIMPLE_VALUE, (float)value);
    put_part(&summary, SUMMARY_VALUE, &scalar);
    put_part(&event, EVENT_SUMMARY, &summary);
    return put_record(e, &event, error, error_bytes);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* True for the keys that tell the time of a row. */
static bool is_of_time(const char *name) {
    static const char *const keys[] = {"step", "epoch", "epochs", "before_epoch", "before_step"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], name) == 0) return true;
    return false;
}

/* True for the row of a class. The mean over all classes is an evaluation, with a row of its
 * own. */
static bool is_of_class(const CoupletMetric *metrics, int count) {
    const CoupletMetric *class = couplet_metrics_find(metrics, count, "class");
    return class && class->text; /* a loss may be called "class", but has no text */
}

bool couplet_events_row(CoupletEvents *e, const CoupletMetric *metrics, int count, char *error,
                        size_t error_bytes) {
    const CoupletMetric *step = couplet_metrics_find(metrics, count, "step");
    const CoupletMetric *evaluation = couplet_metrics_find(metrics, count, "evaluation");
    const CoupletMetric *of = couplet_metrics_find(metrics, count, "of");
    const bool before = couplet_metrics_find(metrics, count, "before_epoch") ||
                        couplet_metrics_find(metrics, count, "before_step");
    const bool raw = of && couplet_subject_of(of->text) == COUPLET_RAW;
    const char *group = evaluation ? (raw ? "raw/" : "eval/") : before ? "before/" : "";
    bool good = true;
    if (is_of_class(metrics, count)) return true;
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

/* Writes a row of the log into the event file, if the row is of step 0. */
static bool take(void *context, const CoupletMetric *metrics, int count) {
    const Replay *r = context;
    const CoupletMetric *step = couplet_metrics_find(metrics, count, "step");
    return !step || step->value > 0 ||
           couplet_events_row(r->events, metrics, count, r->error, r->error_bytes);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Writes the two events that begin a file: the version of the format, and the start of a run behind
 * `step`, which tells readers to drop later steps of earlier files. */
static bool put_start(CoupletEvents *e, int64_t step, char *error, size_t error_bytes) {
    static const char version[] = "brain.Event:2";
    CoupletMessage event = event_of(0);
    CoupletMessage start = {0};
    couplet_message_text(&event, EVENT_FILE_VERSION, version);
    if (!put_record(e, &event, error, error_bytes)) return false;
    event = event_of(step + 1);
    couplet_message_int(&start, SESSION_LOG_STATUS, STATUS_START);
    put_part(&event, EVENT_SESSION_LOG, &start);
    return put_record(e, &event, error, error_bytes);
}

CoupletEvents *couplet_events_open(const char *folder, int64_t step, const char *start, char *error,
                                   size_t error_bytes) {
    CoupletEvents *e = calloc(1, sizeof *e);
    char name[80];
    if (!e) {
        snprintf(error, error_bytes, "out of memory for an event file");
    }
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
