#include "runtime/idx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST_BYTES = 1 << 30, PIECE = 1 << 20 };

typedef struct Reader {
    const char *path;
    gzFile file;
    int64_t offset; /* in the unpacked stream */
    char *error;
    size_t error_bytes;
} Reader;

/* Reads exactly `count` bytes; a stream that ends or does not unpack is an error. */
static bool read_exactly(Reader *r, uint8_t *to, int64_t count, const char *what) {
    int64_t got = 0;
    while (got < count) {
        int want = count - got < PIECE ? (int)(count - got) : PIECE, read = gzread(r->file, to + got, (unsigned)want);
        if (read < 0 || (read == 0 && got < count)) {
            int code;
            const char *text = gzerror(r->file, &code);
            if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
                snprintf(r->error, r->error_bytes, "%s: the gzip stream is corrupt near byte %lld of its contents (%s)", r->path, (long long)(r->offset + got), text);
            else
                snprintf(r->error, r->error_bytes, "%s: the file ends in %s at byte %lld of its contents; %lld more bytes were expected", r->path, what,
                         (long long)(r->offset + got), (long long)(count - got));
            return false;
        }
        got += read;
    }
    r->offset += count;
    return true;
}

static uint32_t big_endian(const uint8_t *b) { return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]; }

static bool read_header(Reader *r, CoupletIdx *out) {
    uint8_t head[4], dim[4];
    if (!read_exactly(r, head, 4, "the magic number")) return false;
    if (head[0] || head[1] || head[2] != 0x08 || head[3] < 1 || head[3] > 3) {
        snprintf(r->error, r->error_bytes, "%s: the magic number is %02x%02x%02x%02x, and 000008 with one to three axes (IDX of unsigned bytes) was expected", r->path,
                 head[0], head[1], head[2], head[3]);
        return false;
    }
    out->rank = head[3];
    out->count = 1;
    for (int i = 0; i < out->rank; i++) {
        if (!read_exactly(r, dim, 4, "the header")) return false;
        out->shape[i] = big_endian(dim);
        if (out->shape[i] == 0 || out->shape[i] > MOST_BYTES / out->count) {
            snprintf(r->error, r->error_bytes, "%s: axis %d of the header is %lld, which makes no sensible size", r->path, i + 1, (long long)out->shape[i]);
            return false;
        }
        out->count *= out->shape[i];
    }
    return true;
}

/* Past the last element: the checksum is verified only when the end is read. */
static bool read_end(Reader *r) {
    uint8_t more;
    int read = gzread(r->file, &more, 1);
    if (read == 0) {
        int code;
        gzerror(r->file, &code);
        if (code == Z_OK || code == Z_STREAM_END) return true;
        snprintf(r->error, r->error_bytes, "%s: the file ends in the gzip trailer after byte %lld of its contents", r->path, (long long)r->offset);
    } else if (read < 0) {
        int code;
        snprintf(r->error, r->error_bytes, "%s: the gzip stream is corrupt at its end (%s)", r->path, gzerror(r->file, &code));
    } else {
        snprintf(r->error, r->error_bytes, "%s: there are bytes after the last element, at byte %lld of its contents", r->path, (long long)r->offset);
    }
    return false;
}

bool couplet_idx_read(const char *path, CoupletIdx *out, char *error, size_t error_bytes) {
    memset(out, 0, sizeof *out);
    errno = 0;
    Reader r = {path, gzopen(path, "rb"), 0, error, error_bytes};
    if (!r.file) {
        snprintf(error, error_bytes, "%s: cannot be opened: %s", path, errno ? strerror(errno) : "out of memory");
        return false;
    }
    bool good = read_header(&r, out);
    if (good) {
        out->bytes = malloc((size_t)out->count);
        if (!out->bytes) snprintf(error, error_bytes, "%s: out of memory for %lld bytes", path, (long long)out->count);
        good = out->bytes && read_exactly(&r, out->bytes, out->count, "the elements") && read_end(&r);
    }
    gzclose(r.file);
    if (!good) couplet_idx_free(out);
    return good;
}

void couplet_idx_free(CoupletIdx *idx) {
    free(idx->bytes);
    memset(idx, 0, sizeof *idx);
}
