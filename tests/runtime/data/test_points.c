/* data.points: every format gives the same shape, points lie on it in proportion to its area,
 * clouds keep their points, and damaged files are refused in a sentence. */
#include "runtime/data/mesh.h"
#include "tests/runtime/data/samples.h"

#include <math.h>

/* A block of 1 x 2 x 3 with an area of 22, whose sides are made of two triangles each. */
static const double block[8][3] = {{0, 0, 0}, {1, 0, 0}, {1, 2, 0}, {0, 2, 0},
                                   {0, 0, 3}, {1, 0, 3}, {1, 2, 3}, {0, 2, 3}};
static const int sides[6][4] = {{3, 2, 1, 0}, {4, 5, 6, 7}, {0, 1, 5, 4},
                                {2, 3, 7, 6}, {1, 2, 6, 5}, {0, 4, 7, 3}};

typedef struct Text {
    char bytes[16384];
    size_t length;
} Text;

__attribute__((format(printf, 2, 3))) static void add(Text *t, const char *format, ...) {
    va_list list;
    va_start(list, format);
    t->length += (size_t)vsnprintf(t->bytes + t->length, sizeof t->bytes - t->length, format, list);
    va_end(list);
}

static void add_bytes(Text *t, const void *bytes, size_t count, bool is_big) {
    const char *from = bytes;
    for (size_t i = 0; i < count; i++)
        t->bytes[t->length + i] = from[is_big ? count - 1 - i : i];
    t->length += count;
}

static void write_obj(const char *name, const char *end) {
    Text t = {.length = 0};
    add(&t, "# a block%so block%smtllib none.mtl%s", end, end, end);
    for (int i = 0; i < 8; i++)
        add(&t, "v %g %g %g%s", block[i][0], block[i][1], block[i][2], end);
    add(&t, "vt 0 0%svn 0 0 1%s", end, end);
    for (int i = 0; i < 6; i++) {
        if (i == 0)
            add(&t, "f %d %d \\%s %d %d%s", sides[i][0] + 1, sides[i][1] + 1, end, sides[i][2] + 1,
                sides[i][3] + 1, end);
        else if (i == 1)
            add(&t, "f %d/1/1 %d/1/1 %d/1/1 %d/1/1%s", sides[i][0] + 1, sides[i][1] + 1,
                sides[i][2] + 1, sides[i][3] + 1, end);
        else
            add(&t, "f %d//1 %d//1 %d//1 %d//1%s", sides[i][0] - 8, sides[i][1] - 8,
                sides[i][2] - 8, sides[i][3] - 8, end);
    }
    write_sample(name, t.bytes, t.length);
}

static void write_off(const char *name, const char *head) {
    Text t = {.length = 0};
    add(&t, "%s8 6 12\n# the points\n", head);
    for (int i = 0; i < 8; i++)
        add(&t, "%.9e %.3f %+g\n", block[i][0], block[i][1], block[i][2]);
    for (int i = 0; i < 6; i++)
        add(&t, "4 %d %d %d %d 255 0 0\n", sides[i][0], sides[i][1], sides[i][2], sides[i][3]);
    write_sample(name, t.bytes, t.length);
}

/* Adds the rows of a PLY file. Other elements and properties stand ahead of those that are read,
 * between them and behind them. */
static void add_ply_rows(Text *t) {
    add(t, "0.5 2 7 8\n");
    for (int i = 0; i < 8; i++)
        add(t, "255 %g %g %g\n", block[i][0], block[i][1], block[i][2]);
    for (int i = 0; i < 6; i++)
        add(t, "1 4 %d %d %d %d 1 0.5\n", sides[i][0], sides[i][1], sides[i][2], sides[i][3]);
}

