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
enum { STORED = 0, DEFLATED = 8 };

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
    unsigned method;
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

/* The member of the directory at *offset, which moves on to the next. */
static bool next_member(const Archive *a, size_t *offset, Member *m) {
    if (*offset > a->length || a->length - *offset < ENTRY_BYTES || read32(a->bytes + *offset) != ENTRY_MARK)
        return fail(a, "`%s`: the directory of the archive is damaged at byte %zu", a->path, *offset);
    const unsigned char *entry = a->bytes + *offset;
    *m = (Member){(const char *)entry + ENTRY_BYTES, read16(entry + 28), read32(entry + 20), read32(entry + 24), read32(entry + 42), read16(entry + 10), ""};
    size_t length = ENTRY_BYTES + m->name_length + read16(entry + 30) + read16(entry + 32);
    if (length > a->length - *offset) return fail(a, "`%s`: the directory of the archive is cut short", a->path);
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
    stream.next_in = (unsigned char *)(uintptr_t)packed;
    stream.avail_in = (uInt)m->packed;
    stream.next_out = out;
    stream.avail_out = (uInt)m->size;
    int status = inflate(&stream, Z_FINISH);
    bool whole = status == Z_STREAM_END && stream.total_out == m->size;
    inflateEnd(&stream);
    return whole || fail(a, "`%s`: the array %s is damaged: it does not unpack", a->path, m->shown);
}

static bool unpack(const Archive *a, const Member *m, CoupletNpy *out) {
    if (m->local > a->length || a->length - m->local < LOCAL_BYTES || read32(a->bytes + m->local) != LOCAL_MARK)
        return fail(a, "`%s`: the archive has no array where its directory says %s begins", a->path, m->shown);
    size_t begin = m->local + LOCAL_BYTES + read16(a->bytes + m->local + 26) + read16(a->bytes + m->local + 28);
    if (begin > a->length || m->packed > a->length - begin) return fail(a, "`%s` is cut short inside the array %s", a->path, m->shown);
    if (m->method == STORED && m->packed == m->size) return couplet_npy_read_bytes(a->path, a->bytes + begin, m->size, out, a->error, a->error_bytes);
    if (m->method != DEFLATED) return fail(a, "`%s`: the array %s is packed by method %u; stored and deflated ones are read", a->path, m->shown, m->method);
    unsigned char *bytes = malloc(m->size + 1);
    if (!bytes) return fail(a, "out of memory while reading `%s`", a->path);
    bool good = inflate_member(a, a->bytes + begin, m, bytes) && couplet_npy_read_bytes(a->path, bytes, m->size, out, a->error, a->error_bytes);
    free(bytes);
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
