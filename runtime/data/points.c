/* data.points: meshes and clouds of points, one file for each sample, reduced or extended to
 * `count` points. */
#include "runtime/data/listed.h"
#include "runtime/data/mesh.h"
#include "runtime/data/reader.h"
#include "runtime/hash.h"
#include "runtime/random.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const CoupletListingKind kind = {"mesh or cloud", "OBJ, OFF, PLY, STL, PTS and XYZ",
                                        couplet_mesh_endings, couplet_mesh_unread, false};

typedef struct Points {
    CoupletListed listed;
    int64_t count;
    bool has_normals;
    bool is_unit;
} Points;

/* The uses of draws for a file. */
enum {
    SITE_TRIANGLE,
    SITE_PLACE,
    SITE_ORDER,
};

/* The points of a file, and where the drawn points go. */
typedef struct Draw {
    const CoupletMesh *mesh;
    uint32_t low, high; /* the seed, which is a hash of the file's path below the folder */
    int64_t count;
    float *points;    /* [count][3] */
    float *normals;   /* [count][3], or NULL */
    double centre[3]; /* the centre, which is subtracted from every point */
    double scale;     /* the factor, by which the result is multiplied */
} Draw;

/* ---- triangles ------------------------------------------------------------------------------ */

static const double *corner_of(const CoupletMesh *m, int64_t triangle, int corner) {
    return m->points + 3 * (int64_t)m->corners[3 * triangle + corner];
}

/* Computes the normal of a triangle, with a length of twice its area. */
static double normal_of(const CoupletMesh *m, int64_t triangle, double out[3]) {
    const double *a = corner_of(m, triangle, 0);
    const double *b = corner_of(m, triangle, 1);
    const double *c = corner_of(m, triangle, 2);
    double u[3];
    double v[3];
    for (int k = 0; k < 3; k++) {
        u[k] = b[k] - a[k];
        v[k] = c[k] - a[k];
    }
    out[0] = u[1] * v[2] - u[2] * v[1];
    out[1] = u[2] * v[0] - u[0] * v[2];
    out[2] = u[0] * v[1] - u[1] * v[0];
    return sqrt(out[0] * out[0] + out[1] * out[1] + out[2] * out[2]);
}

/* Returns the sums of the areas of the triangles 0 .. t, from malloc, or NULL if memory is out. */
static double *sums_of_areas(const CoupletMesh *m) {
    double *sums = malloc((size_t)m->triangle_count * sizeof *sums);
    double sum = 0;
    double normal[3];
    for (int64_t t = 0; sums && t < m->triangle_count; t++)
        sums[t] = sum += normal_of(m, t, normal);
    return sums;
}