static void add_ply_bytes(Text *t, bool is_big) {
    const float half = 0.5f;
    const uint8_t two = 2;
    const uint8_t four = 4;
    const uint8_t red = 255;
    const int16_t rest[2] = {7, 8};
    const uint16_t flags = 1;
    const int32_t one = 1;
    add_bytes(t, &half, 4, is_big);
    add_bytes(t, &two, 1, is_big);
    for (int i = 0; i < 2; i++)
        add_bytes(t, &rest[i], 2, is_big);
    for (int i = 0; i < 8; i++) {
        const float y = (float)block[i][1];
        const int32_t z = (int32_t)block[i][2];
        add_bytes(t, &red, 1, is_big);
        add_bytes(t, &block[i][0], 8, is_big);
        add_bytes(t, &y, 4, is_big);
        add_bytes(t, &z, 4, is_big);
    }
    for (int i = 0; i < 6; i++) {
        add_bytes(t, &flags, 2, is_big);
        add_bytes(t, &four, 1, is_big);
        for (int c = 0; c < 4; c++)
            add_bytes(t, &sides[i][c], 4, is_big);
        add_bytes(t, &one, 4, is_big);
        add_bytes(t, &half, 4, is_big);
    }
}

/* Writes a PLY file. coding 0: text, 1: little endian, 2: big endian. */
static void write_ply(const char *name, int coding) {
    static const char *const codings[] = {"ascii", "binary_little_endian", "binary_big_endian"};
    Text t = {.length = 0};
    add(&t, "ply\nformat %s 1.0\ncomment a block\nobj_info none\n", codings[coding]);
    add(&t, "element camera 1\nproperty float angle\nproperty list uchar short rest\n");
    add(&t, "element vertex 8\nproperty uchar red\nproperty double x\nproperty float y\nproperty "
            "int z\n");
    add(&t, "element face 6\nproperty ushort flags\nproperty list uchar uint "
            "vertex_indices\nproperty list int float more\nend_header\n");
    if (coding == 0)
        add_ply_rows(&t);
    else
        add_ply_bytes(&t, coding == 2);
    write_sample(name, t.bytes, t.length);
}

static void write_stl(const char *name, bool is_text) {
    Text t = {.length = 0};
    if (is_text)
        add(&t, "solid block\n");
    else {
        const uint32_t triangles = 12;
        t.length = 80;
        add_bytes(&t, &triangles, 4, false);
    }
    for (int i = 0; i < 12; i++) {
        const int *s = sides[i / 2];
        const int corners[3] = {s[0], s[i % 2 + 1], s[i % 2 + 2]};
        const float none[3] = {0, 0, 0};
        if (is_text)
            add(&t, " facet normal 0 0 0\n  outer loop\n");
        else
            add_bytes(&t, none, sizeof none, false);
        for (int c = 0; c < 3; c++) {
            const double *p = block[corners[c]];
            const float point[3] = {(float)p[0], (float)p[1], (float)p[2]};
            if (is_text)
                add(&t, "   vertex %g %g %g\n", p[0], p[1], p[2]);
            else
                add_bytes(&t, point, sizeof point, false);
        }
        if (is_text)
            add(&t, "  endloop\n endfacet\n");
        else
            add_bytes(&t, "\0", 2, false);
    }
    if (is_text) add(&t, "endsolid block\n");
    write_sample(name, t.bytes, t.length);
}

static const double *corner(const CoupletMesh *m, int64_t triangle, int which) {
    return m->points + 3 * (int64_t)m->corners[3 * triangle + which];
}

static double area_of(const CoupletMesh *m, int64_t triangle) {
    const double *a = corner(m, triangle, 0);
    const double *b = corner(m, triangle, 1);
    const double *c = corner(m, triangle, 2);
    double sum = 0;
    for (int k = 0; k < 3; k++) {
        const int i = (k + 1) % 3;
        const int j = (k + 2) % 3;
        const double n = (b[i] - a[i]) * (c[j] - a[j]) - (b[j] - a[j]) * (c[i] - a[i]);
        sum += n * n;
    }
    return sqrt(sum) / 2;
}

