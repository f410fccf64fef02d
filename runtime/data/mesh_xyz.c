/* Clouds of points as text, with a point in each line: x, y and z, or six columns of which the last
 * three are its normal. Other columns are ignored. A first line of one whole number is the number
 * of points. Comments begin with # or //.
 *
 * Columns are separated by spaces, commas or semicolons, of one kind in a line. If all of them
 * separated at the same time, `0,5 1,5 2,5`, where the comma is the decimal point, would be read as
 * the point 0 5 1. */
#include "runtime/data/mesh_formats.h"

#include <math.h>
#include <string.h>

enum { MOST_NUMBERS = 6 };

/* Returns the separator of the columns of a line: a semicolon, a comma, or 0 for white space. */
static char mark_of(CoupletSpan line) {
    const size_t length = (size_t)(line.end - line.at);
    return memchr(line.at, ';', length) ? ';' : memchr(line.at, ',', length) ? ',' : 0;
}

/* Takes the next column of a line. Nothing need follow the last separator. */
static bool next_cell(CoupletSpan *line, char mark, CoupletSpan *cell) {
    if (!mark) return couplet_mesh_word(line, cell);
    const char *end = memchr(line->at, mark, (size_t)(line->end - line->at));
    CoupletSpan rest = {line->at, end ? end : line->end};
    CoupletSpan word;
    line->at = end ? end + 1 : line->end;
    *cell = (CoupletSpan){rest.at, rest.at};
    for (bool is_first = true; couplet_mesh_word(&rest, &word); is_first = false) {
        if (is_first) cell->at = word.at;
        cell->end = word.end;
    }
    return end || cell->end > cell->at;
}

static int cell_count(CoupletSpan line) {
    const char mark = mark_of(line);
    CoupletSpan cell;
    int count = 0;
    while (next_cell(&line, mark, &cell))
        count++;
    return count;
}

/* True if the numbers are a normal, which has length 1. Six columns may also be x, y, z, red,
 * green, blue. */
static bool is_normal(const double n[3]) {
    return fabs(sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) - 1) < 0.01;
}

static bool read_numbers(CoupletMeshFile *f, CoupletSpan line, int count, double *out) {
    const char mark = mark_of(line);
    char shown[48];
    for (int i = 0; i < count; i++) {
        CoupletSpan cell;
        if (!next_cell(&line, mark, &cell))
            return couplet_mesh_fail(f, "a point has %d numbers, and %d were expected", i, count);
        if (!couplet_mesh_number(cell, &out[i]))
            return couplet_mesh_fail(f, "`%s` is no finite number, and a point was expected",
                                     couplet_mesh_show(cell, shown));
    }
    return true;
}

/* Reads a point. All lines have as many columns as the first. */
static bool read_point(CoupletMeshFile *f, CoupletSpan line, int *columns, bool *has_normals) {
    double numbers[MOST_NUMBERS];
    const int count = cell_count(line);
    if (!*columns) {
        *columns = count;
        *has_normals = count == MOST_NUMBERS;
    }
    if (!read_numbers(f, line, *has_normals ? MOST_NUMBERS : 3, numbers)) return false;
    if (count != *columns)
        return couplet_mesh_fail(f, "the line has %d columns, and those above have %d", count,
                                 *columns);
    *has_normals = *has_normals && is_normal(numbers + 3);
    if (*has_normals && !couplet_mesh_add_normal(f, numbers + 3)) return false;
    return couplet_mesh_add_point(f, numbers);
}

bool couplet_mesh_xyz(CoupletMeshFile *f) {
    CoupletSpan line;
    int64_t said = -1;
    int columns = 0;
    bool is_first = true;
    bool has_normals = false;
    while (couplet_mesh_full_line(f, '#', &line)) {
        CoupletSpan rest = line;
        CoupletSpan word;
        couplet_mesh_word(&rest, &word);
        if (word.end - word.at >= 2 && memcmp(word.at, "//", 2) == 0) continue;
        const bool is_count = is_first && cell_count(line) == 1 && couplet_mesh_whole(word, &said);
        is_first = false;
        if (!is_count && !read_point(f, line, &columns, &has_normals)) return false;
    }
    if (said < 0 || said == f->mesh->point_count) return true;
    return couplet_mesh_fail(f, "the file has %lld points, and its first line says %lld",
                             (long long)f->mesh->point_count, (long long)said);
}
