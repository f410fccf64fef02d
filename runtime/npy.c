#include "runtime/npy.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool fail(char *error, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool fail(char *error, size_t bytes, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error, bytes, format, args);
    va_end(args);
    return false;
}

typedef struct Kind {
    const char *descr;
    size_t bytes;
    bool is_integer;
} Kind;
static const Kind kinds[] = {{"<f4", 4, false}, {"<f8", 8, false}, {"<i4", 4, true}, {"<i8", 8, true}, {"|u1", 1, true}, {"|b1", 1, true}};

static double element(const Kind *kind, const unsigned char *at) {
    if (strcmp(kind->descr, "<f4") == 0) {
        float v;
        memcpy(&v, at, sizeof v);
        return (double)v;
    }
    if (strcmp(kind->descr, "<f8") == 0) {
        double v;
        memcpy(&v, at, sizeof v);
        return v;
    }
    if (strcmp(kind->descr, "<i4") == 0) {
        int32_t v;
        memcpy(&v, at, sizeof v);
        return v;
    }
    if (strcmp(kind->descr, "<i8") == 0) {
        int64_t v;
        memcpy(&v, at, sizeof v);
        return (double)v;
    }
    return *at;
}

static const char *field(const char *header, const char *name) {
    char key[32];
    snprintf(key, sizeof key, "'%s':", name);
    const char *at = strstr(header, key);
    if (!at) return NULL;
    at += strlen(key);
    while (*at == ' ') at++;
    return at;
}

static bool parse_header(const char *path, const char *header, CoupletNpy *out, const Kind **kind, char *error, size_t bytes) {
    const char *descr = field(header, "descr"), *order = field(header, "fortran_order"), *shape = field(header, "shape");
    if (!descr || !order || !shape || *shape != '(') return fail(error, bytes, "`%s`: the header of the .npy file lacks descr, fortran_order or shape", path);
    *kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(descr + 1, kinds[i].descr, strlen(kinds[i].descr)) == 0 && descr[1 + strlen(kinds[i].descr)] == descr[0]) *kind = &kinds[i];
    if (!*kind) return fail(error, bytes, "`%s`: the element type %.8s is not read; float32, float64, int32, int64, uint8 and bool are", path, descr);
    if (strncmp(order, "False", 5) != 0) return fail(error, bytes, "`%s`: the array is stored column by column; row by row (C order) is expected", path);
    out->rank = 0;
    out->count = 1;
    for (const char *at = shape + 1; *at && *at != ')';) {
        char *end;
        long long extent = strtoll(at, &end, 10);
        if (end == at) return fail(error, bytes, "`%s`: the shape in the header is no list of numbers", path);
        if (out->rank == COUPLET_NPY_MAX_RANK) return fail(error, bytes, "`%s`: the array has more than %d axes", path, COUPLET_NPY_MAX_RANK);
        if (extent < 1 || extent > (1ll << 40) / out->count) return fail(error, bytes, "`%s`: axis %d has %lld entries; at least 1, and a size that fits in memory, is expected", path, out->rank + 1, extent);
        out->shape[out->rank++] = extent;
        out->count *= extent;
        at = end;
        while (*at == ',' || *at == ' ') at++;
    }
    out->is_integer = (*kind)->is_integer;
    return true;
}