static double whole_area(const CoupletMesh *m) {
    double sum = 0;
    for (int64_t t = 0; t < m->triangle_count; t++)
        sum += area_of(m, t);
    return sum;
}

static void formats_agree(void **state) {
    (void)state;
    static const char *const names[] = {"unix.obj",     "dos.obj",   "mac.OBJ",    "a.off",
                                        "modelnet.off", "text.ply",  "little.ply", "big.PLY",
                                        "text.stl",     "binary.stl"};
    write_obj(names[0], "\n");
    write_obj(names[1], "\r\n");
    write_obj(names[2], "\r");
    write_off(names[3], "OFF\n");
    write_off(names[4], "OFF");
    for (int i = 0; i < 3; i++)
        write_ply(names[5 + i], i);
    write_stl(names[8], true);
    write_stl(names[9], false);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CoupletMesh m;
        if (!couplet_mesh_read(sample_path(names[i]), &m, said, sizeof said)) fail_msg("%s", said);
        assert_int_equal(m.triangle_count, 12);
        assert_true(fabs(whole_area(&m) - 22) < 1e-12);
        for (int t = 0; t < 12; t++)
            for (int c = 0; c < 3; c++)
                for (int k = 0; k < 3; k++) {
                    const int *s = sides[t / 2];
                    const int which[3] = {s[0], s[t % 2 + 1], s[t % 2 + 2]};
                    assert_true(corner(&m, t, c)[k] == block[which[c]][k]);
                }
        couplet_mesh_free(&m);
    }
}

/* Faces are cut into triangles: an L of area 3, a star that crosses itself, a square with a corner
 * in a line, and a face given from behind. */
static void faces_are_cut(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int triangles;
        double area;
    } cases[] = {
        {"v 0 0 5\nv 2 0 5\nv 2 1 5\nv 1 1 5\nv 1 2 5\nv 0 2 5\nf 1 2 3 4 5 6\n", 4, 3},
        {"v 0 0 5\nv 2 0 5\nv 2 1 5\nv 1 1 5\nv 1 2 5\nv 0 2 5\nf 6 5 4 3 2 1\n", 4, 3},
        {"v 0 0 5\nv 0 2 0\nv 0 2 1\nv 0 1 1\nv 0 1 2\nv 0 0 2\nv 0 0 0\nf 4 5 6 7 2 3\n", 4, 3},
        {"v 0 0 0\nv 1 0 0\nv 2 0 0\nv 2 2 0\nv 0 2 0\nf 1 2 3 4 5\n", 3, 4},
        {"v 0 0 0\nv 0 2 0\nv 2 2 0\nv 2 0 0\nv 1 0 0\nf 1 2 3 4 5\n", 3, 4},
        /* A square with sides of 4 has a square hole with sides of 1, and an edge that is walked
         * twice joins them. The area is 16 - 1. */
        {"v 0 0 0\nv 4 0 0\nv 4 4 0\nv 0 4 0\nv 1 1 0\nv 1 2 0\nv 2 2 0\nv 2 1 0\nf 1 2 3 4 1 5 6 "
         "7 8 5\n",
         8, 15},
        {"v 0 0 0\nv 1 0 0\nv 0 1 0\nl 1 2\np 3\nf 1 2\nf 1 2 3\n", 1, 0.5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CoupletMesh m;
        if (!couplet_mesh_read_bytes("a.obj", (const uint8_t *)cases[i].text, strlen(cases[i].text),
                                     &m, said, sizeof said))
            fail_msg("%s", said);
        assert_int_equal(m.triangle_count, cases[i].triangles);
        if (fabs(whole_area(&m) - cases[i].area) > 1e-12)
            fail_msg("case %d: the area is %g", (int)i, whole_area(&m));
        couplet_mesh_free(&m);
    }
    const char *star = "v 0 1 0\nv 0.6 -0.8 0\nv -1 0.3 0\nv 1 0.3 0\nv -0.6 -0.8 0\nf 1 2 3 4 5\n";
    CoupletMesh m;
    assert_true(couplet_mesh_read_bytes("a.obj", (const uint8_t *)star, strlen(star), &m, said,
                                        sizeof said));
    assert_int_equal(m.triangle_count, 3);
    couplet_mesh_free(&m);
}

