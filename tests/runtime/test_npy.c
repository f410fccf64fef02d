/* Arrays of .npy files: every element type, byte order and order of axes is read exactly, and any
 * other file is refused in a sentence. */
#include "runtime/npy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct File {
    unsigned char bytes[4096];
    size_t length;
} File;

static char error[512];

static void add_bytes(File *f, const void *bytes, size_t count) {
    memcpy(f->bytes + f->length, bytes, count);
    f->length += count;
}

/* Gives a file of this version whose header is the given text. */
static File with_header(int version, const char *header) {
    File f = {.length = 0};
    const size_t length = strlen(header);
    const unsigned char start[] = {0x93,
                                   'N',
                                   'U',
                                   'M',
                                   'P',
                                   'Y',
                                   (unsigned char)version,
                                   0,
                                   (unsigned char)(length & 255),
                                   (unsigned char)(length >> 8),
                                   0,
                                   0};
    add_bytes(&f, start, version == 1 ? 10 : 12);
    add_bytes(&f, header, length);
    return f;
}

static File described(const char *descr, const char *order, const char *shape) {
    char header[256];
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", descr,
             order, shape);
    return with_header(1, header);
}

static bool read_file_bytes(const File *f, CoupletNpy *out) {
    return couplet_npy_read_bytes("x.npy", f->bytes, f->length, out, error, sizeof error);
}

static void refused(const File *f, const char *word) {
    CoupletNpy array;
    if (read_file_bytes(f, &array)) fail_msg("read, and `%s` was expected", word);
    if (!strstr(error, word) || !strstr(error, "x.npy")) fail_msg("%s: lacks `%s`", error, word);
    for (const char *at = error; *at; at++)
        assert_in_range(*at, ' ', '~');
    assert_null(array.values);
    assert_null(array.wholes);
}

typedef struct Whole {
    const char *descr;
    int bytes;
    int64_t values[3];
} Whole;

static const Whole wholes[] = {
    {"|i1", 1, {-128, 127, -1}},
    {"<i2", 2, {-32768, 32767, 258}},
    {">i2", 2, {-32768, 32767, 258}},
    {"<i4", 4, {INT32_MIN, INT32_MAX, 3}},
    {">i4", 4, {INT32_MIN, INT32_MAX, 16909060}},
    {"<i8", 8, {INT64_MIN, INT64_MAX, (INT64_C(1) << 53) + 1}},
    {">i8", 8, {INT64_MIN, INT64_MAX, (INT64_C(1) << 53) + 1}},
    {"=i8", 8, {1, 2, 3}},
    {"|u1", 1, {0, 255, 7}},
    {"<u2", 2, {0, 65535, 258}},
    {">u2", 2, {0, 65535, 258}},
    {"<u4", 4, {0, UINT32_MAX, 3}},
    {">u4", 4, {0, UINT32_MAX, 3}},
    {"<u8", 8, {0, -1, INT64_MIN}},
    {">u8", 8, {0, -1, INT64_MIN}},
    {"|b1", 1, {0, 1, 1}},
};

/* Returns a file of three whole numbers as NumPy writes them: by their low bytes, in either
 * order. */
static File whole_file(const Whole *c) {
    File f = described(c->descr, "False", "(3,)");
    for (int i = 0; i < 3; i++)
        for (int b = 0; b < c->bytes; b++) {
            const int place = c->descr[0] == '>' ? c->bytes - 1 - b : b;
            const unsigned char byte = (unsigned char)((uint64_t)c->values[i] >> (8 * place));
            add_bytes(&f, &byte, 1);
        }
    return f;
}

static void whole_numbers(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof wholes / sizeof *wholes; k++) {
        const Whole *c = &wholes[k];
        const File f = whole_file(c);
        CoupletNpy a;
        if (!read_file_bytes(&f, &a)) fail_msg("%s: %s", c->descr, error);
        assert_true(a.is_integer && !a.values && a.rank == 1 && a.count == 3);
        for (int i = 0; i < 3; i++)
            assert_int_equal(a.wholes[i], c->values[i]);
        char text[24];
        if (a.is_unsigned && c->bytes == 8)
            assert_string_equal(couplet_npy_whole_text(&a, 1, text, sizeof text),
                                "18446744073709551615");
        if (c->values[0] == INT64_MIN)
            assert_string_equal(couplet_npy_whole_text(&a, 0, text, sizeof text),
                                "-9223372036854775808");
        couplet_npy_free(&a);
    }
}

