/* Shapes in space, read from the files that hold them: points, and the triangles between them.
 *
 * The readers of the formats are our own. They are short, no number of a file is trusted, and a
 * damaged file gives a sentence; the library that reads most formats crashes on such files. */
#ifndef COUPLET_RUNTIME_DATA_MESH_H
#define COUPLET_RUNTIME_DATA_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CoupletMesh {
    double *points;      /* [point_count][3]: finite, and no larger than a float can be */
    int64_t point_count; /* at least 1 */
    /* [point_count][3], as the file says them, NaN too; NULL: it says none. */
    double *normals;
    int32_t *corners;       /* [triangle_count][3]: numbers of points */
    int64_t triangle_count; /* 0: a cloud of points */
} CoupletMesh;

/* The ends of the names of the files that are read, and of files of other programs for shapes,
 * which are not. NULL ends each list. */
extern const char *const couplet_mesh_endings[];
extern const char *const couplet_mesh_unread[];

/* Reads a file; the end of its name tells the format. Faces of more than three corners are cut into
 * triangles (polygon.h); lines, and faces of fewer corners, are passed over. False with a sentence
 * that names the file, and the line of a text file; nothing is then owned by the caller. */
bool couplet_mesh_read(const char *path, CoupletMesh *out, char *error, size_t error_bytes);
/* Reads a mesh from the bytes of such a file; messages call it `path`. */
bool couplet_mesh_read_bytes(const char *path, const uint8_t *bytes, size_t length,
                             CoupletMesh *out, char *error, size_t error_bytes);
void couplet_mesh_free(CoupletMesh *mesh);

#endif