static void strips(void **state) {
    (void)state;
    const char *text = "ply\nformat ascii 1.0\nelement vertex 6\nproperty float x\nproperty float "
                       "y\nproperty float z\nelement tristrips 1\n"
                       "property list int int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n1 1 "
                       "0\n0 0 1\n1 0 1\n8 0 1 2 3 -1 0 1 4\n";
    CoupletMesh m;
    if (!couplet_mesh_read_bytes("a.ply", (const uint8_t *)text, strlen(text), &m, said,
                                 sizeof said))
        fail_msg("%s", said);
    assert_int_equal(m.triangle_count, 3);
    assert_memory_equal(m.corners, ((const int32_t[]){0, 1, 2, 2, 1, 3, 0, 1, 4}), 36);
    couplet_mesh_free(&m);
}

/* Returns the side of the block that a point is on, or -1 if it is on none. */
static int block_side(const float *p) {
    static const int axes[6] = {2, 2, 1, 1, 0, 0};
    static const float ends[6] = {0, 3, 0, 2, 1, 0};
    int found = -1;
    for (int s = 0; s < 6; s++)
        if (fabsf(p[axes[s]] - ends[s]) < 1e-6f) found = s;
    for (int k = 0; k < 3; k++)
        if (p[k] < -1e-6f || p[k] > (float)(k + 1) + 1e-6f) found = -1;
    return found;
}

static void points_are_in_proportion_to_area(void **state) {
    (void)state;
    enum { COUNT = 22000 };
    static const float normals[6][3] = {{0, 0, -1}, {0, 0, 1}, {0, -1, 0},
                                        {0, 1, 0},  {1, 0, 0}, {-1, 0, 0}};
    static const double areas[6] = {2, 2, 3, 3, 6, 6};
    const CoupletSetting settings[] = {
        {"count", COUNT, NULL}, {"normals", 1, NULL}, {"scale", 0, "none"}};
    write_obj("a/block.obj", "\n");
    CoupletTable table;
    assert_true(open_samples("points", "a/block.obj", settings, 3, &table));
    float *points = read_sample(&table, 0, "points");
    float *normal = read_sample(&table, 0, "normal");
    int on[6] = {0};
    double mean[3] = {0};
    for (int i = 0; i < COUNT; i++) {
        const int side = block_side(points + 3 * i);
        assert_in_range(side, 0, 5);
        on[side]++;
        for (int k = 0; k < 3; k++)
            assert_true(normal[3 * i + k] == normals[side][k]);
        for (int k = 0; k < 3; k++)
            mean[k] += points[3 * i + k] / (double)COUNT;
    }
    for (int s = 0; s < 6; s++) {
        const double expected = areas[s] * 1000;
        const double spread = sqrt(expected * (1 - areas[s] / 22));
        if (fabs(on[s] - expected) > 4 * spread)
            fail_msg("side %d has %d points, and %g are expected", s, on[s], expected);
    }
    for (int k = 0; k < 3; k++)
        assert_true(fabs(mean[k] - (k + 1) / 2.0) < 4 * (k + 1) * 0.4 / sqrt(COUNT));
    free(points);
    free(normal);
    couplet_table_close(&table);
}

