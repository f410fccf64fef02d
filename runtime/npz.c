/* Reads .npz archives: the directory of a zip file, stored and deflated members, zip64. The archive
 * is mapped into memory, and zlib unpacks members piece by piece.
 *
 * Sizes and checksums are those of the directory at the end. The header before a member only tells
 * where its bytes begin. Each offset and length is checked against the file, and a wrong checksum
 * is an error. Encryption and other methods of packing are refused by name. */
#include "runtime/npz.h"

#include "runtime/data/mapping.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Sizes of the fixed parts of a zip archive's records, and the marks that they begin with. */
enum {
    END_BYTES = 22,
    LONG_PLACE_BYTES = 20,
    LONG_END_BYTES = 56,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30
};
enum {
    END_MARK = 0x06054b50,
    LONG_PLACE_MARK = 0x07064b50,
    LONG_END_MARK = 0x06064b50,
    ENTRY_MARK = 0x02014b50,
    LOCAL_MARK = 0x04034b50
};
enum {
    PIECE = 1 << 30,
    MOST_INFLATION = 1032 + 1 /* the most bytes that a byte of deflated data can become, + 1 */
};
enum {
    STORED = 0,
    DEFLATED = 8,
    ENCRYPTED = 1 /* a bit of the flags */,
    LONG_SIZES = 1 /* a kind of extra field */
};
enum { MOST_MEMBERS = 1 << 20 };
/* A size or offset that does not fit 32 bits has this value, and stands in the extra field. */
static const size_t elsewhere = 0xffffffff;

typedef struct Archive {
    const char *path;
    const unsigned char *bytes;
    size_t length;
    char *error;
    size_t error_bytes;
} Archive;
typedef CoupletNpzMember Member;

