/* Shapes in space, read from files: points, and the triangles between them.
 *
 * The readers of the formats are our own code. They are short, trust no number of a file, and
 * report damage in a sentence. The library that reads most formats crashes on damaged files. */
#ifndef COUPLET_RUNTIME_DATA_MESH_H
#define COUPLET_RUNTIME_DATA_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CoupletMesh {
    double *points;      /* [point_count][3]: finite, and within the range of a float */
    int64_t point_count; /* at least 1 */
    /* [point_count][3]: as they are in the file, even NaN; NULL: the file has none. */
    double *normals;
    int32_t *corners;       /* [triangle_count][3]: numbers of points */
    int64_t triangle_count; /* 0: the shape is a cloud of points */
} CoupletMesh;

/* The name endings of files that are read, and of files of other programs that are not. Each list
 * ends with NULL. */
extern const char *const couplet_mesh_endings[];
extern const char *const couplet_mesh_unread[];

/* Reads a file, whose format is known by the ending of its name. Faces of more than three corners
 * are cut into triangles (polygon.h); lines, and faces of fewer corners, are ignored. Returns false
 * with a sentence that names the file, and the line of a text file; there is then nothing to
 * free. */
bool couplet_mesh_read(const char *path, CoupletMesh *out, char *error, size_t error_bytes);
/* Reads a mesh from the bytes of such a file. `path` is the name for messages. */
bool couplet_mesh_read_bytes(const char *path, const uint8_t *bytes, size_t length,
                             CoupletMesh *out, char *error, size_t error_bytes);
void couplet_mesh_free(CoupletMesh *mesh);

#endif
