/* The Object File Format: its word, the numbers of points, faces and edges, then a line for each
 * point and each face. The letters N, C and ST before OFF say that a point has a normal, a colour,
 * and a place in a texture besides. */
#include "runtime/data/mesh_formats.h"

#include <string.h>

typedef struct Header {
    bool has_normals;
    int64_t points;
    int64_t faces;
} Header;

static bool skip(CoupletSpan *word, const char *letters) {
    const size_t length = strlen(letters);
    if ((size_t)(word->end - word->at) < length || memcmp(word->at, letters, length) != 0)
        return false;
    word->at += length;
    return true;
}

/* Reads the first word. Some files of ModelNet have the first number right behind it; the rest of
 * the word then stays on the line. */
static bool read_format_word(CoupletMeshFile *f, CoupletSpan *line, Header *header) {
    CoupletSpan rest = *line;
    CoupletSpan word;
    char shown[48];
    couplet_mesh_word(&rest, &word);
    const CoupletSpan whole = word;
    if (skip(&word, "ST")) {
    }
    if (skip(&word, "C")) {
    }
    header->has_normals = skip(&word, "N");
    if (!skip(&word, "OFF"))
        return couplet_mesh_fail(f,
                                 "the file begins with `%s`, and OFF was expected, with N, C "
                                 "and ST before it or not",
                                 couplet_mesh_show(whole, shown));
    line->at = word.at;
    CoupletSpan next = *line;
    if (couplet_mesh_word(&next, &word) && couplet_mesh_is(word, "BINARY"))
        return couplet_mesh_fail(f, "the binary kind of OFF is not read; the one of text is");
    return true;
}

static bool read_count(CoupletMeshFile *f, CoupletSpan *line, const char *what, int64_t *out) {
    CoupletSpan word;
    char shown[48];
    if (!couplet_mesh_word(line, &word))
        return couplet_mesh_fail(f, "the numbers of points, faces and edges were expected");
    if (!couplet_mesh_whole(word, out) || *out < 0)
        return couplet_mesh_fail(f, "`%s` is no number of %s", couplet_mesh_show(word, shown),
                                 what);
    return true;
}

static bool read_header(CoupletMeshFile *f, Header *header) {
    CoupletSpan line;
    CoupletSpan rest;
    CoupletSpan word;
    if (!couplet_mesh_full_line(f, '#', &line))
        return couplet_mesh_fail(f, "there is nothing in it; OFF was expected");
    if (!read_format_word(f, &line, header)) return false;
    rest = line;
    if (!couplet_mesh_word(&rest, &word) && !couplet_mesh_full_line(f, '#', &line))
        return couplet_mesh_fail(f, "the file ends before the numbers of its points and faces");
    return read_count(f, &line, "points", &header->points) &&
           read_count(f, &line, "faces", &header->faces);
}

static bool read_point(CoupletMeshFile *f, const Header *header, CoupletSpan line) {
    double numbers[3];
    if (!couplet_mesh_numbers(f, &line, "a point", 3, numbers)) return false;
    if (!couplet_mesh_add_point(f, numbers)) return false;
    if (!header->has_normals) return true;
    return couplet_mesh_normal(f, &line, numbers) && couplet_mesh_add_normal(f, numbers);
}

static bool read_face(CoupletMeshFile *f, CoupletSpan line) {
    int64_t corners;
    int64_t point;
    CoupletSpan word;
    char shown[48];
    if (!read_count(f, &line, "corners", &corners)) return false;
    for (int64_t i = 0; i < corners; i++) {
        if (!couplet_mesh_word(&line, &word))
            return couplet_mesh_fail(f, "a face has %lld points, and %lld were expected",
                                     (long long)i, (long long)corners);
        if (!couplet_mesh_whole(word, &point))
            return couplet_mesh_fail(f, "`%s` is no number of a point",
                                     couplet_mesh_show(word, shown));
        if (!couplet_mesh_add_corner(f, i, point)) return false;
    }
    return couplet_mesh_add_face(f, corners);
}

bool couplet_mesh_off(CoupletMeshFile *f) {
    Header header;
    CoupletSpan line;
    if (!read_header(f, &header)) return false;
    for (int64_t i = 0; i < header.points; i++) {
        if (!couplet_mesh_full_line(f, '#', &line))
            return couplet_mesh_fail(f, "the file ends after %lld of its %lld points", (long long)i,
                                     (long long)header.points);
        if (!read_point(f, &header, line)) return false;
    }
    for (int64_t i = 0; i < header.faces; i++) {
        if (!couplet_mesh_full_line(f, '#', &line))
            return couplet_mesh_fail(f, "the file ends after %lld of its %lld faces", (long long)i,
                                     (long long)header.faces);
        if (!read_face(f, line)) return false;
    }
    if (!couplet_mesh_full_line(f, '#', &line)) return true;
    return couplet_mesh_fail(f, "the file goes on after its %lld faces", (long long)header.faces);
}