static bool read_open(FILE *file, const char *path, CoupletNpy *out, char *error, size_t bytes) {
    unsigned char start[12];
    if (fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY", 6) != 0) return fail(error, bytes, "`%s` is no .npy file: its first bytes are not \\x93NUMPY", path);
    size_t length = (size_t)start[8] | (size_t)start[9] << 8;
    if (start[6] == 2) {
        if (fread(start + 10, 1, 2, file) != 2) return fail(error, bytes, "`%s` ends inside its header", path);
        length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    } else if (start[6] != 1) {
        return fail(error, bytes, "`%s` has .npy version %d; 1 and 2 are read", path, start[6]);
    }
    if (length > 1 << 20) return fail(error, bytes, "`%s`: its header claims %zu bytes, which no header has", path, length);
    char *header = calloc(1, length + 1);
    if (!header) return fail(error, bytes, "out of memory while reading `%s`", path);
    const Kind *kind = NULL;
    bool good = fread(header, 1, length, file) == length || fail(error, bytes, "`%s` ends inside its header", path);
    for (size_t i = 0; i < length; i++) /* a header is plain text; messages quote it */
        if (header[i] < ' ' || header[i] > '~') header[i] = '?';
    good = good && parse_header(path, header, out, &kind, error, bytes);
    free(header);
    if (!good) return false;
    size_t size = (size_t)out->count * kind->bytes;
    unsigned char *data = malloc(size);
    out->values = malloc((size_t)out->count * sizeof *out->values);
    if (!data || !out->values) good = fail(error, bytes, "out of memory while reading `%s`", path);
    size_t got = good ? fread(data, 1, size, file) : 0;
    if (good && got != size) good = fail(error, bytes, "`%s` is cut short: %zu bytes of data stand there, and its shape asks for %zu", path, got, size);
    for (int64_t i = 0; good && i < out->count; i++) out->values[i] = element(kind, data + (size_t)i * kind->bytes);
    free(data);
    if (!good) couplet_npy_free(out);
    return good;
}

bool couplet_npy_read(const char *path, CoupletNpy *out, char *error, size_t error_bytes) {
    memset(out, 0, sizeof *out);
    FILE *file = fopen(path, "rb");
    if (!file) return fail(error, error_bytes, "`%s` cannot be read: %s", path, strerror(errno));
    bool good = read_open(file, path, out, error, error_bytes);
    fclose(file);
    return good;
}

bool couplet_npy_read_bytes(const char *path, const void *data, size_t length, CoupletNpy *out, char *error, size_t error_bytes) {
    memset(out, 0, sizeof *out);
    if (length == 0) return fail(error, error_bytes, "`%s` holds an array of no bytes", path);
    FILE *file = fmemopen((void *)(uintptr_t)data, length, "rb");
    if (!file) return fail(error, error_bytes, "out of memory while reading `%s`", path);
    bool good = read_open(file, path, out, error, error_bytes);
    fclose(file);
    return good;
}

static bool write_open(FILE *file, const double *values, int rank, const int64_t *shape) {
    char header[512];
    int length = snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    int64_t count = 1;
    for (int i = 0; i < rank; i++) {
        length += snprintf(header + length, sizeof header - (size_t)length, "%lld,%s", (long long)shape[i], i + 1 < rank ? " " : "");
        count *= shape[i];
    }
    length += snprintf(header + length, sizeof header - (size_t)length, "), }");
    while ((10 + length + 1) % 64) header[length++] = ' '; /* data is aligned to 64 bytes, as the format asks */
    header[length++] = '\n';
    unsigned char start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(length & 255), (unsigned char)(length >> 8)};
    if (fwrite(start, 1, 10, file) != 10 || fwrite(header, 1, (size_t)length, file) != (size_t)length) return false;
    for (int64_t i = 0; i < count; i++) {
        float v = (float)values[i];
        if (fwrite(&v, sizeof v, 1, file) != 1) return false;
    }
    return fflush(file) == 0;
}

bool couplet_npy_write_f32(const char *path, const double *values, int rank, const int64_t *shape, char *error, size_t error_bytes) {
    char draft[4096];
    if (snprintf(draft, sizeof draft, "%s.part", path) >= (int)sizeof draft) return fail(error, error_bytes, "the path `%s` is too long", path);
    FILE *file = fopen(draft, "wb");
    if (!file) return fail(error, error_bytes, "`%s` cannot be written: %s", path, strerror(errno));
    bool good = write_open(file, values, rank, shape);
    int why = errno;
    if (fclose(file) != 0 && good) {
        good = false;
        why = errno;
    }
    if (good && rename(draft, path) != 0) {
        good = false;
        why = errno;
    }
    if (good) return true;
    unlink(draft);
    return fail(error, error_bytes, "`%s` cannot be written: %s", path, strerror(why));
}

void couplet_npy_free(CoupletNpy *array) {
    free(array->values);
    memset(array, 0, sizeof *array);
}
