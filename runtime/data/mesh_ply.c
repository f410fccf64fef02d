/* PLY, the Stanford format: a header of text that lists elements and their properties, then rows of
 * text or bytes in either order. The reader takes x, y, z and nx, ny, nz of the element `vertex`,
 * and the list vertex_indices of `face` and of `tristrips`. All other properties are passed
 * over. */
#include "runtime/data/mesh_formats.h"

#include <math.h>
#include <string.h>

typedef enum Coding {
    CODING_TEXT,
    CODING_LITTLE,
    CODING_BIG,
} Coding;

/* The kinds of numbers, by their bytes, with reals last. */
typedef enum Kind {
    INT8,
    UINT8,
    INT16,
    UINT16,
    INT32,
    UINT32,
    FLOAT32,
    FLOAT64,
} Kind;

static const struct {
    const char *name;
    Kind kind;
} kinds[] = {
    {"char", INT8},     {"int8", INT8},       {"uchar", UINT8},    {"uint8", UINT8},
    {"short", INT16},   {"int16", INT16},     {"ushort", UINT16},  {"uint16", UINT16},
    {"int", INT32},     {"int32", INT32},     {"uint", UINT32},    {"uint32", UINT32},
    {"float", FLOAT32}, {"float32", FLOAT32}, {"double", FLOAT64}, {"float64", FLOAT64},
};

static const int kind_bytes[] = {1, 1, 2, 2, 4, 4, 4, 8};

/* The meaning of a property. The first six are entries of Row. */
typedef enum Role {
    ROLE_X,
    ROLE_Y,
    ROLE_Z,
    ROLE_NX,
    ROLE_NY,
    ROLE_NZ,
    ROLE_CORNERS,
    ROLE_NONE
} Role;

typedef struct Property {
    Kind kind;
    Kind count_kind;
    bool is_list;
    Role role;
} Property;

enum {
    MOST_PROPERTIES = 256,
    MOST_ELEMENTS = 32,
};

typedef struct Element {
    char name[32];
    int64_t count;
    int first, properties; /* the range of the element's properties in Header.property */
} Element;

typedef struct Header {
    Coding coding;
    bool has_format;
    Element element[MOST_ELEMENTS];
    int elements;
    Property property[MOST_PROPERTIES];
    int properties;
} Header;

/* ---- the header ----------------------------------------------------------------------------- */

static bool read_kind(CoupletMeshFile *f, CoupletSpan *line, Kind *out) {
    CoupletSpan word;
    char shown[48];
    couplet_mesh_word(line, &word);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!couplet_mesh_is(word, kinds[i].name)) continue;
        *out = kinds[i].kind;
        return true;
    }
    return couplet_mesh_fail(f, "`%s` is no type of a property", couplet_mesh_show(word, shown));
}

static Role role_of(const Element *element, const Property *property, CoupletSpan name) {
    static const char *const names[] = {"x", "y", "z", "nx", "ny", "nz"};
    const bool is_vertex = strcmp(element->name, "vertex") == 0;
    const bool has_corners =
        strcmp(element->name, "face") == 0 || strcmp(element->name, "tristrips") == 0;
    for (int i = 0; is_vertex && !property->is_list && i <= ROLE_NZ; i++)
        if (couplet_mesh_is(name, names[i])) return (Role)i;
    if (has_corners && property->is_list &&
        (couplet_mesh_is(name, "vertex_indices") || couplet_mesh_is(name, "vertex_index")))
        return ROLE_CORNERS;
    return ROLE_NONE;
}

static bool read_property(CoupletMeshFile *f, CoupletSpan line, Header *h) {
    if (!h->elements) return couplet_mesh_fail(f, "a property stands before the first element");
    if (h->properties == MOST_PROPERTIES)
        return couplet_mesh_fail(f, "the header has more than %d properties", MOST_PROPERTIES);
    Property *p = &h->property[h->properties];
    Element *e = &h->element[h->elements - 1];
    CoupletSpan rest = line;
    CoupletSpan word;
    *p = (Property){.role = ROLE_NONE};
    p->is_list = couplet_mesh_word(&rest, &word) && couplet_mesh_is(word, "list");
    if (p->is_list) {
        line = rest;
        if (!read_kind(f, &line, &p->count_kind)) return false;
        if (p->count_kind >= FLOAT32)
            return couplet_mesh_fail(f, "the length of a list is a real; an integer was expected");
    }
    if (!read_kind(f, &line, &p->kind)) return false;
    if (!couplet_mesh_word(&line, &word)) return couplet_mesh_fail(f, "a property has no name");
    p->role = role_of(e, p, word);
    if (p->role == ROLE_CORNERS && p->kind >= FLOAT32)
        return couplet_mesh_fail(f, "corners of faces are reals; integers were expected");
    for (int i = 0; p->role != ROLE_NONE && i < e->properties; i++)
        if (h->property[e->first + i].role == p->role)
            return couplet_mesh_fail(f, "the element `%s` has this property twice", e->name);
    h->properties++;
    e->properties++;
    return true;
}

