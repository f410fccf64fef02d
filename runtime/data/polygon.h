/* Faces with more than three corners, cut into triangles. */
#ifndef COUPLET_RUNTIME_DATA_POLYGON_H
#define COUPLET_RUNTIME_DATA_POLYGON_H

#include <stdbool.h>
#include <stdint.h>

/* The most corners of a face that is not convex, since the time grows with more than their
 * square. */
enum { COUPLET_POLYGON_MOST = 1000 };

/* True if the polygon turns the same way at all of its corners, seen along its normal. */
bool couplet_polygon_is_convex(const double *points, const int32_t *corners, int64_t count);

/* Cuts the polygon into count - 2 triangles: a convex one as a fan around its first corner, others
 * ear by ear. A polygon that crosses itself has no inside; it is cut as far as it has ears, and the
 * rest is a fan.
 *   points     [..][3]
 *   corners    [count] numbers of points, count >= 3; lost
 *   triangles  [count - 2][3] numbers of points, in the order of the corners
 *   is_convex  as couplet_polygon_is_convex says; at most COUPLET_POLYGON_MOST corners if false */
void couplet_polygon_cut(const double *points, int32_t *corners, int64_t count, bool is_convex,
                         int32_t *triangles);

#endif