/* Returns the first triangle whose sum is above `at`. A triangle without area is never found. */
static int64_t triangle_at(const double *sums, int64_t count, double at) {
    int64_t low = 0;
    int64_t high = count - 1;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (sums[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Returns a number in [0, 1) with 53 bits, so that even the smallest of many triangles can be
 * drawn. */
static double unit(const Draw *d, uint32_t site, int64_t element, int lane) {
    const uint64_t first = couplet_random_bits(d->low, d->high, 0, site, (uint64_t)element, lane);
    const uint64_t second =
        couplet_random_bits(d->low, d->high, 0, site, (uint64_t)element, lane + 1);
    return (double)((first << 32 | second) >> 11) * 0x1p-53;
}

static void put_point(const Draw *d, int64_t to, const double point[3]) {
    for (int c = 0; c < 3; c++)
        d->points[3 * to + c] = (float)((point[c] - d->centre[c]) * d->scale);
}

/* Draws a point, uniform on a triangle (Osada, Funkhouser, Chazelle, Dobkin: Shape Distributions.
 * 2002, (1)). */
static void draw_on_triangle(const Draw *d, int64_t to, int64_t triangle) {
    const double root = sqrt(unit(d, SITE_PLACE, to, 0));
    const double share = unit(d, SITE_PLACE, to, 2);
    const double weights[3] = {1 - root, root * (1 - share), root * share};
    double point[3] = {0, 0, 0};
    double normal[3];
    for (int corner = 0; corner < 3; corner++)
        for (int c = 0; c < 3; c++)
            point[c] += weights[corner] * corner_of(d->mesh, triangle, corner)[c];
    put_point(d, to, point);
    if (!d->normals) return;
    const double length = normal_of(d->mesh, triangle, normal);
    for (int c = 0; c < 3; c++)
        d->normals[3 * to + c] = (float)(normal[c] / length);
}

static void draw_on_surface(const Draw *d, const double *sums) {
    const int64_t triangles = d->mesh->triangle_count;
    const double whole = sums[triangles - 1];
    for (int64_t i = 0; i < d->count; i++) {
        const double at = unit(d, SITE_TRIANGLE, i, 0) * whole;
        draw_on_triangle(d, i, triangle_at(sums, triangles, at));
    }
}

/* ---- clouds --------------------------------------------------------------------------------- */

/* Returns a whole number below `count`, from 64 random bits. Its bias is below 2^-32. */
static int64_t whole_below(const Draw *d, int64_t element, int64_t count) {
    const uint64_t first =
        couplet_random_bits(d->low, d->high, 0, SITE_ORDER, (uint64_t)element, 0);
    const uint64_t second =
        couplet_random_bits(d->low, d->high, 0, SITE_ORDER, (uint64_t)element, 1);
    return (int64_t)((first << 32 | second) % (uint64_t)count);
}

/* Takes all points in a drawn order, and then again in the same order, until there are `count`. So
 * points of a large cloud are left out, and each point of a small one occurs equally often, or once
 * more. */
static bool draw_of_cloud(const Draw *d, char *error, size_t error_bytes) {
    const int64_t held = d->mesh->point_count;
    int32_t *order = malloc((size_t)held * sizeof *order);
    if (!order) {
        snprintf(error, error_bytes, "out of memory for %lld points", (long long)held);
        return false;
    }
    for (int64_t i = 0; i < held; i++)
        order[i] = (int32_t)i;
    for (int64_t i = 0; i < d->count; i++) {
        if (i < held) {
            const int64_t other = i + whole_below(d, i, held - i);
            const int32_t chosen = order[other];
            order[other] = order[i];
            order[i] = chosen;
        }
        const int64_t from = order[i % held];
        put_point(d, i, d->mesh->points + 3 * from);
        for (int c = 0; d->normals && c < 3; c++)
            d->normals[3 * i + c] = (float)d->mesh->normals[3 * from + c];
    }
    free(order);
    return true;
}

/* Scales the file's normals to length 1. */
static bool have_length(CoupletMesh *m, const char *path, char *error, size_t error_bytes) {
    for (int64_t i = 0; i < m->point_count; i++) {
        double *n = m->normals + 3 * i;
        const double length = sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
        if (!(length > 0 && length <= DBL_MAX)) {
            snprintf(error, error_bytes, "%s: the normal of point %lld has the length %g", path,
                     (long long)i, length);
            return false;
        }
        for (int c = 0; c < 3; c++)
            n[c] /= length;
    }
    return true;
}

/* ---- centre and size ------------------------------------------------------------------------ */

/* Finds the centre: the middle of the surface, or of the points of a cloud. */
static void find_centre(Draw *d, const double *sums) {
    const CoupletMesh *m = d->mesh;
    double weights = 0;
    for (int64_t i = 0; i < (sums ? m->triangle_count : m->point_count); i++) {
        const double weight = !sums ? 1 : i ? sums[i] - sums[i - 1] : sums[0];
        weights += weight;
        for (int c = 0; c < 3; c++) {
            const double at =
                !sums ? m->points[3 * i + c]
                      : (corner_of(m, i, 0)[c] + corner_of(m, i, 1)[c] + corner_of(m, i, 2)[c]) / 3;
            d->centre[c] += weight * at;
        }
    }
    for (int c = 0; c < 3; c++)
        d->centre[c] /= weights;
}

static double distance_from_centre(const Draw *d, const double *point) {
    double sum = 0;
    for (int c = 0; c < 3; c++)
        sum += (point[c] - d->centre[c]) * (point[c] - d->centre[c]);
    return sqrt(sum);
}

/* Finds the scale: 1 divided by the distance of the farthest point of the surface or cloud, or 1 if
 * all points are in one place. */
static void find_scale(Draw *d, const double *sums) {
    const CoupletMesh *m = d->mesh;
    double most = 0;
    for (int64_t i = 0; !sums && i < m->point_count; i++)
        most = fmax(most, distance_from_centre(d, m->points + 3 * i));
    for (int64_t t = 0; sums && t < m->triangle_count; t++)
        for (int corner = 0; corner < 3; corner++)
            most = fmax(most, distance_from_centre(d, corner_of(m, t, corner)));
    d->scale = most > 0 ? 1 / most : 1;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static bool draw_points(Draw *d, CoupletMesh *mesh, bool is_unit, const char *path, char *error,
                        size_t error_bytes) {
    double *sums = NULL;
    if (mesh->triangle_count) {
        sums = sums_of_areas(mesh);
        if (!sums || !(sums[mesh->triangle_count - 1] > 0)) {
            if (sums)
                snprintf(error, error_bytes, "%s: its triangles have no area", path);
            else
                snprintf(error, error_bytes, "%s: out of memory for its triangles", path);
            free(sums);
            return false;
        }
    } else if (d->normals) {
        if (!mesh->normals) {
            snprintf(error, error_bytes,
                     "%s: it is a cloud without normals, and normals = true "
                     "asks for them",
                     path);
            return false;
        }
        if (!have_length(mesh, path, error, error_bytes)) return false;
    }
    if (is_unit) {
        find_centre(d, sums);
        find_scale(d, sums);
    }
    const bool is_drawn =
        sums ? (draw_on_surface(d, sums), true) : draw_of_cloud(d, error, error_bytes);
    free(sums);
    return is_drawn;
}

static bool read_row(const CoupletTable *table, int64_t row, void *const *fields, char *error,
                     size_t error_bytes) {
    const Points *p = table->state;
    const char *name = couplet_listed_name(&p->listed, row);
    const uint64_t seed = couplet_hash(COUPLET_HASH_START, name, strlen(name));
    char path[COUPLET_PATH_BYTES];
    CoupletMesh mesh;
    couplet_listing_path(&p->listed.listing, row, path);
    if (!couplet_mesh_read(path, &mesh, error, error_bytes)) {
        couplet_listing_same(&p->listed.listing, row, error, error_bytes);
        return false;
    }
    Draw draw = {.mesh = &mesh, .low = (uint32_t)seed, .high = (uint32_t)(seed >> 32)};
    draw.count = p->count;
    draw.points = fields[0];
    draw.normals = p->has_normals ? fields[1] : NULL;
    draw.scale = 1;
    const bool is_drawn = draw_points(&draw, &mesh, p->is_unit, path, error, error_bytes);
    couplet_mesh_free(&mesh);
    if (!couplet_listing_same(&p->listed.listing, row, error, error_bytes) || !is_drawn)
        return false;
    couplet_listed_fill(&p->listed, row, fields);
    return true;
}

static void close_table(CoupletTable *table) {
    Points *p = table->state;
    couplet_listed_free(&p->listed);
    free(p);
    table->state = NULL;
}

/* ---- opening -------------------------------------------------------------------------------- */

static bool read_settings(Points *p, const CoupletRequest *request, char *error,
                          size_t error_bytes) {
    const char *scale = couplet_request_text(request, "scale");
    p->count = (int64_t)couplet_request_number(request, "count");
    p->has_normals = couplet_request_number(request, "normals") != 0;
    p->is_unit = strcmp(scale, "unit") == 0;
    if (p->is_unit || strcmp(scale, "none") == 0) return true;
    snprintf(error, error_bytes, "`scale` of points is \"unit\" or \"none\", and \"%s\" is given",
             scale);
    return false;
}

static bool add_fields(Points *p, CoupletTable *table, char *error, size_t error_bytes) {
    const int64_t shape[] = {p->count, 3};
    if (couplet_table_add(table, "points", COUPLET_F32, 2, shape) &&
        (!p->has_normals || couplet_table_add(table, "normal", COUPLET_F32, 2, shape)))
        return couplet_listed_labels(&p->listed, &kind, table, error, error_bytes);
    snprintf(error, error_bytes, "out of memory for the fields of %s", table->name);
    return false;
}

static bool open_table(const CoupletRequest *request, CoupletTable *out, char *error,
                       size_t error_bytes) {
    Points *p = calloc(1, sizeof *p);
    if (!p) {
        snprintf(error, error_bytes, "out of memory for the list of files");
        return false;
    }
    out->state = p;
    if (read_settings(p, request, error, error_bytes) &&
        couplet_listed_open(&p->listed, request, &kind, out, error, error_bytes) &&
        add_fields(p, out, error, error_bytes))
        return true;
    close_table(out);
    return false;
}

const CoupletReader couplet_reader_points = {.name = "points",
                                             .open = open_table,
                                             .read = read_row,
                                             .column = couplet_listed_column,
                                             .name_row = couplet_listed_name_row,
                                             .close = close_table};