static bool read_element(CoupletMeshFile *f, CoupletSpan line, Header *h) {
    if (h->elements == MOST_ELEMENTS)
        return couplet_mesh_fail(f, "the header has more than %d elements", MOST_ELEMENTS);
    Element *e = &h->element[h->elements];
    CoupletSpan word;
    char shown[48];
    couplet_mesh_word(&line, &word);
    *e = (Element){.first = h->properties};
    if ((size_t)(word.end - word.at) < sizeof e->name)
        memcpy(e->name, word.at, (size_t)(word.end - word.at));
    couplet_mesh_word(&line, &word);
    if (!couplet_mesh_whole(word, &e->count) || e->count < 0)
        return couplet_mesh_fail(f, "`%s` is no number of rows", couplet_mesh_show(word, shown));
    for (int i = 0; i < h->elements; i++)
        if (e->name[0] && strcmp(h->element[i].name, e->name) == 0)
            return couplet_mesh_fail(f, "the element `%s` is there twice", e->name);
    h->elements++;
    return true;
}

static bool read_format(CoupletMeshFile *f, CoupletSpan line, Header *h) {
    static const char *const names[] = {"ascii", "binary_little_endian", "binary_big_endian"};
    CoupletSpan word;
    char shown[48];
    couplet_mesh_word(&line, &word);
    for (int i = 0; i < 3; i++) {
        if (!couplet_mesh_is(word, names[i])) continue;
        h->coding = (Coding)i;
        h->has_format = true;
        return true;
    }
    return couplet_mesh_fail(f,
                             "the format is `%s`; ascii, binary_little_endian or "
                             "binary_big_endian was expected",
                             couplet_mesh_show(word, shown));
}

