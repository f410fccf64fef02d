/* Reads NumPy's .npy format, versions 1 to 3, and writes float32. The header is a Python
 * dictionary. It is searched for its three keys rather than parsed, and the rest is ignored.
 *
 * Nothing in the file is trusted: lengths are compared with the file before memory is allocated.
 * Whole numbers are kept as whole numbers, and reals as doubles, so no digit is lost before a type
 * is chosen. */
#include "runtime/npy.h"

#include "runtime/files.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(char *error, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(char *error, size_t bytes, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error, bytes, format, args);
    va_end(args);
    return false;
}

/* ---- element types --------------------------------------------------------------------------- */

/* An element: a number for floats, a whole number for all others. */
typedef struct Element {
    double value;
    int64_t whole;
} Element;
typedef Element (*Decoder)(uint64_t bits);

static Element of_whole(int64_t whole) {
    return (Element){0, whole};
}

static Element decode_half(uint64_t bits) {
    const int exponent = (int)(bits >> 10 & 31);
    const double fraction = (double)(bits & 1023);
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    if (exponent == 31) {
        size = fraction > 0 ? (double)NAN : (double)INFINITY;
    }
    return (Element){bits >> 15 & 1 ? -size : size, 0};
}

static Element decode_float(uint64_t bits) {
    const uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return (Element){(double)value, 0};
}

static Element decode_double(uint64_t bits) {
    Element e = {0, 0};
    memcpy(&e.value, &bits, sizeof e.value);
    return e;
}

static Element decode_int8(uint64_t bits) {
    return of_whole((int8_t)bits);
}
static Element decode_int16(uint64_t bits) {
    return of_whole((int16_t)bits);
}
static Element decode_int32(uint64_t bits) {
    return of_whole((int32_t)bits);
}
static Element decode_int64(uint64_t bits) {
    return of_whole((int64_t)bits);
}
static Element decode_unsigned(uint64_t bits) {
    return of_whole((int64_t)bits);
}
static Element decode_bool(uint64_t bits) {
    return of_whole(bits != 0);
}

typedef struct Kind {
    const char *name; /* the name that NumPy writes behind the byte order */
    CoupletNpyElement element;
    int bytes;
    bool is_integer;
    Decoder decode;
} Kind;
static const Kind kinds[] = {
    {"f2", COUPLET_ELEMENT_F16, 2, false, decode_half},
    {"f4", COUPLET_ELEMENT_F32, 4, false, decode_float},
    {"f8", COUPLET_ELEMENT_F64, 8, false, decode_double},
    {"i1", COUPLET_ELEMENT_I8, 1, true, decode_int8},
    {"i2", COUPLET_ELEMENT_I16, 2, true, decode_int16},
    {"i4", COUPLET_ELEMENT_I32, 4, true, decode_int32},
    {"i8", COUPLET_ELEMENT_I64, 8, true, decode_int64},
    {"u1", COUPLET_ELEMENT_U8, 1, true, decode_unsigned},
    {"u2", COUPLET_ELEMENT_U16, 2, true, decode_unsigned},
    {"u4", COUPLET_ELEMENT_U32, 4, true, decode_unsigned},
    {"u8", COUPLET_ELEMENT_U64, 8, true, decode_unsigned},
    {"b1", COUPLET_ELEMENT_BOOL, 1, true, decode_bool},
};

/* The names of other types of NumPy, by their letters. */
static const struct {
    char letter;
    const char *name;
} refused[] = {{'c', "complex numbers"},
               {'O', "Python objects"},
               {'U', "text"},
               {'S', "bytes of text"},
               {'V', "raw bytes, which bfloat16 is saved as"},
               {'M', "dates"},
               {'m', "durations"},
               {'f', "wide floats"}};

/* ---- the header: a Python dictionary --------------------------------------------------------- */

typedef struct Header {
    const char *path;
    const char *text;
    char *error;
    size_t error_bytes;
} Header;

/* Returns the value behind 'name': or "name":, or NULL. */
static const char *field(const Header *h, const char *name) {
    const size_t length = strlen(name);
    for (const char *at = h->text; (at = strstr(at, name)); at += length) {
        bool quoted = at > h->text && (at[-1] == '\'' || at[-1] == '"') && at[length] == at[-1];
        const char *after = at + length + 1;
        if (!quoted) continue;
        while (*after == ' ')
            after++;
        if (*after++ != ':') continue;
        while (*after == ' ')
            after++;
        return after;
    }
    return NULL;
}