static void shapes_are_in_the_unit_sphere(void **state) {
    (void)state;
    const CoupletSetting settings[] = {{"count", 4000, NULL}};
    Text t = {.length = 0};
    add(&t, "OFF\n8 6 0\n");
    for (int i = 0; i < 8; i++)
        add(&t, "%.3f %.3f %.3f\n", block[i][0] + 4e6, block[i][1], block[i][2] - 7e6);
    for (int i = 0; i < 6; i++)
        add(&t, "4 %d %d %d %d\n", sides[i][0], sides[i][1], sides[i][2], sides[i][3]);
    write_sample("far.off", t.bytes, t.length);
    float *points = read_file("points", "far.off", settings, 1, "points");
    double most = 0;
    double centre[3] = {0};
    for (int i = 0; i < 4000; i++) {
        double sum = 0;
        for (int k = 0; k < 3; k++) {
            sum += points[3 * i + k] * (double)points[3 * i + k];
            centre[k] += points[3 * i + k] / 4000.0;
        }
        most = fmax(most, sqrt(sum));
    }
    assert_true(most <= 1 + 1e-6 && most > 0.95);
    for (int k = 0; k < 3; k++)
        assert_true(fabs(centre[k]) < 0.05);
    /* The unit is half of the block's diagonal, and each face is half an edge from the centre. */
    const double half = sqrt(1 + 4 + 9) / 2;
    for (int i = 0; i < 4000; i++)
        for (int k = 0; k < 3; k++)
            assert_true(fabs(points[3 * i + k]) <= (k + 1) / 2.0 / half + 1e-6);
    free(points);
}

/* The points of a row depend on its path below the folder and on nothing else. */
static void draws_go_by_path(void **state) {
    (void)state;
    const CoupletSetting settings[] = {{"count", 64, NULL}};
    write_off("here/x/a.off", "OFF\n");
    write_off("here/x/b.off", "OFF\n");
    write_off("there/w/0.off", "OFF\n");
    write_off("there/x/a.off", "OFF\n");
    CoupletTable here, there;
    assert_true(open_samples("points", "here/", settings, 1, &here));
    assert_true(open_samples("points", "there", settings, 1, &there));
    float *a = read_sample(&here, 0, "points");
    float *b = read_sample(&here, 1, "points");
    float *again = read_sample(&there, 1, "points");
    assert_memory_equal(a, again, 64 * 12);
    assert_memory_not_equal(a, b, 64 * 12);
    /* The bits are the same on every machine. */
    uint32_t sum = 0;
    uint32_t bits;
    for (int i = 0; i < 192; i++) {
        memcpy(&bits, a + i, 4);
        sum = sum * 31 + bits;
    }
    assert_int_equal(sum, 0x35ca3b88);
    free(a);
    free(b);
    free(again);
    couplet_table_close(&here);
    couplet_table_close(&there);
}

static void classes_are_folders(void **state) {
    (void)state;
    write_off("kinds/table/a.off", "OFF\n");
    write_off("kinds/chair/b.off", "OFF\n");
    write_text("kinds/chair/b.mtl", "a file of another kind");
    write_text("kinds/.hidden/c.off", "hidden");
    write_text("kinds/chair/.c.off", "hidden");
    CoupletTable table;
    assert_true(open_samples("points", "kinds", NULL, 0, &table));
    assert_int_equal(table.held, 2);
    const CoupletField *label = couplet_table_field(&table, "label", NULL);
    assert_int_equal(label->classes, 2);
    assert_string_equal(label->class_names[0], "chair");
    for (int32_t row = 0; row < 2; row++) {
        int32_t *value = read_sample(&table, row, "label");
        assert_int_equal(*value, row);
        free(value);
    }
    char name[256];
    table.reader->name_row(&table, 1, name, sizeof name);
    assert_non_null(strstr(name, "kinds/table/a.off"));
    couplet_table_close(&table);
}

