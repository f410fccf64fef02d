#include "runtime/npz.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Sizes of the fixed parts of a zip archive's records, and the marks that they begin with. */
enum { END_BYTES = 22, ENTRY_BYTES = 46, LOCAL_BYTES = 30, END_MARK = 0x06054b50, ENTRY_MARK = 0x02014b50, LOCAL_MARK = 0x04034b50 };
enum { PIECE = 1 << 30, MOST_INFLATION = 1032 + 1 /* of deflated data */ };
enum { STORED = 0, DEFLATED = 8, ENCRYPTED = 1 /* bit of the flags */, LONG_SIZES = 1 /* kind of an extra field */ };
static const size_t elsewhere = 0xffffffff; /* a size or offset that does not fit and stands in the extra field */

typedef struct Archive {
    const char *path;
    unsigned char *bytes;
    size_t length;
    char *error;
    size_t error_bytes;
} Archive;

typedef struct Member {
    const char *name;
    size_t name_length, packed, size, local;
    unsigned method, flags;
    uLong checksum;
    char shown[64]; /* the name without .npy, for messages */
} Member;

static bool fail(const Archive *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(const Archive *a, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(a->error, a->error_bytes, format, args);
    va_end(args);
    return false;
}

static unsigned read16(const unsigned char *at) { return at[0] | (unsigned)at[1] << 8; }
static size_t read32(const unsigned char *at) { return read16(at) | (size_t)read16(at + 2) << 16; }
static size_t read64(const unsigned char *at) { return read32(at) | read32(at + 4) << 32; }

static bool read_archive(Archive *a) {
    FILE *file = fopen(a->path, "rb");
    if (!file) return fail(a, "`%s` cannot be read: %s", a->path, strerror(errno));
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    a->bytes = size >= END_BYTES && fseek(file, 0, SEEK_SET) == 0 ? malloc((size_t)size) : NULL;
    a->length = a->bytes ? fread(a->bytes, 1, (size_t)size, file) : 0;
    fclose(file);
    if (a->bytes && a->length == (size_t)size) return true;
    return fail(a, size < END_BYTES ? "`%s` is too short for an .npz archive" : "`%s` cannot be read to its end", a->path);
}

/* The record at the end of the archive, behind which only a comment may stand. */
static const unsigned char *find_end(const Archive *a) {
    size_t last = a->length - END_BYTES, first = last > 0xffff ? last - 0xffff : 0;
    for (size_t at = last + 1; at-- > first;)
        if (read32(a->bytes + at) == END_MARK) return a->bytes + at;
    return NULL;
}

static void show_name(Member *m) {
    size_t length = m->name_length > 4 && memcmp(m->name + m->name_length - 4, ".npy", 4) == 0 ? m->name_length - 4 : m->name_length;
    if (length >= sizeof m->shown) length = sizeof m->shown - 1;
    for (size_t i = 0; i < length; i++) m->shown[i] = (char)(m->name[i] >= ' ' && m->name[i] <= '~' ? m->name[i] : '?');
    m->shown[length] = 0;
}

/* Sizes that 32 bits do not hold, from the extra field of `length` bytes: those that are missing, in the order of the entry. */
static bool read_long_sizes(Member *m, const unsigned char *extra, size_t length) {
    size_t *const missing[] = {&m->size, &m->packed, &m->local};
    while (length >= 4 && (read16(extra) != LONG_SIZES || read16(extra + 2) + (size_t)4 > length)) {
        const size_t field = 4 + (size_t)read16(extra + 2);
        if (field > length) break;
        extra += field;
        length -= field;
    }
    size_t left = length >= 4 && read16(extra) == LONG_SIZES ? read16(extra + 2) : 0;
    const unsigned char *at = extra + 4;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        if (*missing[i] != elsewhere) continue;
        if (left < 8) return false;
        *missing[i] = read64(at);
        at += 8;
        left -= 8;
    }
    return true;
}

/* The member of the directory at *offset, which moves on to the next. */
static bool next_member(const Archive *a, size_t *offset, Member *m) {
    if (*offset > a->length || a->length - *offset < ENTRY_BYTES || read32(a->bytes + *offset) != ENTRY_MARK)
        return fail(a, "`%s`: the directory of the archive is damaged at byte %zu", a->path, *offset);
    const unsigned char *entry = a->bytes + *offset;
    *m = (Member){.name = (const char *)entry + ENTRY_BYTES, .name_length = read16(entry + 28), .packed = read32(entry + 20), .size = read32(entry + 24),
                  .local = read32(entry + 42), .method = read16(entry + 10), .flags = read16(entry + 8), .checksum = read32(entry + 16)};
    const size_t extra = read16(entry + 30), length = ENTRY_BYTES + m->name_length + extra + read16(entry + 32);
    if (length > a->length - *offset) return fail(a, "`%s`: the directory of the archive is cut short", a->path);
    if (!read_long_sizes(m, entry + ENTRY_BYTES + m->name_length, extra)) return fail(a, "`%s`: the directory of the archive is damaged at byte %zu", a->path, *offset);
    *offset += length;
    show_name(m);
    return true;
}