/* Refuses the type at `descr`, which is 'xyz' in quotes, or a list with the fields of a
 * structure. */
static const Kind *refuse_kind(const Header *h, const char *descr) {
    static const char read[] =
        "float16, float32, float64, int8 to int64, uint8 to uint64 and bool are read";
    if (*descr != '\'' && *descr != '"') {
        fail(h->error, h->error_bytes, "`%s` holds structures of several fields; %s", h->path,
             read);
        return NULL;
    }
    const char end[] = {*descr, 0};
    const int length = (int)strcspn(descr + 1, end);
    const char *called = NULL;
    for (size_t i = 0; length > 1 && i < sizeof refused / sizeof *refused; i++)
        if (refused[i].letter == descr[2]) called = refused[i].name;
    if (called)
        fail(h->error, h->error_bytes, "`%s` holds %s (%.*s); %s%s", h->path, called,
             length < 20 ? length : 20, descr + 1, read,
             strstr(called, "text") ? ", and numpy.unique(a, return_inverse=True) makes numbers of "
                                      "texts"
                                    : "");
    else
        fail(h->error, h->error_bytes, "`%s`: the element type `%.*s` is not known; %s", h->path,
             length < 20 ? length : 20, descr + 1, read);
    return NULL;
}

/* Finds the kind of the elements. *swapped is true if the most significant byte comes first. */
static const Kind *find_kind(const Header *h, const char *descr, bool *swapped) {
    const bool quoted = *descr == '\'' || *descr == '"';
    const bool ordered = quoted && strchr("<>=|", descr[1]) && descr[1];
    for (size_t i = 0; ordered && i < sizeof kinds / sizeof *kinds; i++) {
        const size_t length = strlen(kinds[i].name);
        if (strncmp(descr + 2, kinds[i].name, length) != 0 || descr[2 + length] != descr[0])
            continue;
        *swapped = descr[1] == '>';
        return &kinds[i];
    }
    return refuse_kind(h, descr);
}

/* Writes the shape as Python does, up to the first few axes. */
static const char *shape_text(const CoupletNpy *array, char *out, size_t bytes) {
    size_t used = (size_t)snprintf(out, bytes, "(");
    for (int i = 0; i < array->rank && used + 24 < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%lld", i ? ", " : "",
                                 (long long)array->shape[i]);
    snprintf(out + used, bytes - used, array->rank == 1 ? ",)" : ")");
    return out;
}

static bool parse_shape(const Header *h, const char *at, CoupletNpy *out) {
    for (; *at && *at != ')';) {
        char *end;
        errno = 0;
        const long long extent = strtoll(at, &end, 10);
        if (end == at || (*end != ',' && *end != ')' && *end != ' ' && *end != 'L'))
            return fail(h->error, h->error_bytes,
                        "`%s`: the shape in its header is no list of whole numbers", h->path);
        if (out->rank == COUPLET_NPY_MAX_RANK)
            return fail(h->error, h->error_bytes, "`%s`: the array has more than %d axes", h->path,
                        COUPLET_NPY_MAX_RANK);
        if (extent < 1 || errno == ERANGE)
            return fail(h->error, h->error_bytes,
                        "`%s`: axis %d has %.*s entries; a number from 1 to what fits in memory is "
                        "expected",
                        h->path, out->rank + 1, (int)(end - at) < 40 ? (int)(end - at) : 40, at);
        out->shape[out->rank++] = extent;
        at = end;
        while (*at == ',' || *at == ' ' || *at == 'L')
            at++; /* Python 2 wrote 3L */
    }
    return *at == ')' ||
           fail(h->error, h->error_bytes, "`%s`: the shape in its header does not end", h->path);
}

/* Sets the number of elements, each of `bytes` bytes. If the array would fill more than 2^40 bytes,
 * the message names its longest axis. */
