/* Shared by the readers of mesh formats: points, normals and faces that grow as a file is read, its
 * lines and words, and the numbers in them. Each file mesh_FORMAT.c reads one format.
 *
 * Numbers are read by our own code, since strtod depends on the locale and takes most of the time
 * for a large file. Up to 19 digits and a small power of ten are two exact doubles, so one
 * operation rounds correctly. All other numbers go to strtod. */
#include "runtime/data/mesh.h"

#include "runtime/data/listing.h"
#include "runtime/data/mesh_formats.h"
#include "runtime/data/polygon.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_BYTES = 1 << 30 };

typedef struct Format {
    const char *ending;
    CoupletMeshFormat *read;
} Format;

static const Format formats[] = {
    {".obj", couplet_mesh_obj}, {".off", couplet_mesh_off}, {".ply", couplet_mesh_ply},
    {".pts", couplet_mesh_xyz}, {".stl", couplet_mesh_stl}, {".xyz", couplet_mesh_xyz},
};

const char *const couplet_mesh_endings[] = {".obj", ".off", ".ply", ".pts", ".stl", ".xyz", NULL};
const char *const couplet_mesh_unread[] = {".3ds",  ".blend", ".dae", ".e57", ".fbx",  ".glb",
                                           ".gltf", ".las",   ".laz", ".pcd", ".step", ".stp",
                                           ".usd",  ".usdz",  ".wrl", ".x3d", NULL};

/* ---- what went wrong ------------------------------------------------------------------------ */

bool couplet_mesh_fail(CoupletMeshFile *f, const char *format, ...) {
    char sentence[512];
    va_list list;
    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    if (f->line)
        snprintf(f->error, f->error_bytes, "%s:%lld: %s", f->path, (long long)f->line, sentence);
    else
        snprintf(f->error, f->error_bytes, "%s: %s", f->path, sentence);
    return false;
}

const char *couplet_mesh_show(CoupletSpan word, char out[48]) {
    int length = 0;
    for (const char *c = word.at; c < word.end && length < 40; c++)
        out[length++] = *c >= ' ' && *c <= '~' ? *c : '?';
    out[length] = 0;
    return out;
}

/* ---- points and triangles ------------------------------------------------------------------- */

/* Makes room for `count` elements, by doubling. Returns false if memory is out; the array is then
 * unchanged. */
static bool grow_to(CoupletMeshFile *f, void *array, int64_t *room, int64_t count, size_t bytes) {
    if (count <= *room) return true;
    int64_t more = *room ? *room : 256;
    while (more < count)
        more *= 2;
    void *old;
    void *grown;
    memcpy(&old, array, sizeof old);
    grown = realloc(old, (size_t)more * bytes);
    if (!grown)
        return couplet_mesh_fail(f, "out of memory for %lld of its points", (long long)more);
    memcpy(array, &grown, sizeof grown);
    *room = more;
    return true;
}

bool couplet_mesh_add_point(CoupletMeshFile *f, const double point[3]) {
    CoupletMesh *m = f->mesh;
    for (int c = 0; c < 3; c++)
        if (!(fabs(point[c]) <= FLT_MAX))
            return couplet_mesh_fail(f,
                                     "a coordinate of point %lld is %g, and a finite number of "
                                     "32 bits was expected",
                                     (long long)m->point_count,
                                     isnan(point[c]) ? fabs(point[c]) : point[c]);
    if (m->point_count == INT32_MAX)
        return couplet_mesh_fail(f, "it has more than %d points", INT32_MAX);
    if (!grow_to(f, &m->points, &f->point_room, m->point_count + 1, 3 * sizeof *m->points))
        return false;
    memcpy(m->points + 3 * m->point_count++, point, 3 * sizeof *point);
    return true;
}

bool couplet_mesh_add_normal(CoupletMeshFile *f, const double normal[3]) {
    CoupletMesh *m = f->mesh;
    if (!grow_to(f, &m->normals, &f->normal_room, f->normal_count + 1, 3 * sizeof *m->normals))
        return false;
    memcpy(m->normals + 3 * f->normal_count++, normal, 3 * sizeof *normal);
    return true;
}

bool couplet_mesh_add_triangle(CoupletMeshFile *f, int32_t a, int32_t b, int32_t c) {
    CoupletMesh *m = f->mesh;
    if (m->triangle_count >= INT32_MAX)
        return couplet_mesh_fail(f, "it has more than %d triangles", INT32_MAX);
    if (!grow_to(f, &m->corners, &f->triangle_room, m->triangle_count + 1, 3 * sizeof *m->corners))
        return false;
    int32_t *to = m->corners + 3 * m->triangle_count++;
    to[0] = a;
    to[1] = b;
    to[2] = c;
    return true;
}