/* Asserts that each point of the cloud is there `count / held` times or once more. */
static void cloud_keeps_points(int held, int count) {
    Text t = {.length = 0};
    add(&t, "%d\n// x y z and its brightness\n", held);
    for (int i = 0; i < held; i++)
        add(&t, i % 2 ? "%d;%d; -%d ;0.5\n" : "%d\t%d  -%d 0.5\n", i + 1, i / 7, i % 5);
    write_sample("cloud.pts", t.bytes, t.length);
    const CoupletSetting settings[] = {{"count", count, NULL}, {"scale", 0, "none"}};
    float *points = read_file("points", "cloud.pts", settings, 2, "points");
    if (!points) fail_msg("%s", said);
    int *times = calloc((size_t)held, sizeof *times);
    for (int i = 0; i < count; i++) {
        const int from = (int)points[3 * i] - 1;
        assert_in_range(from, 0, held - 1);
        assert_true(points[3 * i + 1] == (float)(from / 7) &&
                    points[3 * i + 2] == (float)-(from % 5));
        times[from]++;
    }
    for (int i = 0; i < held; i++)
        assert_in_range(times[i], count / held, (count + held - 1) / held);
    if (held > 20) { /* the points are in a drawn order */
        int falls = 0;
        for (int i = 1; i < held && i < count; i++)
            falls += points[3 * i] < points[3 * i - 3];
        assert_true(falls > 3);
    }
    free(points);
    free(times);
}

static void clouds(void **state) {
    (void)state;
    cloud_keeps_points(1, 1);
    cloud_keeps_points(1, 7);
    cloud_keeps_points(50, 50);
    cloud_keeps_points(50, 49);
    cloud_keeps_points(50, 51);
    cloud_keeps_points(500, 20);
    cloud_keeps_points(30, 1000);
    write_text("one.xyz", "3 4 5");
    const CoupletSetting settings[] = {{"count", 2, NULL}};
    float *points = read_file("points", "one.xyz", settings, 1, "points");
    for (int i = 0; i < 6; i++)
        assert_true(points[i] == 0);
    free(points);
}

static void clouds_have_normals(void **state) {
    (void)state;
    const CoupletSetting settings[] = {{"count", 4, NULL}, {"normals", 1, NULL}};
    write_text("six.xyz", "0 0 0 1 0 0\n1 1 1 0 0.6 0.8\n");
    write_text("normals.ply",
               "ply\nformat ascii 1.0\nelement vertex 1\nproperty float nz\nproperty float "
               "ny\nproperty float nx\n"
               "property float x\nproperty float y\nproperty float z\nend_header\n0 2 0 5 5 5\n");
    float *normal = read_file("points", "six.xyz", settings, 2, "normal");
    assert_non_null(normal);
    assert_true(normal[0] + normal[3] == 1 && fabsf(normal[1] + normal[4] - 0.6f) < 1e-6f);
    free(normal);
    normal = read_file("points", "normals.ply", settings, 2, "normal");
    assert_non_null(normal);
    assert_memory_equal(normal, ((const float[]){0, 1, 0, 0, 1, 0}), 24);
    free(normal);
    write_text("colour.xyz", "0 0 0 255 0 0\n1 1 1 0 255 0\n");
    refuses("points", "colour.xyz", settings, 2, "normal", "without normals");
    write_text("short.ply",
               "ply\nformat ascii 1.0\nelement vertex 1\nproperty float nz\nproperty float "
               "ny\nproperty float nx\n"
               "property float x\nproperty float y\nproperty float z\nend_header\n0 0 0 5 5 5\n");
    refuses("points", "short.ply", settings, 2, "normal", "the normal of point 0 has the length 0");
    write_text("nan.ply", "ply\nformat ascii 1.0\nCreated by an old Blender\nelement vertex "
                          "1\nproperty float nz\nproperty float ny\nproperty float nx\n"
                          "property float x\nproperty float y\nproperty float z\nproperty float "
                          "quality\nend_header\n0 nan 1 5 5 5 inf\n");
    refuses("points", "nan.ply", settings, 2, "normal", "the normal of point 0 has the length nan");
    /* If nobody asks for normals, they may be anything. */
    float *points = read_file("points", "nan.ply", settings, 1, "points");
    assert_non_null(points);
    free(points);
}