static bool count_elements(const Header *h, CoupletNpy *out, int bytes) {
    int64_t left = ((int64_t)1 << 40) / bytes;
    int longest = 0;
    char shape[256];
    out->count = 1;
    for (int i = 0; i < out->rank; i++)
        if (out->shape[i] > out->shape[longest]) longest = i;
    for (int i = 0; i < out->rank; i++) {
        if (out->shape[i] > left)
            return fail(
                h->error, h->error_bytes,
                "`%s`: axis %d of the shape %s has %lld entries, and so many fit into no memory",
                h->path, longest + 1, shape_text(out, shape, sizeof shape),
                (long long)out->shape[longest]);
        left /= out->shape[i];
        out->count *= out->shape[i];
    }
    return true;
}

typedef struct Layout {
    const Kind *kind;
    bool swapped;
    bool by_columns;
} Layout;

static bool parse_header(const Header *h, CoupletNpy *out, Layout *layout) {
    const char *descr = field(h, "descr");
    const char *order = field(h, "fortran_order");
    const char *shape = field(h, "shape");
    if (!descr || !order || !shape || *shape != '(')
        return fail(h->error, h->error_bytes,
                    "`%s`: the header of the .npy file lacks descr, fortran_order or shape",
                    h->path);
    layout->by_columns = strncmp(order, "True", 4) == 0;
    if (!layout->by_columns && strncmp(order, "False", 5) != 0)
        return fail(h->error, h->error_bytes,
                    "`%s`: fortran_order in its header is neither True nor False", h->path);
    layout->kind = find_kind(h, descr, &layout->swapped);
    return layout->kind && parse_shape(h, shape + 1, out) &&
           count_elements(h, out, layout->kind->bytes);
}

/* ---- the data -------------------------------------------------------------------------------- */

static uint64_t bits_at(const unsigned char *at, int bytes, bool swapped) {
    uint64_t bits = 0;
    for (int i = 0; i < bytes; i++)
        bits = bits << 8 | at[swapped ? i : bytes - 1 - i];
    return bits;
}

/* The positions in the array of a file's elements: one after the other or, for column order, by the
 * indices of the axes. */
typedef struct Cursor {
    const CoupletNpy *array;
    bool by_columns;
    int64_t index[COUPLET_NPY_MAX_RANK];
    int64_t stride[COUPLET_NPY_MAX_RANK];
    int64_t at;
} Cursor;

static Cursor cursor_at_start(const CoupletNpy *array, bool by_columns) {
    Cursor c = {.array = array, .by_columns = by_columns};
    int64_t stride = 1;
    for (int i = array->rank - 1; i >= 0; i--) {
        c.stride[i] = stride;
        stride *= array->shape[i];
    }
    return c;
}

static void move_on(Cursor *c) {
    if (!c->by_columns) {
        c->at++;
        return;
    }
    for (int i = 0; i < c->array->rank; i++) { /* in column order the first axis runs fastest */
        c->at += c->stride[i];
        if (++c->index[i] < c->array->shape[i]) return;
        c->at -= c->stride[i] * c->array->shape[i];
        c->index[i] = 0;
    }
}

enum { PIECE_ELEMENTS = 4096 };

static bool read_data(FILE *file, const Header *h, const Layout *layout, CoupletNpy *out) {
    const size_t bytes = (size_t)layout->kind->bytes;
    const size_t size = (size_t)out->count * bytes;
    unsigned char piece[PIECE_ELEMENTS * 8];
    Cursor cursor = cursor_at_start(out, layout->by_columns);
    char shape[256];
    for (int64_t first = 0; first < out->count; first += PIECE_ELEMENTS) {
        const size_t here =
            (size_t)(out->count - first < PIECE_ELEMENTS ? out->count - first : PIECE_ELEMENTS);
        const size_t got = fread(piece, 1, here * bytes, file);
        if (got != here * bytes)
            return fail(
                h->error, h->error_bytes,
                "`%s` is cut short: %zu bytes of data stand there, and its shape %s asks for %zu",
                h->path, (size_t)first * bytes + got, shape_text(out, shape, sizeof shape), size);
        for (size_t i = 0; i < here; i++, move_on(&cursor)) {
            const Element e = layout->kind->decode(
                bits_at(piece + i * bytes, layout->kind->bytes, layout->swapped));
            if (out->wholes)
                out->wholes[cursor.at] = e.whole;
            else
                out->values[cursor.at] = e.value;
        }
    }
    if (fgetc(file) == EOF) return true;
    return fail(h->error, h->error_bytes,
                "`%s` has more bytes than the %zu of data that its shape %s asks for", h->path,
                size, shape_text(out, shape, sizeof shape));
}

