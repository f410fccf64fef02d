/* Clouds as text: a line a point, x, y and z, and six columns where the last three are its normal.
 * Other columns are passed over. A first line of one whole number is the number of points. Comments
 * begin with # or //. */
#include "runtime/data/mesh_formats.h"

#include <math.h>
#include <string.h>

static int words_of(CoupletSpan line) {
    CoupletSpan word;
    int count = 0;
    while (couplet_mesh_word(&line, &word))
        count++;
    return count;
}

/* Six columns may be x, y, z, red, green, blue as well; a normal has length 1. */
static bool is_normal(const double n[3]) {
    return fabs(sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) - 1) < 0.01;
}

static bool read_point(CoupletMeshFile *f, CoupletSpan line, bool *has_normals) {
    double numbers[6];
    *has_normals = *has_normals && words_of(line) == 6;
    if (!couplet_mesh_numbers(f, &line, "a point", *has_normals ? 6 : 3, numbers)) return false;
    *has_normals = *has_normals && is_normal(numbers + 3);
    if (*has_normals && !couplet_mesh_add_normal(f, numbers + 3)) return false;
    return couplet_mesh_add_point(f, numbers);
}

bool couplet_mesh_xyz(CoupletMeshFile *f) {
    CoupletSpan line, word;
    int64_t said = -1;
    bool is_first = true, has_normals = true;
    while (couplet_mesh_full_line(f, '#', &line)) {
        CoupletSpan rest = line;
        couplet_mesh_word(&rest, &word);
        if (word.end - word.at >= 2 && memcmp(word.at, "//", 2) == 0) continue;
        const bool is_count = is_first && words_of(line) == 1 && couplet_mesh_whole(word, &said);
        is_first = false;
        if (!is_count && !read_point(f, line, &has_normals)) return false;
    }
    if (said < 0 || said == f->mesh->point_count) return true;
    return couplet_mesh_fail(f, "the file has %lld points, and its first line says %lld",
                             (long long)f->mesh->point_count, (long long)said);
}
