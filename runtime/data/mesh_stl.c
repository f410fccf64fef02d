/* STL: triangles that share no points. The binary kind has 80 bytes of anything, a count, and 50
 * bytes a triangle; the kind of text has a line `vertex x y z` for each corner. */
#include "runtime/data/mesh_formats.h"

#include <string.h>

enum {
    HEAD_BYTES = 84,
    TRIANGLE_BYTES = 50,
};

static uint32_t little_endian(const uint8_t *b) {
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static bool add_last_three(CoupletMeshFile *f) {
    const int32_t points = (int32_t)f->mesh->point_count;
    return couplet_mesh_add_triangle(f, points - 3, points - 2, points - 1);
}

static bool read_binary(CoupletMeshFile *f, const uint8_t *bytes, int64_t triangles) {
    for (int64_t t = 0; t < triangles; t++, bytes += TRIANGLE_BYTES) {
        for (int corner = 0; corner < 3; corner++) {
            double point[3];
            for (int c = 0; c < 3; c++) {
                const uint32_t bits = little_endian(bytes + 12 + 12 * corner + 4 * c);
                float value;
                memcpy(&value, &bits, sizeof value);
                point[c] = value;
            }
            if (!couplet_mesh_add_point(f, point)) return false;
        }
        if (!add_last_three(f)) return false;
    }
    return true;
}

static bool read_text_mesh(CoupletMeshFile *f) {
    CoupletSpan line;
    CoupletSpan word;
    double point[3];
    int corners = 0;
    bool has_ended = false;
    while (couplet_mesh_full_line(f, '#', &line)) {
        couplet_mesh_word(&line, &word);
        has_ended = couplet_mesh_is(word, "endsolid");
        if (couplet_mesh_is(word, "endfacet") && corners != 0)
            return couplet_mesh_fail(f, "a facet ends with %d corners, and 3 were expected",
                                     corners);
        if (!couplet_mesh_is(word, "vertex")) continue;
        if (!couplet_mesh_numbers(f, &line, "a corner", 3, point)) return false;
        if (!couplet_mesh_add_point(f, point)) return false;
        corners = (corners + 1) % 3;
        if (corners == 0 && !add_last_three(f)) return false;
    }
    return has_ended || couplet_mesh_fail(f, "the file ends before its endsolid");
}

/* The word `solid` may also begin a binary file, so the length decides. */
bool couplet_mesh_stl(CoupletMeshFile *f) {
    const uint8_t *bytes = (const uint8_t *)f->at;
    const int64_t length = f->end - f->at;
    const bool says_solid = length >= 5 && memcmp(bytes, "solid", 5) == 0;
    const int64_t triangles = length >= HEAD_BYTES ? (int64_t)little_endian(bytes + 80) : -1;
    if (triangles >= 0 && length == HEAD_BYTES + TRIANGLE_BYTES * triangles)
        return read_binary(f, bytes + HEAD_BYTES, triangles);
    if (says_solid) return read_text_mesh(f);
    if (triangles < 0) return couplet_mesh_fail(f, "the file is too short for STL");
    return couplet_mesh_fail(f, "the file has %lld bytes, and its %lld triangles take %lld",
                             (long long)length, (long long)triangles,
                             (long long)(HEAD_BYTES + TRIANGLE_BYTES * triangles));
}