/* True if the file is as long as its header says. This is checked before memory is allocated. */
static bool is_long_enough(FILE *file, const Header *h, const Layout *layout,
                           const CoupletNpy *out) {
    const long here = ftell(file);
    const long end = here >= 0 && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    const long long size = (long long)out->count * layout->kind->bytes;
    char shape[256];
    if (end < 0) return true; /* a pipe; its end is found when it is read */
    if (fseek(file, here, SEEK_SET) != 0)
        return fail(h->error, h->error_bytes, "`%s` cannot be read: %s", h->path, strerror(errno));
    if (end - here >= size) return true;
    return fail(h->error, h->error_bytes,
                "`%s` is cut short: %ld bytes of data stand there, and its shape %s asks for %lld",
                h->path, end - here, shape_text(out, shape, sizeof shape), size);
}

static bool read_body(FILE *file, const Header *h, const Layout *layout, CoupletNpy *out) {
    if (!is_long_enough(file, h, layout, out)) return false;
    out->is_integer = layout->kind->is_integer;
    out->is_unsigned = layout->kind->decode == decode_unsigned;
    if (out->is_integer)
        out->wholes = malloc((size_t)out->count * sizeof *out->wholes);
    else
        out->values = malloc((size_t)out->count * sizeof *out->values);
    if (!out->values && !out->wholes)
        return fail(h->error, h->error_bytes, "out of memory while reading `%s`", h->path);
    return read_data(file, h, layout, out);
}

/* Returns the length of the header that follows, or 0 after a message. */
static size_t header_length(FILE *file, const char *path, char *error, size_t bytes) {
    unsigned char start[12];
    const size_t got = fread(start, 1, 10, file);
    if (got >= 4 && memcmp(start, "PK\3\4", 4) == 0) {
        fail(error, bytes, "`%s` is an archive of arrays: its name must end with .npz", path);
        return 0;
    }
    if (got != 10 || memcmp(start, "\x93NUMPY", 6) != 0) {
        fail(error, bytes, "`%s` is no .npy file: its first bytes are not \\x93NUMPY", path);
        return 0;
    }
    size_t length = (size_t)start[8] | (size_t)start[9] << 8;
    if (start[6] < 1 || start[6] > 3) {
        fail(error, bytes, "`%s` has .npy version %d; 1, 2 and 3 are read", path, start[6]);
        return 0;
    }
    if (start[6] > 1) {
        if (fread(start + 10, 1, 2, file) != 2) {
            fail(error, bytes, "`%s` ends inside its header", path);
            return 0;
        }
        length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    }
    if (length > 0 && length <= 1 << 20) return length;
    fail(error, bytes, "`%s`: its header claims %zu bytes, which no header has", path, length);
    return 0;
}

/* Reads up to the data. Returns the text of the header, from malloc, or NULL after a message. */
static char *read_header_text(FILE *file, const Header *about) {
    const size_t length = header_length(file, about->path, about->error, about->error_bytes);
    if (!length) return NULL;
    char *text = calloc(1, length + 1);
    if (text && fread(text, 1, length, file) == length) {
        /* Only plain characters stay, because messages quote the header. */
        for (size_t i = 0; i < length; i++)
            if (text[i] < ' ' || text[i] > '~') text[i] = i + 1 == length ? ' ' : '?';
        return text;
    }
    fail(about->error, about->error_bytes,
         text ? "`%s` ends inside its header" : "out of memory while reading `%s`", about->path);
    free(text);
    return NULL;
}

static bool read_header(FILE *file, const Header *about, Layout *layout, CoupletNpy *out) {
    char *text = read_header_text(file, about);
    Header header = *about;
    header.text = text;
    const bool good = text && parse_header(&header, out, layout);
    free(text);
    return good;
}

static bool read_open(FILE *file, const char *path, CoupletNpy *out, char *error, size_t bytes) {
    const Header about = {path, NULL, error, bytes};
    Layout layout = {0};
    bool good = read_header(file, &about, &layout, out) && read_body(file, &about, &layout, out);
    if (!good) couplet_npy_free(out);
    return good;
}

