/* Shared by the readers of mesh formats: a mesh that grows, and the lines and words of a text. */
#ifndef COUPLET_RUNTIME_DATA_MESH_FORMATS_H
#define COUPLET_RUNTIME_DATA_MESH_FORMATS_H

#include "runtime/data/mesh.h"

/* A piece of a text: a line, or a word of one. */
typedef struct CoupletSpan {
    const char *at;
    const char *end;
} CoupletSpan;

typedef struct CoupletMeshFile {
    const char *path;     /* the file's name for messages */
    const char *at, *end; /* the part that was not read yet */
    int64_t line;         /* the number of the last line; 0: none yet, or the file is no text */
    CoupletMesh *mesh;
    int64_t point_room;
    int64_t normal_count;
    int64_t normal_room;
    int64_t triangle_room;
    int32_t *face; /* [face_room]: the corners of the face that is being read */
    int64_t face_room;
    char *error;
    size_t error_bytes;
} CoupletMeshFile;

/* Reads a format into f->mesh. */
typedef bool CoupletMeshFormat(CoupletMeshFile *f);
CoupletMeshFormat couplet_mesh_obj, couplet_mesh_off, couplet_mesh_ply, couplet_mesh_stl;
CoupletMeshFormat couplet_mesh_xyz;

/* Writes the error "path:line: sentence", and returns false. */
__attribute__((format(printf, 2, 3))) bool couplet_mesh_fail(CoupletMeshFile *f, const char *format,
                                                             ...);

/* Adds a point. Refuses a point that is no finite float. */
bool couplet_mesh_add_point(CoupletMeshFile *f, const double point[3]);
/* Adds a normal, which may hold any number, because normals are not always needed. */
bool couplet_mesh_add_normal(CoupletMeshFile *f, const double normal[3]);
/* Adds a corner to the face that is being read. `point` is the number of a point, from 0. */
bool couplet_mesh_add_corner(CoupletMeshFile *f, int64_t corner, int64_t point);
/* Ends the face f->face[0 .. corners - 1]. All its points must have been read. */
bool couplet_mesh_add_face(CoupletMeshFile *f, int64_t corners);
/* Adds a triangle. Its points must have been read. */
bool couplet_mesh_add_triangle(CoupletMeshFile *f, int32_t a, int32_t b, int32_t c);

/* Takes the next line, without its end, which may be LF, CR LF or CR. Returns false at the end of
 * the file. */
bool couplet_mesh_line(CoupletMeshFile *f, CoupletSpan *line);
/* Takes the next line with a word before `comment`, where the line is cut off. */
bool couplet_mesh_full_line(CoupletMeshFile *f, char comment, CoupletSpan *line);
/* Takes the next word of a line. Words end at spaces and tabs. */
bool couplet_mesh_word(CoupletSpan *line, CoupletSpan *word);
bool couplet_mesh_is(CoupletSpan word, const char *text);
/* Reads the whole word as a number in decimal digits. Returns false for anything else, also for
 * infinity and NaN. */
bool couplet_mesh_number(CoupletSpan word, double *out);
bool couplet_mesh_whole(CoupletSpan word, int64_t *out);
/* Reads the next `count` words of a line as numbers. `what` completes the message "line 3 of the
 * file: .. was expected", as in "the coordinate of a point". */
bool couplet_mesh_numbers(CoupletMeshFile *f, CoupletSpan *line, const char *what, int count,
                          double *out);
/* Reads a normal. A word that is no finite number becomes NaN. */
bool couplet_mesh_normal(CoupletMeshFile *f, CoupletSpan *line, double out[3]);
/* Writes at most 40 characters of a word for messages, with `?` for characters that cannot be
 * printed. */
const char *couplet_mesh_show(CoupletSpan word, char out[48]);

#endif
