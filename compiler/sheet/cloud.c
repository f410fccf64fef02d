/* Draws points in space, seen from the front, above and to the right. */
#include "compiler/sheet/cell.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_POINTS = 4096 };
/* the distance of the eye from the middle of the cloud, whose radius is 1 */
static const double eye = 3.2;

typedef struct Point {
    double x, y, depth; /* `x` to the right, `y` up, `depth` away from the eye */
    double height;      /* the height in the cloud, 0 .. 1, which sets the colour */
} Point;

static int by_depth(const void *a, const void *b) {
    const Point *x = a;
    const Point *y = b;
    return (x->depth < y->depth) - (x->depth > y->depth);
}

/* Finds the middle of the finite points, and returns the radius of the box around them, or 1 if the
 * box is a point. */
static double frame_points(const SheetColumn *of, const void *cell, double middle[3]) {
    double low[3] = {INFINITY, INFINITY, INFINITY};
    double high[3] = {-INFINITY, -INFINITY, -INFINITY};
    double size = 0;
    for (int64_t i = 0; i < of->shape[0]; i++)
        for (int axis = 0; axis < 3; axis++) {
            const double value = column_value(of, cell, 3 * i + axis);
            if (!isfinite(value)) continue;
            low[axis] = fmin(low[axis], value);
            high[axis] = fmax(high[axis], value);
        }
    for (int axis = 0; axis < 3; axis++) {
        middle[axis] = isfinite(low[axis]) ? (low[axis] + high[axis]) / 2 : 0;
        if (isfinite(low[axis])) {
            size += (high[axis] - low[axis]) * (high[axis] - low[axis]);
        }
    }
    return size > 0 ? sqrt(size) / 2 : 1;
}

/* Turns a point by 35 degrees about the second axis, which points up, and then tilts it by 20. */
static Point turn(const double p[3]) {
    static const double about = 35 * M_PI / 180;
    static const double tilt = 20 * M_PI / 180;
    const double x = p[0] * cos(about) + p[2] * sin(about);
    const double z = -p[0] * sin(about) + p[2] * cos(about);
    return (Point){.x = x,
                   .y = p[1] * cos(tilt) - z * sin(tilt),
                   .depth = -(p[1] * sin(tilt) + z * cos(tilt)),
                   .height = (p[1] + 1) / 2};
}

/* Takes at most MOST_POINTS of the finite points, and returns their number. */
static int64_t take_points(const SheetColumn *of, const void *cell, Point *points) {
    double middle[3];
    const double size = frame_points(of, cell, middle);
    const int64_t step = (of->shape[0] + MOST_POINTS - 1) / MOST_POINTS;
    int64_t count = 0;
    for (int64_t i = 0; i < of->shape[0] && count < MOST_POINTS; i += step) {
        double p[3];
        for (int axis = 0; axis < 3; axis++)
            p[axis] = (column_value(of, cell, 3 * i + axis) - middle[axis]) / size;
        if (isfinite(p[0]) && isfinite(p[1]) && isfinite(p[2])) {
            points[count++] = turn(p);
        }
    }
    return count;
}

/* Returns the distance of the points from the middle of the sheet, as the eye sees them. */
static double cloud_reach(const Point *points, int64_t count) {
    double reach = 1e-6;
    for (int64_t i = 0; i < count; i++) {
        const double near = 1 / (eye + points[i].depth);
        reach = fmax(reach, fmax(fabs(points[i].x), fabs(points[i].y)) * near);
    }
    return reach;
}

void draw_cloud(cairo_t *cairo, const Column *c, const void *cell, double x, double y) {
    Point *points = malloc(MOST_POINTS * sizeof *points);
    cairo_set_source_rgb(cairo, 0.97, 0.97, 0.97);
    cairo_rectangle(cairo, x, y, c->width, c->height);
    cairo_fill(cairo);
    if (!points) return;
    const int64_t count = take_points(c->of, cell, points);
    qsort(points, (size_t)count, sizeof *points, by_depth); /* far points are drawn first */
    const double half = c->width / 2.0;
    const double lens = (half - 5) / cloud_reach(points, count);
    const double radius = count > 1500 ? 1.1 : count > 300 ? 1.6 : 2.4;
    for (int64_t i = 0; i < count; i++) {
        const double near = 1 / (eye + points[i].depth);
        draw_set_shade(cairo, points[i].height);
        cairo_arc(cairo, x + half + lens * points[i].x * near, y + half - lens * points[i].y * near,
                  radius * eye * near, 0, 2 * M_PI);
        cairo_fill(cairo);
    }
    free(points);
}
