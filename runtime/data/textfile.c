/* Text files of users, mapped and checked. Bytes that are not UTF-8 are refused, with line and
 * column. A packed file, a workbook, and text in UTF-16 are named in the message, since people do
 * use these in place of CSV. */
#include "runtime/data/textfile.h"

#include "runtime/files.h"

#include <stdio.h>
#include <string.h>

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* Returns the bytes of the character at `at`, of which `left` are there, or 0 if it is none.
 * Overlong forms, surrogates, and code points beyond U+10FFFF are no characters. */
static size_t character(const unsigned char *at, size_t left) {
    const unsigned char c = at[0];
    if (c < 0x80) return c ? 1 : 0;
    if (c < 0xc2 || c > 0xf4) return 0;
    const size_t length = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (left < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if (c == 0xe0 && at[1] < 0xa0) return 0;
    if (c == 0xed && at[1] > 0x9f) return 0;
    if (c == 0xf0 && at[1] < 0x90) return 0;
    if (c == 0xf4 && at[1] > 0x8f) return 0;
    return length;
}

/* True if each of the eight bytes is 1 to 127. */
static bool is_ascii(const unsigned char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    const uint64_t high = UINT64_C(0x8080808080808080);
    const uint64_t ones = UINT64_C(0x0101010101010101);
    return !((word | (word - ones)) & high);
}

size_t couplet_utf8_length(const char *text, size_t length) {
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = 0;
    while (at < length) {
        if (length - at >= 8 && is_ascii(bytes + at)) {
            at += 8;
            continue;
        }
        const size_t step = character(bytes + at, length - at);
        if (!step) return at;
        at += step;
    }
    return at;
}

size_t couplet_utf8_escape(const char *text, char *out) {
    static const char digits[] = "0123456789abcdef";
    size_t length = 0;
    size_t left = strlen(text);
    while (left > 0) {
        const size_t good = couplet_utf8_length(text, left);
        if (out) memcpy(out + length, text, good);
        text += good, left -= good, length += good;
        if (left == 0) break;
        const unsigned char bad = (unsigned char)*text;
        const char code[] = {'\\', 'x', digits[bad >> 4], digits[bad & 15]};
        if (out) memcpy(out + length, code, sizeof code);
        text++, left--, length += sizeof code;
    }
    if (out) out[length] = '\0';
    return length;
}

/* ---- files ----------------------------------------------------------------------------------- */

static const struct {
    const char *start;
    size_t length;
    const char *advice;
} others[] = {
    {"\x1f\x8b", 2, "is gzipped; unpack it first"},
    {"PK\3\4", 4,
     "is a zip archive or a workbook of a spreadsheet; unpack it, or save the sheet as CSV"},
    {"\xd0\xcf\x11\xe0", 4, "is a workbook of a spreadsheet; save the sheet as CSV"},
    {"\xff\xfe\0\0", 4, "is encoded in UTF-32; save it as UTF-8"},
    {"\xff\xfe", 2, "is encoded in UTF-16; save it as UTF-8"},
    {"\xfe\xff", 2, "is encoded in UTF-16; save it as UTF-8"},
    {"PAR1", 4, "is a Parquet file; write it as CSV"},
    {"BZh", 3, "is packed by bzip2; unpack it first"},
    {"\xfd"
     "7zXZ",
     5, "is packed by xz; unpack it first"},
    {"\x28\xb5\x2f\xfd", 4, "is packed by zstd; unpack it first"},
};

static bool refuse_byte(const CoupletTextFile *f, const char *name, size_t at, char *error,
                        size_t error_bytes) {
    size_t line = 1;
    size_t start = 0;
    for (size_t i = 0; i < at; i++) {
        const bool ends = f->text[i] == '\n' || (f->text[i] == '\r' && f->text[i + 1] != '\n');
        if (!ends) continue;
        line++;
        start = i + 1;
    }
    const unsigned char byte = (unsigned char)f->text[at];
    snprintf(error, error_bytes, "%s, line %zu, byte %zu: the byte 0x%02x is no text in UTF-8%s",
             name, line, at - start + 1, byte,
             byte ? "; a file in Latin-1 or Windows-1252 must be saved as UTF-8"
                  : "; a file in UTF-16 or UTF-32 must be saved as UTF-8");
    return false;
}

static bool check_text(CoupletTextFile *f, const char *name, const char *what, bool any_bytes,
                       char *error, size_t error_bytes) {
    if (!f->mapping.length) {
        snprintf(error, error_bytes, "%s is empty; %s is expected", name, what);
        return false;
    }
    f->text = (const char *)f->mapping.bytes;
    f->length = f->mapping.length;
    if (any_bytes) return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (f->length < others[i].length || memcmp(f->text, others[i].start, others[i].length) != 0)
            continue;
        snprintf(error, error_bytes, "%s %s", name, others[i].advice);
        return false;
    }
    if (f->length >= 3 && memcmp(f->text, "\xef\xbb\xbf", 3) == 0) {
        f->text += 3;
        f->length -= 3;
    }
    const size_t good = couplet_utf8_length(f->text, f->length);
    return good == f->length || refuse_byte(f, name, good, error, error_bytes);
}

bool couplet_textfile_open(const char *path, const char *name, const char *what, bool any_bytes,
                           CoupletTextFile *out, char *error, size_t error_bytes) {
    memset(out, 0, sizeof *out);
    if (!couplet_mapping_open(path, &out->mapping, error, error_bytes)) return false;
    if (check_text(out, name, what, any_bytes, error, error_bytes)) return true;
    couplet_textfile_close(out);
    return false;
}

void couplet_textfile_close(CoupletTextFile *file) {
    couplet_mapping_close(&file->mapping);
    memset(file, 0, sizeof *file);
}

bool couplet_path_beside(const char *source, const char *path, char *out, char *error,
                         size_t error_bytes) {
    const char *slash = strrchr(source, '/');
    const int folder = *path == '/' || !slash ? 0 : (int)(slash - source) + 1;
    if (snprintf(out, COUPLET_PATH_BYTES, "%.*s%s", folder, source, path) < COUPLET_PATH_BYTES)
        return true;
    snprintf(error, error_bytes, "%.200s..: a path has at most %d bytes", path,
             COUPLET_PATH_BYTES - 1);
    return false;
}