bool couplet_mesh_add_corner(CoupletMeshFile *f, int64_t corner, int64_t point) {
    if (point < 0 || point >= f->mesh->point_count)
        return couplet_mesh_fail(f, "a face has point %lld, and there are points 0 to %lld so far",
                                 (long long)point, (long long)f->mesh->point_count - 1);
    if (!grow_to(f, &f->face, &f->face_room, corner + 1, sizeof *f->face)) return false;
    f->face[corner] = (int32_t)point;
    return true;
}

bool couplet_mesh_add_face(CoupletMeshFile *f, int64_t corners) {
    CoupletMesh *m = f->mesh;
    if (corners < 3) return true; /* a point or a line has no area */
    if (corners == 3) return couplet_mesh_add_triangle(f, f->face[0], f->face[1], f->face[2]);
    const bool is_convex = couplet_polygon_is_convex(m->points, f->face, corners);
    if (!is_convex && corners > COUPLET_POLYGON_MOST)
        return couplet_mesh_fail(f,
                                 "a face has %lld corners and is not convex; at most %d are cut "
                                 "into triangles",
                                 (long long)corners, COUPLET_POLYGON_MOST);
    if (m->triangle_count + corners > INT32_MAX)
        return couplet_mesh_fail(f, "it has more than %d triangles", INT32_MAX);
    if (!grow_to(f, &m->corners, &f->triangle_room, m->triangle_count + corners - 2,
                 3 * sizeof *m->corners))
        return false;
    couplet_polygon_cut(m->points, f->face, corners, is_convex, m->corners + 3 * m->triangle_count);
    m->triangle_count += corners - 2;
    return true;
}

/* ---- lines and words ------------------------------------------------------------------------ */

static bool ends_word(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

bool couplet_mesh_line(CoupletMeshFile *f, CoupletSpan *line) {
    if (f->at >= f->end) return false;
    line->at = line->end = f->at;
    while (line->end < f->end && *line->end != '\n' && *line->end != '\r')
        line->end++;
    f->at = line->end;
    if (f->at < f->end && *f->at == '\r') f->at++;
    if (f->at < f->end && *f->at == '\n' && (f->at == line->end || f->at[-1] == '\r')) f->at++;
    f->line++;
    return true;
}

bool couplet_mesh_full_line(CoupletMeshFile *f, char comment, CoupletSpan *line) {
    while (couplet_mesh_line(f, line)) {
        const char *cut = memchr(line->at, comment, (size_t)(line->end - line->at));
        if (cut) line->end = cut;
        CoupletSpan rest = *line;
        CoupletSpan word;
        if (couplet_mesh_word(&rest, &word)) return true;
    }
    return false;
}

bool couplet_mesh_word(CoupletSpan *line, CoupletSpan *word) {
    while (line->at < line->end && ends_word(*line->at))
        line->at++;
    word->at = line->at;
    while (line->at < line->end && !ends_word(*line->at))
        line->at++;
    word->end = line->at;
    return word->end > word->at;
}

bool couplet_mesh_is(CoupletSpan word, const char *text) {
    const size_t length = strlen(text);
    return (size_t)(word.end - word.at) == length && memcmp(word.at, text, length) == 0;
}

/* ---- numbers -------------------------------------------------------------------------------- */

typedef struct Decimal {
    uint64_t digits; /* the first 19 digits */
    int64_t power;   /* the power of ten */
    bool exact;      /* true if `digits` has all digits */
} Decimal;

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Reads digits up to the first other character, which is returned. Digits beyond those that fit 64
 * bits change only the power. */
static const char *read_digits(const char *at, const char *end, bool behind_point, Decimal *d) {
    for (; at < end && is_digit(*at); at++) {
        if (d->digits <= (UINT64_MAX - 9) / 10) {
            d->digits = d->digits * 10 + (uint64_t)(*at - '0');
            d->power -= behind_point;
        } else {
            d->exact = false;
            d->power += !behind_point;
        }
    }
    return at;
}

/* Reads the exponent behind an `e`. Returns NULL if there is none. */
static const char *read_exponent(const char *at, const char *end, Decimal *d) {
    const bool negative = at < end && *at == '-';
    int64_t power = 0;
    if (at < end && (*at == '-' || *at == '+')) at++;
    if (at == end || !is_digit(*at)) return NULL;
    for (; at < end && is_digit(*at); at++)
        if (power < 100000) power = power * 10 + (*at - '0');
    d->power += negative ? -power : power;
    return at;
}

/* Converts a word that is a number by strtod, in C's notation whatever the program's locale is. */
static double slow_number(CoupletSpan word) {
    char text[512];
    const size_t length = (size_t)(word.end - word.at);
    if (length >= sizeof text) return NAN;
    memcpy(text, word.at, length);
    text[length] = 0;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return NAN;
    const double value = strtod_l(text, NULL, plain);
    freelocale(plain);
    return value;
}

bool couplet_mesh_number(CoupletSpan word, double *out) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    Decimal d = {.exact = true};
    const char *at = word.at;
    const bool negative = at < word.end && *at == '-';
    if (at < word.end && (*at == '-' || *at == '+')) at++;
    const char *whole = at;
    at = read_digits(at, word.end, false, &d);
    int64_t digits = at - whole;
    if (at < word.end && *at == '.') {
        const char *part = ++at;
        at = read_digits(at, word.end, true, &d);
        digits += at - part;
    }
    if (!digits) return false;
    if (at < word.end && (*at == 'e' || *at == 'E')) {
        at = read_exponent(at + 1, word.end, &d);
        if (!at) return false;
    }
    if (at != word.end) return false;
    /* digits and power of ten are exact doubles, so one operation rounds once */
    const bool is_short = d.exact && d.digits <= UINT64_C(1) << 53;
    if (is_short && d.power >= 0 && d.power <= 22)
        *out = (double)d.digits * tens[d.power];
    else if (is_short && d.power < 0 && d.power >= -22)
        *out = (double)d.digits / tens[-d.power];
    else
        *out = fabs(slow_number(word));
    if (negative) *out = -*out;
    return isfinite(*out);
}