static bool is_named(const Member *m, const char *name) {
    size_t length = strlen(name);
    bool bare = m->name_length == length, ending = m->name_length == length + 4 && memcmp(m->name + length, ".npy", 4) == 0;
    return (bare || ending) && memcmp(m->name, name, length) == 0;
}

static bool find_member(const Archive *a, const char *name, Member *m) {
    const unsigned char *end = find_end(a);
    if (!end) return fail(a, "`%s` is no .npz archive: it does not end with a zip directory", a->path);
    size_t offset = read32(end + 16);
    char names[256] = "";
    for (unsigned i = 0; i < read16(end + 10); i++) {
        if (!next_member(a, &offset, m)) return false;
        if (is_named(m, name)) return true;
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", m->shown);
    }
    return fail(a, "`%s` has no array `%s`; it has %s", a->path, name, names[0] ? names : "none");
}

static bool inflate_member(const Archive *a, const unsigned char *packed, const Member *m, unsigned char *out) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return fail(a, "out of memory while reading `%s`", a->path);
    size_t in_left = m->packed, out_left = m->size;
    stream.next_in = (unsigned char *)(uintptr_t)packed;
    stream.next_out = out;
    int status = Z_OK;
    while (status == Z_OK) { /* zlib counts in 32 bits */
        const uInt in = in_left < PIECE ? (uInt)in_left : PIECE, room = out_left < PIECE ? (uInt)out_left : PIECE;
        stream.avail_in = in;
        stream.avail_out = room;
        status = inflate(&stream, Z_NO_FLUSH);
        in_left -= in - stream.avail_in;
        out_left -= room - stream.avail_out;
        if (status == Z_OK && in == stream.avail_in && room == stream.avail_out) status = Z_BUF_ERROR;
    }
    bool whole = status == Z_STREAM_END && out_left == 0;
    inflateEnd(&stream);
    return whole || fail(a, "`%s`: the array %s is damaged: it does not unpack", a->path, m->shown);
}

/* The array in the bytes of a member, once they are what the archive has summed up. */
static bool take(const Archive *a, const Member *m, const unsigned char *bytes, CoupletNpy *out) {
    if (crc32_z(0, bytes, m->size) != m->checksum) return fail(a, "`%s`: the array %s is damaged: its checksum is another", a->path, m->shown);
    char name[4200];
    snprintf(name, sizeof name, "%s, array %s", a->path, m->shown);
    return couplet_npy_read_bytes(name, bytes, m->size, out, a->error, a->error_bytes);
}

static bool unpack(const Archive *a, const Member *m, CoupletNpy *out) {
    if (m->local > a->length || a->length - m->local < LOCAL_BYTES || read32(a->bytes + m->local) != LOCAL_MARK)
        return fail(a, "`%s`: the archive has no array where its directory says %s begins", a->path, m->shown);
    size_t begin = m->local + LOCAL_BYTES + read16(a->bytes + m->local + 26) + read16(a->bytes + m->local + 28);
    if (begin > a->length || m->packed > a->length - begin) return fail(a, "`%s` is cut short inside the array %s", a->path, m->shown);
    if (m->flags & ENCRYPTED) return fail(a, "`%s`: the array %s is encrypted, and encrypted ones are not read", a->path, m->shown);
    const unsigned char *bytes = a->bytes + begin;
    if (m->method == STORED && m->packed == m->size) return take(a, m, bytes, out);
    if (m->method != DEFLATED) return fail(a, "`%s`: the array %s is packed by method %u; stored and deflated ones are read", a->path, m->shown, m->method);
    if (m->size / MOST_INFLATION > m->packed) return fail(a, "`%s`: the array %s is damaged: its size cannot be", a->path, m->shown);
    unsigned char *unpacked = malloc(m->size + 1);
    if (!unpacked) return fail(a, "out of memory while reading `%s`", a->path);
    bool good = inflate_member(a, bytes, m, unpacked) && take(a, m, unpacked, out);
    free(unpacked);
    return good;
}

bool couplet_npz_read(const char *path, const char *name, CoupletNpy *out, char *error, size_t error_bytes) {
    Archive archive = {path, NULL, 0, error, error_bytes};
    Member member;
    memset(&member, 0, sizeof member);
    memset(out, 0, sizeof *out);
    bool good = read_archive(&archive) && find_member(&archive, name, &member) && unpack(&archive, &member, out);
    free(archive.bytes);
    return good;
}