static void reals(void **state) {
    (void)state;
    static const struct {
        const char *descr;
        unsigned char bytes[8];
        double value;
    } cases[] = {
        {"<f2", {0x00, 0x3c}, 1},
        {">f2", {0x3c, 0x00}, 1},
        {"<f2", {0xff, 0x7b}, 65504},
        {"<f2", {0x01, 0x00}, 0x1p-24},
        {"<f2", {0xff, 0x83}, -1023 * 0x1p-24},
        {"<f2", {0x00, 0x04}, 0x1p-14},
        {"<f2", {0x55, 0x35}, 1365 * 0x1p-12},
        {"<f2", {0x00, 0xfc}, -INFINITY},
        {"<f2", {0x01, 0x7c}, NAN},
        {"<f2", {0, 0x80}, -0.0},
        {"<f4", {0, 0, 0x80, 0x3f}, 1},
        {">f4", {0x3f, 0x80, 0, 0}, 1},
        {"<f4", {0, 0, 0xc0, 0xff}, NAN},
        {"<f4", {1, 0, 0, 0}, 0x1p-149},
        {"<f8", {0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, 1},
        {">f8", {0x3f, 0xf0}, 1},
        {"<f8", {1}, 0x1p-1074},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        File f = described(cases[c].descr, "False", "()");
        add_bytes(&f, cases[c].bytes, (size_t)(cases[c].descr[2] - '0'));
        CoupletNpy a;
        if (!read_file_bytes(&f, &a)) fail_msg("%s: %s", cases[c].descr, error);
        assert_true(!a.is_integer && !a.wholes && a.rank == 0 && a.count == 1);
        if (isnan(cases[c].value))
            assert_true(isnan(a.values[0]));
        else
            assert_true(a.values[0] == cases[c].value &&
                        signbit(a.values[0]) == signbit(cases[c].value));
        couplet_npy_free(&a);
    }
}

/* An array that is stored column by column is read as the same array row by row. */
static void orders_of_axes(void **state) {
    (void)state;
    enum { A = 3, B = 4, C = 5 };
    File rows = described("|u1", "False", "(3, 4, 5)");
    File columns = described("|u1", "True", "(3, 4, 5)");
    for (int i = 0; i < A * B * C; i++) {
        const unsigned char row = (unsigned char)(3 * i + 1),
                            column =
                                (unsigned char)(3 * (i % A * B * C + i / A % B * C + i / A / B) +
                                                1);
        add_bytes(&rows, &row, 1);
        add_bytes(&columns, &column, 1);
    }
    CoupletNpy a, b;
    assert_true(read_file_bytes(&rows, &a) && read_file_bytes(&columns, &b));
    assert_true(b.rank == 3 && b.shape[0] == A && b.shape[1] == B && b.shape[2] == C);
    assert_memory_equal(a.wholes, b.wholes, A * B * C * sizeof *a.wholes);
    couplet_npy_free(&a);
    couplet_npy_free(&b);
}

/* Arrays with more elements than are converted at a time, in both orders. */
static void long_arrays(void **state) {
    (void)state;
    enum { ROWS = 1234, COLUMNS = 7, HEADER = 128 };
    for (int by_columns = 0; by_columns < 2; by_columns++) {
        File start = described("<i2", by_columns ? "True" : "False", "(1234, 7)");
        const size_t length = start.length + ROWS * COLUMNS * 2;
        unsigned char *bytes = malloc(length);
        memcpy(bytes, start.bytes, start.length);
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            const int at = by_columns ? i % ROWS * COLUMNS + i / ROWS : i;
            bytes[start.length + 2 * (size_t)i] = (unsigned char)(at & 255);
            bytes[start.length + 2 * (size_t)i + 1] = (unsigned char)(at >> 8);
        }
        CoupletNpy a;
        assert_true(couplet_npy_read_bytes("x.npy", bytes, length, &a, error, sizeof error));
        for (int i = 0; i < ROWS * COLUMNS; i++)
            assert_int_equal(a.wholes[i], i);
        couplet_npy_free(&a);
        free(bytes);
    }
}