static bool read_header(CoupletMeshFile *f, Header *h) {
    CoupletSpan line;
    CoupletSpan word;
    char shown[48];
    if (!couplet_mesh_line(f, &line) || !couplet_mesh_word(&line, &word) ||
        !couplet_mesh_is(word, "ply"))
        return couplet_mesh_fail(f, "the file does not begin with the line `ply`");
    while (couplet_mesh_line(f, &line)) {
        if (!couplet_mesh_word(&line, &word)) continue;
        if (couplet_mesh_is(word, "comment") || couplet_mesh_is(word, "obj_info")) continue;
        /* Blender 2.4 writes this line without `comment`. */
        if (couplet_mesh_is(word, "Created")) continue;
        if (couplet_mesh_is(word, "end_header"))
            return h->has_format || couplet_mesh_fail(f, "the header has no line `format`");
        const bool is_read = couplet_mesh_is(word, "format")    ? read_format(f, line, h)
                             : couplet_mesh_is(word, "element") ? read_element(f, line, h)
                             : couplet_mesh_is(word, "property")
                                 ? read_property(f, line, h)
                                 : couplet_mesh_fail(f, "`%s` is no line of a header",
                                                     couplet_mesh_show(word, shown));
        if (!is_read) return false;
    }
    return couplet_mesh_fail(f, "the file ends before its end_header");
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* Reads a word as a number. If it is none, the caller refuses it if it needs the number, since
 * reals of other roles may be NaN. */
static bool read_number_word(CoupletMeshFile *f, CoupletSpan *line, Kind kind, Role role,
                             double *out) {
    CoupletSpan word;
    char shown[48];
    while (!couplet_mesh_word(line, &word))
        if (!couplet_mesh_line(f, line)) return couplet_mesh_fail(f, "the file ends in its rows");
    if (kind >= FLOAT32) {
        if (couplet_mesh_number(word, out)) return true;
        *out = NAN;
        if (role > ROLE_Z) return true;
        return couplet_mesh_fail(f, "`%s` is no finite number", couplet_mesh_show(word, shown));
    }
    int64_t whole;
    if (!couplet_mesh_whole(word, &whole))
        return couplet_mesh_fail(f, "`%s` is no integer, which its type is",
                                 couplet_mesh_show(word, shown));
    *out = (double)whole;
    return true;
}

static double number_from_bits(uint64_t bits, Kind kind) {
    float single;
    double value = 0;
    const uint32_t low = (uint32_t)bits;
    switch (kind) {
    case INT8:
        return (int8_t)bits;
    case UINT8:
        return (uint8_t)bits;
    case INT16:
        return (int16_t)bits;
    case UINT16:
        return (uint16_t)bits;
    case INT32:
        return (int32_t)low;
    case UINT32:
        return low;
    case FLOAT32:
        memcpy(&single, &low, sizeof single);
        return (double)single;
    case FLOAT64:
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    return value;
}

static bool read_bytes(CoupletMeshFile *f, Coding coding, Kind kind, double *out) {
    const int bytes = kind_bytes[kind];
    uint64_t bits = 0;
    if (f->end - f->at < bytes) return couplet_mesh_fail(f, "the file ends in its rows");
    for (int i = 0; i < bytes; i++) {
        const int from = coding == CODING_BIG ? i : bytes - 1 - i;
        bits = bits << 8 | (uint8_t)f->at[from];
    }
    f->at += bytes;
    *out = number_from_bits(bits, kind);
    return true;
}

/* Reads a value. `line` is the rest of the present line of text. */
static bool read_value(CoupletMeshFile *f, Coding coding, Kind kind, Role role, CoupletSpan *line,
                       double *out) {
    if (coding != CODING_TEXT) return read_bytes(f, coding, kind, out);
    return read_number_word(f, line, kind, role, out);
}

/* Adds a point of a strip. Each point makes a triangle with the two before it, in alternating
 * order; -1 begins another strip. */
static bool add_strip_point(CoupletMeshFile *f, int64_t *length, int64_t point, int32_t last[2]) {
    if (point == -1) {
        *length = 0;
        return true;
    }
    if (!couplet_mesh_add_corner(f, 0, point)) return false;
    const int32_t corner = (int32_t)point;
    const bool is_odd = *length & 1;
    if (*length >= 2 && !couplet_mesh_add_triangle(f, last[is_odd], last[!is_odd], corner))
        return false;
    last[0] = last[1];
    last[1] = corner;
    ++*length;
    return true;
}

/* Reads a list of an element's row. Corners become a face, or the triangles of a strip. */
static bool read_list(CoupletMeshFile *f, const Header *h, const Element *e, const Property *p,
                      CoupletSpan *line) {
    const bool is_strip = strcmp(e->name, "tristrips") == 0;
    double count;
    double value;
    int64_t strip = 0;
    int32_t last[2] = {0, 0};
    if (!read_value(f, h->coding, p->count_kind, p->role, line, &count)) return false;
    if (count < 0) return couplet_mesh_fail(f, "a list has %g entries", count);
    for (int64_t i = 0; i < (int64_t)count; i++) {
        if (!read_value(f, h->coding, p->kind, p->role, line, &value)) return false;
        if (p->role != ROLE_CORNERS) continue;
        const int64_t point = (int64_t)value;
        if (is_strip ? !add_strip_point(f, &strip, point, last)
                     : !couplet_mesh_add_corner(f, i, point))
            return false;
    }
    return p->role != ROLE_CORNERS || is_strip || couplet_mesh_add_face(f, (int64_t)count);
}

static bool has_role(const Header *h, const Element *e, Role role) {
    for (int i = 0; i < e->properties; i++)
        if (h->property[e->first + i].role == role) return true;
    return false;
}

static bool read_element_row(CoupletMeshFile *f, const Header *h, const Element *e,
                             bool has_normals, CoupletSpan *line) {
    double values[ROLE_NONE + 1] = {0};
    for (int i = 0; i < e->properties; i++) {
        const Property *p = &h->property[e->first + i];
        if (p->is_list ? !read_list(f, h, e, p, line)
                       : !read_value(f, h->coding, p->kind, p->role, line, &values[p->role]))
            return false;
    }
    if (strcmp(e->name, "vertex") != 0) return true;
    if (has_normals && !couplet_mesh_add_normal(f, values + ROLE_NX)) return false;
    return couplet_mesh_add_point(f, values + ROLE_X);
}

static bool read_element_rows(CoupletMeshFile *f, const Header *h, const Element *e) {
    const bool is_vertex = strcmp(e->name, "vertex") == 0;
    const bool has_normals =
        has_role(h, e, ROLE_NX) && has_role(h, e, ROLE_NY) && has_role(h, e, ROLE_NZ);
    CoupletSpan line = {f->at, f->at};
    if (is_vertex && !(has_role(h, e, ROLE_X) && has_role(h, e, ROLE_Y) && has_role(h, e, ROLE_Z)))
        return couplet_mesh_fail(f, "the element `vertex` has no properties x, y and z");
    for (int64_t i = 0; e->properties && i < e->count; i++)
        if (!read_element_row(f, h, e, has_normals, &line)) return false;
    return true;
}

bool couplet_mesh_ply(CoupletMeshFile *f) {
    Header h = {.has_format = false};
    if (!read_header(f, &h)) return false;
    if (h.coding != CODING_TEXT) f->line = 0;
    for (int i = 0; i < h.elements; i++)
        if (!read_element_rows(f, &h, &h.element[i])) return false;
    if (h.coding == CODING_TEXT || f->at == f->end) return true;
    return couplet_mesh_fail(f, "%lld bytes follow its last row", (long long)(f->end - f->at));
}