bool couplet_mesh_whole(CoupletSpan word, int64_t *out) {
    const char *at = word.at;
    const bool negative = at < word.end && *at == '-';
    int64_t value = 0;
    if (at < word.end && (*at == '-' || *at == '+')) at++;
    if (at == word.end) return false;
    for (; at < word.end; at++) {
        if (!is_digit(*at) || value > INT64_MAX / 100) return false;
        value = value * 10 + (*at - '0');
    }
    *out = negative ? -value : value;
    return true;
}

bool couplet_mesh_numbers(CoupletMeshFile *f, CoupletSpan *line, const char *what, int count,
                          double *out) {
    char shown[48];
    for (int i = 0; i < count; i++) {
        CoupletSpan word;
        if (!couplet_mesh_word(line, &word))
            return couplet_mesh_fail(f, "%s has %d numbers, and %d were expected", what, i, count);
        if (!couplet_mesh_number(word, &out[i]))
            return couplet_mesh_fail(f, "`%s` is no finite number, and %s was expected",
                                     couplet_mesh_show(word, shown), what);
    }
    return true;
}

bool couplet_mesh_normal(CoupletMeshFile *f, CoupletSpan *line, double out[3]) {
    for (int i = 0; i < 3; i++) {
        CoupletSpan word;
        if (!couplet_mesh_word(line, &word))
            return couplet_mesh_fail(f, "a normal has %d numbers, and 3 were expected", i);
        if (!couplet_mesh_number(word, &out[i])) out[i] = NAN;
    }
    return true;
}

/* ---- files ---------------------------------------------------------------------------------- */

static CoupletMeshFormat *format_of(const char *path) {
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof formats / sizeof *formats; i++)
        if (strcasecmp(dot, formats[i].ending) == 0) return formats[i].read;
    return NULL;
}

static bool is_complete(CoupletMeshFile *f) {
    const CoupletMesh *m = f->mesh;
    f->line = 0;
    if (!m->point_count) return couplet_mesh_fail(f, "there is no point in it");
    if (f->normal_count == m->point_count) return true;
    /* A point may have several normals of corners, so these are no normals of points. */
    free(f->mesh->normals);
    f->mesh->normals = NULL;
    return true;
}

bool couplet_mesh_read_bytes(const char *path, const uint8_t *bytes, size_t length,
                             CoupletMesh *out, char *error, size_t error_bytes) {
    *out = (CoupletMesh){.point_count = 0};
    CoupletMeshFile f = {.path = path, .mesh = out, .error = error, .error_bytes = error_bytes};
    f.at = (const char *)bytes;
    f.end = f.at + length;
    CoupletMeshFormat *format = format_of(path);
    const bool is_read = format ? format(&f) && is_complete(&f)
                                : couplet_mesh_fail(&f, "the end of its name is none of OBJ, OFF, "
                                                        "PLY, STL, PTS and XYZ");
    free(f.face);
    if (!is_read) couplet_mesh_free(out);
    return is_read;
}

bool couplet_mesh_read(const char *path, CoupletMesh *out, char *error, size_t error_bytes) {
    size_t length;
    uint8_t *bytes = couplet_listing_bytes(path, MOST_BYTES, &length, error, error_bytes);
    if (!bytes) return false;
    const bool is_read = couplet_mesh_read_bytes(path, bytes, length, out, error, error_bytes);
    free(bytes);
    return is_read;
}

void couplet_mesh_free(CoupletMesh *mesh) {
    free(mesh->points);
    free(mesh->normals);
    free(mesh->corners);
    *mesh = (CoupletMesh){.point_count = 0};
}