static void headers(void **state) {
    (void)state;
    static const char *const good[] = {
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }",
        "{\"shape\": (2,), \"fortran_order\": False, \"descr\": \"|u1\"}",
        "{'shape':(2L,),'descr':'|u1','fortran_order':False}",
        "{'descr' : '|u1' , 'fortran_order' : False, 'shape' : ( 2 , ) }   \n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        for (int version = 1; version <= 3; version++) {
            File f = with_header(version, good[i]);
            add_bytes(&f, "\1\2", 2);
            CoupletNpy a;
            if (!read_file_bytes(&f, &a)) fail_msg("%s: %s", good[i], error);
            assert_true(a.rank == 1 && a.count == 2 && a.wholes[1] == 2);
            couplet_npy_free(&a);
        }
}

static const struct {
    const char *descr, *shape, *word;
} refused_arrays[] = {
    {"<c8", "(2,)", "complex numbers (<c8)"},
    {"<c16", "(2,)", "complex numbers (<c16)"},
    {"|O", "(2,)", "Python objects (|O)"},
    {"<U5", "(2,)", "text (<U5)"},
    {"|S3", "(2,)", "bytes of text (|S3)"},
    {"<V2", "(2,)", "bfloat16"},
    {"<M8[ns]", "(2,)", "dates (<M8[ns])"},
    {"<f16", "(2,)", "wide floats (<f16)"},
    {"<x4", "(2,)", "`<x4` is not known"},
    {"", "(2,)", "`` is not known"},
    {"<i3", "(2,)", "`<i3` is not known"},
    {"|u1", "(0,)", "axis 1 has 0"},
    {"|u1", "(2, -3)", "axis 2 has -3"},
    {"|u1", "(2, 99999999999999999999999)", "axis 2 has 99999999999999999999999"},
    {"|u1", "(2.5,)", "no list of whole numbers"},
    {"|u1", "(x,)", "no list of whole numbers"},
    {"|u1", "(1,2,3,4,5,6,7,8,9)", "more than 8 axes"},
    {"|u1", "(2, 3", "no list of whole numbers"},
    {"<f8", "(1000000000000000, 8)", "axis 1 of the shape (1000000000000000, 8)"},
    {"<f8", "(8, 1000000000000000)", "axis 2 of the shape"},
    {"<f8", "(2000000, 2000000)", "axis 1 of the shape"},
    {"<f8", "(3037000500, 3037000500)", "so many fit into no memory"},
    {"<f8", "(1000000, 8)", "cut short: 2 bytes"},
    {"|u1", "(3,)", "cut short: 2 bytes of data stand there, and its shape (3,) asks for 3"},
    {"|u1", "()", "more bytes than the 1 of data"},
};

static const struct {
    int version;
    const char *header;
    const char *word;
} refused_headers[] = {
    {1, "{'descr': [('a', '<f4'), ('b', '<i4')], 'fortran_order': False, 'shape': (2,), }",
     "structures of several fields"},
    {1, "{'descr': '\xffu1\x1b[31m', 'fortran_order': False, 'shape': (2,), }",
     "`?u1?[31m` is not known"},
    {1, "{'descr': '<f4', 'fortran_order': 2, 'shape': (2,), }", "neither True nor False"},
    {1, "{'descr': '<f4', 'shape': (2,), }", "lacks"},
    {4, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "version 4"},
};

static const struct {
    File file;
    const char *word;
} refused_files[] = {
    {{"\x93NUMPY\1\0\xff\xff{", 11}, "ends inside its header"},
    {{"\x93NUMPY\2\0\xff\xff\xff\xff{", 13}, "4294967295 bytes, which no header has"},
    {{"PK\3\4 and so on", 13}, ".npz"},
    {{"hello, world", 12}, "no .npy file"},
};

static void refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused_arrays / sizeof *refused_arrays; i++) {
        File f = described(refused_arrays[i].descr, "False", refused_arrays[i].shape);
        add_bytes(&f, "\1\2", 2);
        refused(&f, refused_arrays[i].word);
    }
    for (size_t i = 0; i < sizeof refused_headers / sizeof *refused_headers; i++) {
        const File f = with_header(refused_headers[i].version, refused_headers[i].header);
        refused(&f, refused_headers[i].word);
    }
    for (size_t i = 0; i < sizeof refused_files / sizeof *refused_files; i++)
        refused(&refused_files[i].file, refused_files[i].word);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers),  cmocka_unit_test(reals),
        cmocka_unit_test(orders_of_axes), cmocka_unit_test(long_arrays),
        cmocka_unit_test(headers),        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