bool couplet_npy_layout(const char *path, const void *data, size_t length, CoupletNpyLayout *out,
                        char *error, size_t error_bytes) {
    const Header about = {path, NULL, error, error_bytes};
    Layout layout = {0};
    CoupletNpy array = {0};
    memset(out, 0, sizeof *out);
    FILE *file = length ? fmemopen((void *)(uintptr_t)data, length, "rb") : NULL;
    if (!file)
        return fail(error, error_bytes,
                    length ? "out of memory while reading `%s`" : "`%s` is empty", path);
    const bool good = read_header(file, &about, &layout, &array);
    const long offset = ftell(file);
    fclose(file);
    if (!good) return false;
    *out = (CoupletNpyLayout){.element = layout.kind->element,
                              .swapped = layout.swapped,
                              .by_columns = layout.by_columns,
                              .rank = array.rank};
    memcpy(out->shape, array.shape, sizeof out->shape);
    out->count = array.count;
    out->offset = (size_t)offset;
    out->bytes = (size_t)array.count * (size_t)layout.kind->bytes;
    return true;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* A type of texts, such as '<U12' or '|S7': the number of characters in a text, and of bytes in a
 * character. */
typedef struct TextKind {
    size_t width;
    size_t bytes;
    bool swapped;
} TextKind;

static bool find_text_kind(const Header *h, TextKind *out) {
    const char *descr = field(h, "descr");
    char order;
    char letter;
    unsigned width;
    int end = 0;
    if (!descr || sscanf(descr + 1, "%c%c%7u%n", &order, &letter, &width, &end) != 3 ||
        descr[1 + end] != descr[0])
        return false;
    *out = (TextKind){width, letter == 'U' ? 4 : 1, order == '>'};
    return strchr("<>=|", order) && (letter == 'U' || letter == 'S');
}

/* Writes a character in UTF-8. Returns the number of its bytes, or 0 if it is no character. */
static size_t put_character(uint64_t c, char *out) {
    if (c >= 0x110000 || (c >= 0xd800 && c < 0xe000)) return 0;
    const size_t bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = bytes; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(first[bytes] | c);
    return bytes;
}

/* Writes a text of fixed width, without the zeros that fill it up. Returns where the next text
 * goes, or NULL if one of its numbers is no character. */
static char *put_text(const TextKind *kind, const unsigned char *from, char *out) {
    size_t length = kind->width;
    while (length && !bits_at(from + (length - 1) * kind->bytes, (int)kind->bytes, kind->swapped))
        length--;
    for (size_t i = 0; i < length; i++) {
        const uint64_t c = bits_at(from + i * kind->bytes, (int)kind->bytes, kind->swapped);
        const size_t put = c && (kind->bytes == 4 || c < 0x80) ? put_character(c, out) : 0;
        if (!put) return NULL;
        out += put;
    }
    *out = 0;
    return out + 1;
}

static char **put_texts(const Header *h, const TextKind *kind, const unsigned char *data,
                        int64_t count) {
    const size_t size = kind->width * kind->bytes;
    char **texts = malloc((size_t)count * (sizeof *texts + kind->width * 4 + 1));
    if (!texts) {
        fail(h->error, h->error_bytes, "out of memory while reading `%s`", h->path);
        return NULL;
    }
    char *at = (char *)(texts + count);
    for (int64_t i = 0; i < count && at; i++) {
        texts[i] = at;
        at = put_text(kind, data + (size_t)i * size, at);
        if (!at)
            fail(h->error, h->error_bytes, "`%s`: text %lld has a character that is none", h->path,
                 (long long)i);
    }
    if (at) return texts;
    free(texts);
    return NULL;
}

bool couplet_npy_is_text(const void *data, size_t length) {
    char error[64];
    TextKind kind;
    Header header = {"", NULL, error, sizeof error};
    FILE *file = length ? fmemopen((void *)(uintptr_t)data, length, "rb") : NULL;
    char *text = file ? read_header_text(file, &header) : NULL;
    header.text = text;
    const bool is_text = text && find_text_kind(&header, &kind);
    free(text);
    if (file) fclose(file);
    return is_text;
}

char **couplet_npy_texts(const char *path, const void *data, size_t length, int64_t *count,
                         char *error, size_t error_bytes) {
    TextKind kind = {0, 0, false};
    CoupletNpy array = {0};
    Header header = {path, NULL, error, error_bytes};
    FILE *file = length ? fmemopen((void *)(uintptr_t)data, length, "rb") : NULL;
    char *text = file ? read_header_text(file, &header) : NULL;
    char **texts = NULL;
    const size_t offset = text ? (size_t)ftell(file) : 0;
    header.text = text;
    const char *shape = text ? field(&header, "shape") : NULL;
    bool good = text && find_text_kind(&header, &kind) && shape && *shape == '(' &&
                parse_shape(&header, shape + 1, &array);
    if (good && (array.rank != 1 || !kind.width ||
                 array.shape[0] > (int64_t)((length - offset) / (kind.width * kind.bytes))))
        good =
            fail(error, error_bytes,
                 "`%s`: a list of texts is expected, and this is none, or it is cut short", path);
    if (good)
        texts = put_texts(&header, &kind, (const unsigned char *)data + offset, array.shape[0]);
    *count = texts ? array.shape[0] : 0;
    free(text);
    if (file) fclose(file);
    return texts;
}

bool couplet_npy_read(const char *path, CoupletNpy *out, char *error, size_t error_bytes) {
    memset(out, 0, sizeof *out);
    FILE *file = fopen(path, "rb");
    if (!file) return fail(error, error_bytes, "`%s` cannot be read: %s", path, strerror(errno));
    bool good = read_open(file, path, out, error, error_bytes);
    fclose(file);
    return good;
}

bool couplet_npy_read_bytes(const char *path, const void *data, size_t length, CoupletNpy *out,
                            char *error, size_t error_bytes) {
    memset(out, 0, sizeof *out);
    if (length == 0) return fail(error, error_bytes, "`%s` holds an array of no bytes", path);
    FILE *file = fmemopen((void *)(uintptr_t)data, length, "rb");
    if (!file) return fail(error, error_bytes, "out of memory while reading `%s`", path);
    bool good = read_open(file, path, out, error, error_bytes);
    fclose(file);
    return good;
}

const char *couplet_npy_whole_text(const CoupletNpy *array, int64_t at, char *out, size_t bytes) {
    if (array->is_unsigned)
        snprintf(out, bytes, "%llu", (unsigned long long)array->wholes[at]);
    else
        snprintf(out, bytes, "%lld", (long long)array->wholes[at]);
    return out;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool write_header(FILE *file, const char *type, int rank, const int64_t *shape) {
    char header[512];
    int length =
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    for (int i = 0; i < rank; i++)
        length += snprintf(header + length, sizeof header - (size_t)length, "%lld,%s",
                           (long long)shape[i], i + 1 < rank ? " " : "");
    length += snprintf(header + length, sizeof header - (size_t)length, "), }");
    /* the format asks for data that is aligned to 64 bytes */
    while ((10 + length + 1) % 64)
        header[length++] = ' ';
    header[length++] = '\n';
    unsigned char start[10] = {0x93,
                               'N',
                               'U',
                               'M',
                               'P',
                               'Y',
                               1,
                               0,
                               (unsigned char)(length & 255),
                               (unsigned char)(length >> 8)};
    return fwrite(start, 1, 10, file) == 10 &&
           fwrite(header, 1, (size_t)length, file) == (size_t)length;
}

bool couplet_npy_write(const char *path, bool is_integer, const void *entries, int rank,
                       const int64_t *shape, char *error, size_t error_bytes) {
    FILE *file = couplet_file_begin(path, error, error_bytes);
    if (!file) return false;
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= (size_t)shape[i];
    /* couplet_file_commit looks at the stream, and reports what has failed here. */
    if (write_header(file, is_integer ? "<i4" : "<f4", rank, shape))
        fwrite(entries, 4, count, file);
    return couplet_file_commit(path, file, error, error_bytes);
}

bool couplet_npy_write_f32(const char *path, const double *values, int rank, const int64_t *shape,
                           char *error, size_t error_bytes) {
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= shape[i];
    float *entries = malloc((size_t)count * sizeof *entries + 1);
    if (!entries) return fail(error, error_bytes, "`%s` cannot be written: out of memory", path);
    for (int64_t i = 0; i < count; i++)
        entries[i] = (float)values[i];
    const bool good = couplet_npy_write(path, false, entries, rank, shape, error, error_bytes);
    free(entries);
    return good;
}

void couplet_npy_free(CoupletNpy *array) {
    free(array->values);
    free(array->wholes);
    memset(array, 0, sizeof *array);
}
