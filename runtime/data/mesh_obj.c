/* Wavefront OBJ: points (`v`), normals (`vn`) and faces (`f`). Materials, textures, groups, lines
 * and curves are ignored. A backslash at the end of a line joins it with the next line. */
#include "runtime/data/mesh_formats.h"

#include <string.h>

/* Reads the number of a corner: "7", "7/1", "7//3" or "7/1/3". A negative number counts from the
 * end. */
static bool read_corner(CoupletMeshFile *f, CoupletSpan word, int64_t corner) {
    const char *slash = memchr(word.at, '/', (size_t)(word.end - word.at));
    const CoupletSpan digits = {word.at, slash ? slash : word.end};
    const int64_t count = f->mesh->point_count;
    int64_t number;
    char shown[48];
    if (!couplet_mesh_whole(digits, &number))
        return couplet_mesh_fail(f,
                                 "`%s` is no corner of a face; the number of a point, as in 7 "
                                 "or 7/1/3, was expected",
                                 couplet_mesh_show(word, shown));
    if (number == 0 || number > count || -number > count)
        return couplet_mesh_fail(f, "a face has point %lld, and points 1 to %lld stand above",
                                 (long long)number, (long long)count);
    return couplet_mesh_add_corner(f, corner, number > 0 ? number - 1 : count + number);
}

/* Reads the corners of a line. *joined is true if the line ends in a backslash. */
static bool read_corners(CoupletMeshFile *f, CoupletSpan line, int64_t *corners, bool *joined) {
    CoupletSpan word;
    *joined = false;
    while (couplet_mesh_word(&line, &word)) {
        *joined = couplet_mesh_is(word, "\\");
        if (*joined) return true;
        if (word.end[-1] == '\\') {
            *joined = true;
            word.end--;
        }
        if (!read_corner(f, word, (*corners)++)) return false;
    }
    return true;
}

static bool read_face(CoupletMeshFile *f, CoupletSpan line) {
    int64_t corners = 0;
    bool joined;
    do {
        if (!read_corners(f, line, &corners, &joined)) return false;
    } while (joined && couplet_mesh_line(f, &line));
    return couplet_mesh_add_face(f, corners);
}

static bool read_line(CoupletMeshFile *f, CoupletSpan line) {
    CoupletSpan word;
    double numbers[3];
    if (!couplet_mesh_word(&line, &word)) return true;
    if (couplet_mesh_is(word, "v"))
        return couplet_mesh_numbers(f, &line, "a point", 3, numbers) &&
               couplet_mesh_add_point(f, numbers);
    if (couplet_mesh_is(word, "vn"))
        return couplet_mesh_normal(f, &line, numbers) && couplet_mesh_add_normal(f, numbers);
    if (couplet_mesh_is(word, "f") || couplet_mesh_is(word, "fo")) return read_face(f, line);
    return true;
}

bool couplet_mesh_obj(CoupletMeshFile *f) {
    CoupletSpan line;
    while (couplet_mesh_full_line(f, '#', &line))
        if (!read_line(f, line)) return false;
    return true;
}
