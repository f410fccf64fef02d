/* Cuts faces of meshes into triangles. Most faces are convex and become fans. Others lose one ear
 * after the other, which takes cubic time at worst, so their corners are limited.
 *
 * The polygon is seen along the largest component of its normal. The normal is Newell's sum, which
 * is right even if some corners are in a line. */
#include "runtime/data/polygon.h"

#include <math.h>

typedef struct Plane {
    /* the two axes of the plane, which are those other than the normal's largest */
    int x;
    int y;
    double turn; /* 1 or -1: the sign of the polygon's area in this plane */
} Plane;

/* Computes Newell's normal, which is right for any nearly flat polygon, whatever its first corners
 * are. */
static void normal_of(const double *points, const int32_t *corners, int64_t count,
                      double normal[3]) {
    const double *first = points + 3 * (int64_t)corners[0];
    normal[0] = normal[1] = normal[2] = 0;
    for (int64_t i = 1; i + 1 < count; i++) {
        const double *p = points + 3 * (int64_t)corners[i];
        const double *q = points + 3 * (int64_t)corners[i + 1];
        double a[3];
        double b[3];
        for (int c = 0; c < 3; c++) {
            a[c] = p[c] - first[c];
            b[c] = q[c] - first[c];
        }
        normal[0] += a[1] * b[2] - a[2] * b[1];
        normal[1] += a[2] * b[0] - a[0] * b[2];
        normal[2] += a[0] * b[1] - a[1] * b[0];
    }
}

static Plane plane_of(const double *points, const int32_t *corners, int64_t count) {
    double normal[3];
    normal_of(points, corners, count, normal);
    int most = 0;
    for (int c = 1; c < 3; c++)
        if (fabs(normal[c]) > fabs(normal[most])) most = c;
    return (Plane){(most + 1) % 3, (most + 2) % 3, normal[most] < 0 ? -1 : 1};
}

/* Returns twice the area of a, b, c in the plane. It is above 0 if they turn in the same way as the
 * polygon. */
static double area(const double *points, Plane plane, int32_t a, int32_t b, int32_t c) {
    const double *p = points + 3 * (int64_t)a;
    const double *q = points + 3 * (int64_t)b;
    const double *r = points + 3 * (int64_t)c;
    return plane.turn * ((q[plane.x] - p[plane.x]) * (r[plane.y] - p[plane.y]) -
                         (q[plane.y] - p[plane.y]) * (r[plane.x] - p[plane.x]));
}

/* Counts how often the x of the corners changes from growing to falling, which is once in a convex
 * polygon. */
static int64_t peaks(const double *points, Plane plane, const int32_t *corners, int64_t count) {
    int64_t found = 0;
    int last = 0;
    int first = 0;
    for (int64_t i = 0; i < count; i++) {
        const double *p = points + 3 * (int64_t)corners[i];
        const double *q = points + 3 * (int64_t)corners[(i + 1) % count];
        const int way = (q[plane.x] > p[plane.x]) - (q[plane.x] < p[plane.x]);
        if (!way) continue;
        found += last > 0 && way < 0;
        if (!first) first = way;
        last = way;
    }
    return found + (last > 0 && first < 0);
}

bool couplet_polygon_is_convex(const double *points, const int32_t *corners, int64_t count) {
    if (count <= 3) return true;
    const Plane plane = plane_of(points, corners, count);
    for (int64_t i = 0; i < count; i++)
        if (area(points, plane, corners[i], corners[(i + 1) % count], corners[(i + 2) % count]) < 0)
            return false;
    /* A star turns one way at all corners, but more than once around. */
    return peaks(points, plane, corners, count) <= 1;
}

static bool same_place(const double *points, int32_t a, int32_t b) {
    const double *p = points + 3 * (int64_t)a;
    const double *q = points + 3 * (int64_t)b;
    return p[0] == q[0] && p[1] == q[1] && p[2] == q[2];
}

/* True if the corner at `i` can be cut off: it turns the right way, and no other corner is inside
 * its triangle. */
static bool is_ear(const double *points, Plane plane, const int32_t *corners, int64_t count,
                   int64_t i) {
    const int32_t a = corners[(i + count - 1) % count];
    const int32_t b = corners[i];
    const int32_t c = corners[(i + 1) % count];
    const double whole = area(points, plane, a, b, c);
    if (whole < 0) return false;
    /* The corners are in a line, or two are equal, so nothing is cut off. */
    if (whole == 0) return true;
    for (int64_t k = 0; k < count; k++) {
        const int32_t p = corners[k];
        if (same_place(points, p, a) || same_place(points, p, b) || same_place(points, p, c))
            continue; /* the edge to a hole meets its own corners again */
        if (area(points, plane, a, b, p) >= 0 && area(points, plane, b, c, p) >= 0 &&
            area(points, plane, c, a, p) >= 0)
            return false;
    }
    return true;
}

static int32_t *put_triangle(int32_t *to, int32_t a, int32_t b, int32_t c) {
    to[0] = a;
    to[1] = b;
    to[2] = c;
    return to + 3;
}

void couplet_polygon_cut(const double *points, int32_t *corners, int64_t count, bool is_convex,
                         int32_t *triangles) {
    const Plane plane = plane_of(points, corners, count);
    /* Corners are tried in turn, so that the triangles do not all meet at one of them. */
    int64_t next = 0;
    int64_t tried = 0;
    while (!is_convex && count > 3 && tried < count) {
        const int64_t i = next % count;
        tried++;
        next = i + 1;
        if (!is_ear(points, plane, corners, count, i)) continue;
        triangles = put_triangle(triangles, corners[(i + count - 1) % count], corners[i],
                                 corners[(i + 1) % count]);
        for (int64_t k = i; k + 1 < count; k++)
            corners[k] = corners[k + 1];
        count--;
        tried = 0;
    }
    for (int64_t i = 1; i + 1 < count; i++)
        triangles = put_triangle(triangles, corners[0], corners[i], corners[i + 1]);
}