static const struct {
    const char *name, *text, *words;
} damaged_files[] = {
    {"empty.obj", "", "the file is empty"},
    {"nothing.obj", "# nothing\n", "there is no point"},
    {"word.obj", "v 0 0 zero\n", ":1: `zero` is no finite number"},
    {"nan.obj", "v 0 0 0\nv nan 0 0\n", ":2: `nan` is no finite number"},
    {"inf.obj", "v 0 0 1e999\n", ":1: `1e999` is no finite number"},
    {"large.obj", "v 0 0 1e39\n", "a finite number of 32 bits"},
    {"few.obj", "v 0 0\n", "has 2 numbers, and 3 were expected"},
    {"ahead.obj", "v 0 0 0\nv 1 0 0\nf 1 2 3\nv 0 1 0\n",
     ":3: a face has point 3, and points 1 to 2 stand above"},
    {"zero.obj", "v 0 0 0\nf 0 1 1\n", "a face has point 0"},
    {"before.obj", "v 0 0 0\nf -1 -2 -1\n", "a face has point -2"},
    {"corner.obj", "v 0 0 0\nf 1 x/1 1\n", "`x/1` is no corner"},
    {"flat.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\nf 1 1 1\n", "have no area"},
    {"head.off", "OFG\n1 0 0\n0 0 0\n", "begins with `OFG`"},
    {"binary.off", "OFF BINARY\n", "binary kind"},
    {"counts.off", "OFF\nmany 0 0\n", "`many` is no number of points"},
    {"negative.off", "OFF\n-1 0 0\n", "`-1` is no number of points"},
    {"half.off", "OFF\n3 1 0\n0 0 0\n", "ends after 1 of its 3 points"},
    {"faceless.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n", "ends after 0 of its 1 faces"},
    {"outside.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n", ":6: a face has point 3"},
    {"corners.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1\n",
     "a face has 2 points, and 3 were expected"},
    {"rest.off", "OFF\n1 0 0\n0 0 0\n0 0 0\n", "goes on after"},
    {"endless.off", "OFF\n999999999999 1 0\n0 0 0\n", "ends after 1 of its 999999999999 points"},
    {"head.ply", "plx\n", "does not begin with the line `ply`"},
    {"format.ply", "ply\nformat ascii7 1.0\nend_header\n", "the format is `ascii7`"},
    {"formatless.ply", "ply\nelement vertex 0\nend_header\n", "no line `format`"},
    {"type.ply", "ply\nformat ascii 1.0\nelement vertex 1\nproperty real x\nend_header\n",
     "`real` is no type"},
    {"xyz.ply", "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n",
     "no properties x, y and z"},
    {"twice.ply",
     "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float "
     "x\nend_header\n1\n",
     "twice"},
    {"cut.ply", "ply\nformat ascii 1.0\nelement vertex 1\n", "ends before its end_header"},
    {"none.stl",
     "a file that is long enough to be one, but says more triangles than it has room for, so "
     "it is none",
     "triangles take"},
    {"cut.stl", "solid x\nfacet\nvertex 0 0 0\n", "ends before its endsolid"},
    {"two.stl", "solid x\nvertex 0 0 0\nvertex 1 0 0\nendfacet\nendsolid\n", "ends with 2 corners"},
    {"count.xyz", "3\n0 0 0\n1 1 1\n", "has 2 points, and its first line says 3"},
    {"atom.xyz", "C 0 0 0\n", "`C` is no finite number"},
    {"short.xyz", "0, 5, 0.5 \n1 1\n", ":2: a point has 2 numbers"},
    {"comma.xyz", "0,5 0,5 0,5\n", ":1: `5 0` is no finite number"},
    {"semicolon.xyz", "0;5;1,5\n", ":1: `1,5` is no finite number"},
    {"ragged.xyz", "0 0 0 1 2 3\n1 1 1\n", ":2: the line has 3 columns"},
    {"comma.obj", "v 0,5 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", ":1: `0,5` is no finite number"},
    {"comma.off", "OFF\n1 0 0\n0,5 0 1\n", ":3: `0,5` is no finite number"},
};

