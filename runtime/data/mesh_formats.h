/* The part that the readers of mesh formats share: a mesh that grows, and the lines and words of a
 * text. */
#ifndef COUPLET_RUNTIME_DATA_MESH_FORMATS_H
#define COUPLET_RUNTIME_DATA_MESH_FORMATS_H

#include "runtime/data/mesh.h"

/* A piece of a text: a line, or a word of one. */
typedef struct CoupletSpan {
    const char *at, *end;
} CoupletSpan;

typedef struct CoupletMeshFile {
    const char *path;     /* the file's name in messages */
    const char *at, *end; /* the part that has not been read yet */
    int64_t line;         /* the number of the line that was read last; 0: none yet, or no text */
    CoupletMesh *mesh;
    int64_t point_room, normal_count, normal_room, triangle_room;
    int32_t *face; /* [face_room]: the corners of the face that is being read */
    int64_t face_room;
    char *error;
    size_t error_bytes;
} CoupletMeshFile;

/* A format: fills f->mesh. */
typedef bool CoupletMeshFormat(CoupletMeshFile *f);
CoupletMeshFormat couplet_mesh_obj, couplet_mesh_off, couplet_mesh_ply, couplet_mesh_stl;
CoupletMeshFormat couplet_mesh_xyz;

/* Writes "path:line: sentence" as the error, and returns false. */
__attribute__((format(printf, 2, 3))) bool couplet_mesh_fail(CoupletMeshFile *f, const char *format,
                                                             ...);

/* Adds a point; one that is no finite float is refused. */
bool couplet_mesh_add_point(CoupletMeshFile *f, const double point[3]);
/* Adds a normal, whatever its numbers are: not all shapes are asked for theirs. */
bool couplet_mesh_add_normal(CoupletMeshFile *f, const double normal[3]);
/* Adds a corner to the face that is being read: `point` is a number from 0. */
bool couplet_mesh_add_corner(CoupletMeshFile *f, int64_t corner, int64_t point);
/* Ends the face of f->face[0 .. corners - 1], all of which are points that were read before. */
bool couplet_mesh_add_face(CoupletMeshFile *f, int64_t corners);
/* Adds a triangle of points that were read before. */
bool couplet_mesh_add_triangle(CoupletMeshFile *f, int32_t a, int32_t b, int32_t c);

/* The next line without its end, which may be LF, CR LF or CR; false at the end of the file. */
bool couplet_mesh_line(CoupletMeshFile *f, CoupletSpan *line);
/* The next line that has a word before `comment`, cut off there. */
bool couplet_mesh_full_line(CoupletMeshFile *f, char comment, CoupletSpan *line);
/* Takes the next word off a line; words end at spaces and tabs. */
bool couplet_mesh_word(CoupletSpan *line, CoupletSpan *word);
bool couplet_mesh_is(CoupletSpan word, const char *text);
/* The whole word as a number in decimal digits; false for anything else, infinity and NaN too. */
bool couplet_mesh_number(CoupletSpan word, double *out);
bool couplet_mesh_whole(CoupletSpan word, int64_t *out);
/* The next `count` words of a line as numbers. `what` completes "line 3 of the file: .. was
 * expected", as in "the coordinate of a point". */
bool couplet_mesh_numbers(CoupletMeshFile *f, CoupletSpan *line, const char *what, int count,
                          double *out);
/* Adds a normal. A word that is no finite number becomes NaN. */
bool couplet_mesh_normal(CoupletMeshFile *f, CoupletSpan *line, double out[3]);
/* At most 40 characters of a word, for messages, with what is not printed as `?`. */
const char *couplet_mesh_show(CoupletSpan word, char out[48]);

#endif