static bool fail(const Archive *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(const Archive *a, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(a->error, a->error_bytes, format, args);
    va_end(args);
    return false;
}

static unsigned read16(const unsigned char *at) {
    return at[0] | (unsigned)at[1] << 8;
}
static size_t read32(const unsigned char *at) {
    return read16(at) | (size_t)read16(at + 2) << 16;
}
static size_t read64(const unsigned char *at) {
    return read32(at) | read32(at + 4) << 32;
}

/* Returns the record at the end of the archive. Only a comment may follow it. */
static const unsigned char *find_end(const Archive *a) {
    if (a->length < END_BYTES) return NULL;
    size_t last = a->length - END_BYTES;
    size_t first = last > 0xffff ? last - 0xffff : 0;
    for (size_t at = last + 1; at-- > first;)
        if (read32(a->bytes + at) == END_MARK) return a->bytes + at;
    return NULL;
}

/* Where the directory begins, and the number of its entries. A large archive has a longer record
 * before the end, whose position stands between the two. */
typedef struct Directory {
    size_t offset;
    size_t entries;
} Directory;

static bool find_directory(const Archive *a, Directory *out) {
    const unsigned char *end = find_end(a);
    if (!end)
        return fail(a,
                    a->length < END_BYTES
                        ? "`%s` is too short for an .npz archive"
                        : "`%s` is no .npz archive: it does not end with a zip directory",
                    a->path);
    *out = (Directory){read32(end + 16), read16(end + 10)};
    const bool is_long = out->offset == elsewhere || out->entries == 0xffff;
    const size_t before = (size_t)(end - a->bytes);
    if (!is_long || before < LONG_PLACE_BYTES || read32(end - LONG_PLACE_BYTES) != LONG_PLACE_MARK)
        return true;
    const size_t at = read64(end - LONG_PLACE_BYTES + 8);
    if (at > before || before - at < LONG_END_BYTES || read32(a->bytes + at) != LONG_END_MARK)
        return fail(a, "`%s`: the directory of the archive is damaged at byte %zu", a->path,
                    before - LONG_PLACE_BYTES);
    *out = (Directory){read64(a->bytes + at + 48), read64(a->bytes + at + 32)};
    return true;
}

static void show_name(Member *m) {
    size_t length = m->name_length > 4 && memcmp(m->name + m->name_length - 4, ".npy", 4) == 0
                        ? m->name_length - 4
                        : m->name_length;
    if (length >= sizeof m->shown) length = sizeof m->shown - 1;
    for (size_t i = 0; i < length; i++)
        m->shown[i] = (char)(m->name[i] >= ' ' && m->name[i] <= '~' ? m->name[i] : '?');
    m->shown[length] = 0;
}

/* Takes sizes that 32 bits do not hold from the extra field of `length` bytes. The field has the
 * missing sizes alone, in the order of the entry. */
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

/* Reads the member of the directory at *offset, and moves *offset to the next. */
static bool next_member(const Archive *a, size_t *offset, Member *m) {
    if (*offset > a->length || a->length - *offset < ENTRY_BYTES ||
        read32(a->bytes + *offset) != ENTRY_MARK)
        return fail(a, "`%s`: the directory of the archive is damaged at byte %zu", a->path,
                    *offset);
    const unsigned char *entry = a->bytes + *offset;
    *m = (Member){.name = (const char *)entry + ENTRY_BYTES,
                  .name_length = read16(entry + 28),
                  .packed = read32(entry + 20),
                  .size = read32(entry + 24),
                  .local = read32(entry + 42),
                  .method = read16(entry + 10),
                  .flags = read16(entry + 8),
                  .checksum = (uint32_t)read32(entry + 16)};
    const size_t extra = read16(entry + 30);
    const size_t length = ENTRY_BYTES + m->name_length + extra + read16(entry + 32);
    if (length > a->length - *offset)
        return fail(a, "`%s`: the directory of the archive is cut short", a->path);
    if (!read_long_sizes(m, entry + ENTRY_BYTES + m->name_length, extra))
        return fail(a, "`%s`: the directory of the archive is damaged at byte %zu", a->path,
                    *offset);
    *offset += length;
    show_name(m);
    return true;
}

static bool is_member(const Member *m, const char *name) {
    size_t length = strlen(name);
    bool bare = m->name_length == length;
    bool ending = m->name_length == length + 4 && memcmp(m->name + length, ".npy", 4) == 0;
    return (bare || ending) && memcmp(m->name, name, length) == 0;
}

CoupletNpzMember *couplet_npz_members(const char *path, const void *archive, size_t length,
                                      int *count, char *error, size_t error_bytes) {
    const Archive a = {path, archive, length, error, error_bytes};
    Directory directory = {0, 0};
    *count = 0;
    if (!find_directory(&a, &directory)) return NULL;
    if (directory.entries > MOST_MEMBERS || directory.entries > length / ENTRY_BYTES) {
        fail(&a, "`%s`: the directory of the archive claims %zu files, which cannot be", path,
             directory.entries);
        return NULL;
    }
    Member *members = calloc(directory.entries + 1, sizeof *members);
    if (!members) fail(&a, "out of memory while reading `%s`", path);
    for (size_t i = 0; members && i < directory.entries; i++) {
        if (next_member(&a, &directory.offset, &members[i])) continue;
        free(members);
        return NULL;
    }
    *count = (int)directory.entries;
    return members;
}

bool couplet_npz_locate(const char *path, const void *archive, size_t length, CoupletNpzMember *m,
                        char *error, size_t error_bytes) {
    const Archive archived = {path, archive, length, error, error_bytes};
    const Archive *a = &archived;
    if (m->local > a->length || a->length - m->local < LOCAL_BYTES ||
        read32(a->bytes + m->local) != LOCAL_MARK)
        return fail(a, "`%s`: the archive has no array where its directory says %s begins", a->path,
                    m->shown);
    size_t begin = m->local + LOCAL_BYTES + read16(a->bytes + m->local + 26) +
                   read16(a->bytes + m->local + 28);
    if (begin > a->length || m->packed > a->length - begin)
        return fail(a, "`%s` is cut short inside the array %s", a->path, m->shown);
    if (m->flags & ENCRYPTED)
        return fail(a, "`%s`: the array %s is encrypted, and encrypted ones are not read", a->path,
                    m->shown);
    m->deflated = m->method == DEFLATED;
    if (!m->deflated && (m->method != STORED || m->packed != m->size))
        return fail(a,
                    "`%s`: the array %s is packed by method %u; stored and deflated ones are read",
                    a->path, m->shown, m->method);
    if (m->deflated && m->size / MOST_INFLATION > m->packed)
        return fail(a, "`%s`: the array %s is damaged: its size cannot be", a->path, m->shown);
    m->bytes = a->bytes + begin;
    return true;
}

/* ---- unpacking ------------------------------------------------------------------------------- */

bool couplet_npz_begin(CoupletNpzStream *s, const CoupletNpzMember *member) {
    *s = (CoupletNpzStream){.zlib = calloc(1, sizeof(z_stream)), .member = member};
    if (s->zlib && inflateInit2((z_stream *)s->zlib, -MAX_WBITS) == Z_OK) return true;
    free(s->zlib);
    s->zlib = NULL;
    return false;
}

/* Calls zlib once, which counts in 32 bits. *left is the number of bytes that the buffer still
 * lacks. */
static int inflate_piece(CoupletNpzStream *s, size_t *left) {
    z_stream *zlib = s->zlib;
    const size_t packed_left = s->member->packed - s->taken;
    const uInt in = packed_left < PIECE ? (uInt)packed_left : PIECE;
    const uInt room = *left < PIECE ? (uInt)*left : PIECE;
    zlib->next_in = (unsigned char *)(uintptr_t)s->member->bytes + s->taken;
    zlib->avail_in = in;
    zlib->avail_out = room;
    const int status = inflate(zlib, Z_NO_FLUSH);
    s->taken += in - zlib->avail_in;
    *left -= room - zlib->avail_out;
    const bool stands_still = in == zlib->avail_in && room == zlib->avail_out;
    return status == Z_OK && stands_still ? Z_BUF_ERROR : status;
}

bool couplet_npz_next(CoupletNpzStream *s, void *out, size_t bytes) {
    z_stream *zlib = s->zlib;
    size_t left = bytes;
    int status = Z_OK;
    zlib->next_out = out;
    while (left && status == Z_OK)
        status = inflate_piece(s, &left);
    if (left) return false;
    s->given += bytes;
    s->checksum = (uint32_t)crc32_z(s->checksum, out, bytes);
    return true;
}

bool couplet_npz_is_whole(CoupletNpzStream *s) {
    unsigned char more;
    size_t left = 1;
    int status = Z_OK;
    if (s->given != s->member->size || s->checksum != s->member->checksum) return false;
    ((z_stream *)s->zlib)->next_out = &more;
    /* reaches the mark at the end of the packed data */
    while (left && status == Z_OK)
        status = inflate_piece(s, &left);
    return left && status == Z_STREAM_END;
}

void couplet_npz_end(CoupletNpzStream *s) {
    if (s->zlib) inflateEnd((z_stream *)s->zlib);
    free(s->zlib);
    s->zlib = NULL;
}

/* ---- one array by its name ------------------------------------------------------------------- */

static bool find_member(const Archive *a, const Member *members, int count, const char *name,
                        Member *out) {
    char names[256] = "";
    for (int i = 0; i < count; i++) {
        if (is_member(&members[i], name)) {
            *out = members[i];
            return true;
        }
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", members[i].shown);
    }
    return fail(a, "`%s` has no array `%s`; it has %s", a->path, name, names[0] ? names : "none");
}

static bool parse_member(const Archive *a, const Member *m, const unsigned char *bytes,
                         CoupletNpy *out) {
    char name[4200];
    snprintf(name, sizeof name, "%s, array %s", a->path, m->shown);
    return couplet_npy_read_bytes(name, bytes, m->size, out, a->error, a->error_bytes);
}

static bool unpack(const Archive *a, const Member *m, CoupletNpy *out) {
    CoupletNpzStream stream;
    unsigned char *unpacked = malloc(m->size + 1);
    if (!unpacked || !couplet_npz_begin(&stream, m)) {
        free(unpacked);
        return fail(a, "out of memory while reading `%s`", a->path);
    }
    bool good = couplet_npz_next(&stream, unpacked, m->size);
    if (!good)
        fail(a, "`%s`: the array %s is damaged: it does not unpack", a->path, m->shown);
    else if (!couplet_npz_is_whole(&stream))
        good = fail(a, "`%s`: the array %s is damaged: its checksum is another", a->path, m->shown);
    couplet_npz_end(&stream);
    good = good && parse_member(a, m, unpacked, out);
    free(unpacked);
    return good;
}

static bool read_member(const Archive *a, Member *m, CoupletNpy *out) {
    if (!couplet_npz_locate(a->path, a->bytes, a->length, m, a->error, a->error_bytes))
        return false;
    if (m->deflated) return unpack(a, m, out);
    if (crc32_z(0, m->bytes, m->size) != m->checksum)
        return fail(a, "`%s`: the array %s is damaged: its checksum is another", a->path, m->shown);
    return parse_member(a, m, m->bytes, out);
}

bool couplet_npz_read(const char *path, const char *name, CoupletNpy *out, char *error,
                      size_t error_bytes) {
    memset(out, 0, sizeof *out);
    CoupletMapping mapping;
    if (!couplet_mapping_open(path, &mapping, error, error_bytes)) return false;
    const Archive archive = {path, mapping.bytes, mapping.length, error, error_bytes};
    Member member;
    Member *members;
    int count;
    members = couplet_npz_members(path, mapping.bytes, mapping.length, &count, error, error_bytes);
    const bool good = members && find_member(&archive, members, count, name, &member) &&
                      read_member(&archive, &member, out);
    free(members);
    couplet_mapping_close(&mapping);
    return good;
}
