/* Tar archives through libarchive: a walk over the members with their offsets, and the unpacked
 * stream as a file. Members are read later at their offsets, by several threads, so a packed
 * archive is unpacked once instead of being read from its beginning each time.
 *
 * Only packings that the library unpacks itself are tried; for others it would start programs. */
#include "runtime/data/archive.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

enum { BLOCK = 1 << 16 };

static bool fail(const char *path, struct archive *a, char *error, size_t error_bytes) {
    const char *text = archive_error_string(a);
    int64_t place = archive_filter_bytes(a, 0);
    snprintf(error, error_bytes,
             "%s: the archive cannot be read, near byte %lld of its contents: %s", path,
             (long long)place, text ? text : "it is damaged");
    return false;
}

/* Opens an archive, or returns NULL with a sentence. Only packings that libarchive unpacks itself
 * are tried, since it would start programs for others. */
static struct archive *open_archive(const char *path, bool as_tar, char *error,
                                    size_t error_bytes) {
    struct archive *a = archive_read_new();
    if (!a) {
        snprintf(error, error_bytes, "%s: out of memory", path);
        return NULL;
    }
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_zstd(a);
    if (as_tar)
        archive_read_support_format_tar(a);
    else
        archive_read_support_format_raw(a);
    /* without this option the second half of `cat a.tar b.tar` would be missed in silence */
    if (as_tar) archive_read_set_format_option(a, "tar", "read_concatenated_archives", "1");
    if (archive_read_open_filename(a, path, BLOCK) == ARCHIVE_OK) return a;
    fail(path, a, error, error_bytes);
    archive_read_free(a);
    return NULL;
}

static bool is_plain_file(const char *path, struct archive_entry *entry, char *error,
                          size_t error_bytes) {
    bool plain = archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry) &&
                 archive_entry_sparse_count(entry) == 0;
    if (plain && archive_entry_size_is_set(entry)) return true;
    snprintf(error, error_bytes,
             "%s: `%s` in it is a link, a device or a sparse file, and plain files were expected; "
             "tar --dereference --hard-dereference, without --sparse, writes them",
             path, archive_entry_pathname(entry));
    return false;
}

static bool walk_members(struct archive *a, const char *path,
                         bool (*visit)(void *context, const CoupletMember *member), void *context,
                         char *error, size_t error_bytes) {
    struct archive_entry *entry;
    int status;
    while ((status = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(entry);
        if (archive_entry_filetype(entry) == AE_IFDIR) continue;
        if (!name) {
            snprintf(error, error_bytes, "%s: a member of the archive has no name", path);
            return false;
        }
        if (!is_plain_file(path, entry, error, error_bytes)) return false;
        if (archive_entry_size(entry) < 0) {
            snprintf(error, error_bytes,
                     "%s: the size of `%s` in it is below 0: the archive is damaged", path, name);
            return false;
        }
        const CoupletMember member = {name, archive_filter_bytes(a, 0), archive_entry_size(entry),
                                      a};
        if (!visit(context, &member)) return false;
    }
    return status == ARCHIVE_EOF || fail(path, a, error, error_bytes);
}

/* Walks through the archive in a locale of its own. Names in UTF-8, as newer tar files have them,
 * are converted to the thread's locale, and a name that the locale cannot write would be an
 * error. */
static bool walk_archive(struct archive *a, const char *path,
                         bool (*visit)(void *context, const CoupletMember *member), void *context,
                         char *error, size_t error_bytes) {
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    const locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    const bool good = walk_members(a, path, visit, context, error, error_bytes);
    if (!utf8) return good;
    uselocale(before);
    freelocale(utf8);
    return good;
}

bool couplet_archive_walk(const char *path,
                          bool (*visit)(void *context, const CoupletMember *member), void *context,
                          bool *packed, int64_t *length, char *error, size_t error_bytes) {
    struct archive *a = open_archive(path, true, error, error_bytes);
    if (!a) return false;
    bool good = walk_archive(a, path, visit, context, error, error_bytes);
    *packed = archive_filter_code(a, 0) != ARCHIVE_FILTER_NONE;
    *length = archive_filter_bytes(a, 0);
    archive_read_free(a);
    return good;
}

char *couplet_member_text(const CoupletMember *member, const char *path, size_t most, char *error,
                          size_t error_bytes) {
    if (member->bytes > (int64_t)most) {
        snprintf(error, error_bytes,
                 "%s: `%s` in it has %lld bytes; at most %zu are read of a label", path,
                 member->name, (long long)member->bytes, most);
        return NULL;
    }
    size_t length = (size_t)member->bytes;
    size_t start = 0;
    char *text = malloc(length + 1);
    if (!text) {
        snprintf(error, error_bytes, "%s: out of memory", path);
        return NULL;
    }
    la_ssize_t got = archive_read_data(member->archive, text, length);
    bool whole = got == (la_ssize_t)length;
    if (!whole)
        fail(path, member->archive, error, error_bytes);
    else if (memchr(text, 0, length)) {
        snprintf(error, error_bytes, "%s: `%s` in it is no text: a zero byte is in it", path,
                 member->name);
        whole = false;
    }
    if (!whole) {
        free(text);
        return NULL;
    }
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    while (start < length && isspace((unsigned char)text[start]))
        start++;
    memmove(text, text + start, length - start);
    text[length - start] = 0;
    return text;
}

static bool write_all(int file, const char *bytes, size_t count, int64_t at) {
    while (count) {
        ssize_t wrote = pwrite(file, bytes, count, at);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        bytes += wrote;
        count -= (size_t)wrote;
        at += wrote;
    }
    return true;
}

/* Copies at most `length` bytes. If the stream is longer, the file has changed, or it goes on
 * behind its end, which no member needs. */
static bool copy_stream(struct archive *a, const char *path, int64_t length, int file, int64_t at,
                        char *error, size_t error_bytes) {
    char *block = malloc(BLOCK);
    bool good = block != NULL;
    if (!good) snprintf(error, error_bytes, "%s: out of memory", path);
    for (int64_t done = 0; good && done < length;) {
        size_t want = length - done < BLOCK ? (size_t)(length - done) : BLOCK;
        la_ssize_t got = archive_read_data(a, block, want);
        if (got < 0)
            good = fail(path, a, error, error_bytes);
        else if (got == 0) {
            snprintf(
                error, error_bytes,
                "%s: the archive unpacks to %lld bytes, and had %lld before; it changed meanwhile",
                path, (long long)done, (long long)length);
            good = false;
        } else if (!write_all(file, block, (size_t)got, at + done)) {
            snprintf(error, error_bytes,
                     "%s: the archive cannot be unpacked to a temporary file: %s", path,
                     strerror(errno));
            good = false;
        } else
            done += got;
    }
    free(block);
    return good;
}

bool couplet_archive_unpack(const char *path, int64_t length, int file, int64_t *at, char *error,
                            size_t error_bytes) {
    struct archive_entry *entry;
    struct archive *a = open_archive(path, false, error, error_bytes);
    if (!a) return false;
    bool good =
        archive_read_next_header(a, &entry) == ARCHIVE_OK || fail(path, a, error, error_bytes);
    good = good && copy_stream(a, path, length, file, *at, error, error_bytes);
    archive_read_free(a);
    if (good) *at += length;
    return good;
}