static void damaged(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof damaged_files / sizeof *damaged_files; i++) {
        write_text(damaged_files[i].name, damaged_files[i].text);
        refuses("points", damaged_files[i].name, NULL, 0, "points", damaged_files[i].words);
    }
}

/* Tests a PLY file of three points and a face whose rows are damaged. */
static void damaged_rows(void **state) {
    (void)state;
    static const char ply[] = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty "
                              "float y\nproperty float z\nelement face 1\n"
                              "property list uchar int vertex_indices\nend_header\n";
    static const struct {
        const char *rows, *words;
    } rows[] = {
        {"0 0 0\n1 0 0\n", "ends in its rows"},
        {"0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n", ":13: a face has point 7"},
        {"0 0 0\n1 0 0\n0 1 0\n3 0 1 -1\n", "a face has point -1"},
        {"0 0 0\n1 0 0\n0 1 0\n-3 0 1 2\n", "a list has -3 entries"},
        {"0 0 0\n1 0 0\n0 1 0\n3 0 1 1.5\n", "`1.5` is no integer"},
        {"0 0 0\n1 nan 0\n0 1 0\n3 0 1 2\n", "`nan` is no finite number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%s%s", ply, rows[i].rows);
        write_text("rows.ply", text);
        refuses("points", "rows.ply", NULL, 0, "points", rows[i].words);
    }
}

/* Each beginning of each file is read or refused, and the sanitizers find no fault. */
static void cut_short(void **state) {
    (void)state;
    static const char *const names[] = {"cut.obj",  "cut.off",  "cut0.ply", "cut1.ply",
                                        "cut2.ply", "cut0.stl", "cut1.stl"};
    write_obj(names[0], "\n");
    write_off(names[1], "OFF\n");
    for (int i = 0; i < 3; i++)
        write_ply(names[2 + i], i);
    write_stl(names[5], false);
    write_stl(names[6], true);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static uint8_t bytes[16384];
        FILE *file = fopen(sample_path(names[i]), "rb");
        const size_t length = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        int read = 0;
        for (size_t cut = 0; cut < length; cut++) {
            uint8_t *part = malloc(cut + 1);
            memcpy(part, bytes, cut);
            CoupletMesh m;
            const bool is_read =
                couplet_mesh_read_bytes(names[i], part, cut, &m, said, sizeof said);
            if (is_read) couplet_mesh_free(&m);
            read += is_read;
            free(part);
        }
        /* A cut OBJ is a smaller OBJ. Of the other formats, only a file that ends in its last
         * number or line may be read. */
        if (i) assert_in_range(read, 0, 16);
    }
}

static void settings_are_checked(void **state) {
    (void)state;
    write_off("a.off", "OFF\n");
    const CoupletSetting scale[] = {{"scale", 0, "sphere"}};
    CoupletTable table;
    assert_false(open_samples("points", "a.off", scale, 1, &table));
    assert_non_null(strstr(said, "\"unit\" or \"none\", and \"sphere\" is given"));
    write_text("unread/a.glb", "x");
    assert_false(open_samples("points", "unread", NULL, 0, &table));
    assert_non_null(strstr(said, "unread/a.glb"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_agree),
        cmocka_unit_test(faces_are_cut),
        cmocka_unit_test(strips),
        cmocka_unit_test(points_are_in_proportion_to_area),
        cmocka_unit_test(shapes_are_in_the_unit_sphere),
        cmocka_unit_test(draws_go_by_path),
        cmocka_unit_test(classes_are_folders),
        cmocka_unit_test(clouds),
        cmocka_unit_test(clouds_have_normals),
        cmocka_unit_test(damaged),
        cmocka_unit_test(damaged_rows),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(settings_are_checked),
    };
    return cmocka_run_group_tests(tests, samples_begin, samples_end);
}
