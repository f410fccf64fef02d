/* Opens files of arrays (.npy, .npz, safetensors, folders of .npy) and reads their elements,
 * whole or row by row.
 *
 * Opening reads headers alone. An array that lies in the file as a column has it is used where
 * it is mapped; others are converted, and an element that the type does not hold is an error
 * with its index. Class names may stand beside an array FIELD, as a list of texts called
 * FIELD_names. */
#include "runtime/data/array.h"

#include "runtime/files.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

typedef struct Opening {
    const char *path;
    const char *name;
    CoupletArrayWanted *wanted;
    const void *context;
    CoupletArrays *out;
    char *error;
    size_t error_bytes;
} Opening;

static bool fail(char *error, size_t error_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(char *error, size_t error_bytes, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error, error_bytes, format, args);
    va_end(args);
    return false;
}

static bool out_of_memory(const Opening *o) {
    return fail(o->error, o->error_bytes, "%s: out of memory", o->name);
}

/* ---- one array ------------------------------------------------------------------------------- */

/* Returns room for one more array, which is counted once it is complete. */
static CoupletArray *next_array(const Opening *o) {
    CoupletArrays *all = o->out;
    CoupletArray *arrays = realloc(all->arrays, ((size_t)all->count + 1) * sizeof *arrays);
    if (!arrays) {
        out_of_memory(o);
        return NULL;
    }
    all->arrays = arrays;
    memset(&arrays[all->count], 0, sizeof *arrays);
    return &arrays[all->count];
}

static CoupletMapping *next_mapping(const Opening *o, const char *path) {
    CoupletArrays *all = o->out;
    CoupletMapping *mappings =
        realloc(all->mappings, ((size_t)all->mapping_count + 1) * sizeof *mappings);
    if (!mappings) {
        out_of_memory(o);
        return NULL;
    }
    all->mappings = mappings;
    if (!couplet_mapping_open(path, &mappings[all->mapping_count], o->error, o->error_bytes))
        return NULL;
    return &mappings[all->mapping_count++];
}

static void name_array(CoupletArray *a, const Opening *o, const char *name, size_t length) {
    snprintf(a->name, sizeof a->name, "%.*s",
             (int)(length < sizeof a->name ? length : sizeof a->name - 1), name);
    snprintf(a->label, sizeof a->label, "%s, array %s", o->name, a->name);
}

static bool has_rows(const CoupletArray *a, const Opening *o) {
    if (a->rank > 0) return true;
    return fail(o->error, o->error_bytes,
                "%s is a single number, and an array has an axis of samples ahead of all others; "
                "where it is no field, a claim of the others passes it over: { x : real[50] }",
                a->label);
}

static bool take_layout(CoupletArray *a, const Opening *o, const CoupletNpyLayout *layout,
                        size_t available) {
    a->element = layout->element;
    a->swapped = layout->swapped;
    a->by_columns = layout->by_columns && layout->rank > 1;
    a->rank = layout->rank;
    a->count = layout->count;
    memcpy(a->shape, layout->shape, sizeof a->shape);
    a->offset = layout->offset;
    if (!has_rows(a, o)) return false;
    if (available - layout->offset == layout->bytes) return true;
    return fail(o->error, o->error_bytes,
                "%s has %zu bytes of data, and its shape asks for %zu: the file is %s", a->label,
                available - layout->offset, layout->bytes,
                available - layout->offset < layout->bytes ? "cut short" : "damaged");
}

/* ---- names of classes ------------------------------------------------------------------------ */

static bool ends_with(const char *text, const char *ending) {
    const size_t length = strlen(text);
    const size_t end = strlen(ending);
    return length > end && strcmp(text + length - end, ending) == 0;
}

static bool are_names(const char *name, const void *bytes, size_t length) {
    return ends_with(name, "_names") && couplet_npy_is_text(bytes, length);
}

static bool add_names(const Opening *o, const char *name, const void *bytes, size_t length) {
    CoupletArrays *all = o->out;
    char label[256];
    CoupletArrayNames *names = realloc(all->names, ((size_t)all->name_count + 1) * sizeof *names);
    if (!names) return out_of_memory(o);
    all->names = names;
    names += all->name_count;
    snprintf(names->name, sizeof names->name, "%s", name);
    snprintf(label, sizeof label, "%s, array %s", o->name, name);
    names->names = couplet_npy_texts(label, bytes, length, &names->count, o->error, o->error_bytes);
    all->name_count += names->names != NULL;
    return names->names != NULL;
}

/* ---- .npy ------------------------------------------------------------------------------------ */

static bool add_npy(const Opening *o, const CoupletMapping *mapping, const char *name,
                    size_t name_length) {
    CoupletArray *a = next_array(o);
    CoupletNpyLayout layout;
    if (!a) return false;
    name_array(a, o, name, name_length);
    if (!couplet_npy_layout(a->label, mapping->bytes, mapping->length, &layout, o->error,
                            o->error_bytes))
        return false;
    if (!take_layout(a, o, &layout, mapping->length)) return false;
    a->data = mapping->bytes + layout.offset;
    o->out->count++;
    return true;
}

/* ---- folders of .npy ------------------------------------------------------------------------- */

static int is_array_file(const struct dirent *entry) {
    return entry->d_name[0] != '.' && ends_with(entry->d_name, ".npy");
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool add_npy_file(const Opening *o, const char *file) {
    char path[COUPLET_PATH_BYTES];
    char name[256];
    const size_t length = strlen(file) - strlen(".npy");
    if (length >= sizeof name)
        return fail(o->error, o->error_bytes, "%s: the name of `%s` is too long", o->name, file);
    memcpy(name, file, length);
    name[length] = 0;
    const bool is_wanted = !o->wanted || o->wanted(o->context, name);
    if (!is_wanted && !ends_with(name, "_names")) return true;
    if (!couplet_path_join(o->path, file, path, o->error, o->error_bytes)) return false;
    const CoupletMapping *mapping = next_mapping(o, path);
    if (mapping && are_names(name, mapping->bytes, mapping->length))
        return add_names(o, name, mapping->bytes, mapping->length);
    return mapping && (!is_wanted || add_npy(o, mapping, name, length));
}

static bool open_folder(const Opening *o) {
    struct dirent **entries;
    const int count = scandir(o->path, &entries, is_array_file, by_bytes);
    if (count < 0) return fail(o->error, o->error_bytes, "%s: this folder cannot be read", o->name);
    bool good = count > 0 || fail(o->error, o->error_bytes,
                                  "%s: this folder has no .npy files; data.images, data.sounds, "
                                  "data.clips and data.points read folders of other files",
                                  o->name);
    for (int i = 0; i < count; i++) {
        good = good && add_npy_file(o, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return good;
}

/* ---- .npz ------------------------------------------------------------------------------------ */

enum { MOST_HEADER = 1 << 16, MOST_NAMES = 1 << 26 /* the most bytes of a list of names */ };

/* Finds the layout of a deflated member from its first bytes. */
static bool peek_layout(const Opening *o, const CoupletArray *a, CoupletNpyLayout *layout) {
    static const char damaged[] = "does not unpack: the archive is damaged";
    CoupletNpzStream stream;
    const size_t bytes = a->member.size < MOST_HEADER ? a->member.size : MOST_HEADER;
    unsigned char *head = malloc(bytes + 1);
    if (!head || !couplet_npz_begin(&stream, &a->member)) {
        free(head);
        return out_of_memory(o);
    }
    bool good = couplet_npz_next(&stream, head, bytes) ||
                fail(o->error, o->error_bytes, "%s %s", a->label, damaged);
    good = good && couplet_npy_layout(a->label, head, bytes, layout, o->error, o->error_bytes);
    couplet_npz_end(&stream);
    free(head);
    return good;
}

/* Reads a member of texts as a list of names; *done is then set. */
static bool take_names(const Opening *o, const char *name, const CoupletNpzMember *member,
                       bool *done) {
    CoupletNpzStream stream;
    unsigned char *unpacked = NULL;
    const unsigned char *bytes = member->bytes;
    if (member->size > MOST_NAMES) return true;
    if (member->deflated) {
        unpacked = malloc(member->size + 1);
        if (!unpacked || !couplet_npz_begin(&stream, member)) {
            free(unpacked);
            return out_of_memory(o);
        }
        const bool whole = couplet_npz_next(&stream, unpacked, member->size);
        couplet_npz_end(&stream);
        /* An error is reported when the member is read as an array. */
        bytes = whole ? unpacked : NULL;
    }
    const bool texts = bytes && are_names(name, bytes, member->size);
    bool good = true;
    if (texts && crc32_z(0, bytes, member->size) != member->checksum)
        good = fail(o->error, o->error_bytes, "%s, array %s is damaged: its checksum is another",
                    o->name, name);
    good = good && (!texts || add_names(o, name, bytes, member->size));
    free(unpacked);
    *done = texts;
    return good;
}

/* Takes the name of the array that a member holds: "" where a claim leaves the member out. */
static bool name_of_array(const Opening *o, const CoupletNpzMember *member, char *name,
                          size_t bytes) {
    static const char ending[] = ".npy";
    const size_t end = sizeof ending - 1;
    const bool is_array = member->name_length > end &&
                          memcmp(member->name + member->name_length - end, ending, end) == 0;
    *name = 0;
    if (!is_array) {
        if (o->wanted) return true; /* the claim decides which arrays are read */
        return fail(o->error, o->error_bytes,
                    "%s: `%s` in this archive is no array (its name does not end with .npy); claim "
                    "the arrays that are meant: { x : real[50] }",
                    o->name, member->shown);
    }
    if (member->name_length - end >= bytes)
        return fail(o->error, o->error_bytes, "%s: the name of the array `%s..` is too long",
                    o->name, member->shown);
    memcpy(name, member->name, member->name_length - end);
    name[member->name_length - end] = 0;
    return true;
}

static bool add_member(const Opening *o, const CoupletMapping *mapping,
                       const CoupletNpzMember *member) {
    char name[sizeof((CoupletArray *)0)->name];
    if (!name_of_array(o, member, name, sizeof name)) return false;
    if (!*name) return true;
    const bool is_wanted = !o->wanted || o->wanted(o->context, name);
    if (!is_wanted && !ends_with(name, "_names")) return true;
    CoupletNpzMember found = *member;
    if (!couplet_npz_locate(o->name, mapping->bytes, mapping->length, &found, o->error,
                            o->error_bytes))
        return false;
    bool is_done = false;
    if (ends_with(name, "_names") && !take_names(o, name, &found, &is_done)) return false;
    if (is_done || !is_wanted) return true;
    CoupletArray *a = next_array(o);
    CoupletNpyLayout layout;
    if (!a) return false;
    name_array(a, o, name, strlen(name));
    a->member = found;
    if (a->member.deflated ? !peek_layout(o, a, &layout)
                           : !couplet_npy_layout(a->label, a->member.bytes, a->member.size, &layout,
                                                 o->error, o->error_bytes))
        return false;
    if (!take_layout(a, o, &layout, a->member.size)) return false;
    if (!a->member.deflated) a->data = a->member.bytes + layout.offset;
    o->out->count++;
    return true;
}

static bool open_archive(const Opening *o, const CoupletMapping *mapping) {
    int count;
    CoupletNpzMember *members = couplet_npz_members(o->name, mapping->bytes, mapping->length,
                                                    &count, o->error, o->error_bytes);
    bool good = members != NULL;
    for (int i = 0; good && i < count; i++)
        good = add_member(o, mapping, &members[i]);
    free(members);
    return good;
}

/* ---- safetensors ----------------------------------------------------------------------------- */

static const struct {
    const char *dtype;
    CoupletNpyElement element;
} tensor_types[] = {
    {"F16", COUPLET_ELEMENT_F16},   {"F32", COUPLET_ELEMENT_F32}, {"F64", COUPLET_ELEMENT_F64},
    {"BF16", COUPLET_ELEMENT_BF16}, {"I8", COUPLET_ELEMENT_I8},   {"I16", COUPLET_ELEMENT_I16},
    {"I32", COUPLET_ELEMENT_I32},   {"I64", COUPLET_ELEMENT_I64}, {"U8", COUPLET_ELEMENT_U8},
    {"U16", COUPLET_ELEMENT_U16},   {"U32", COUPLET_ELEMENT_U32}, {"U64", COUPLET_ELEMENT_U64},
    {"BOOL", COUPLET_ELEMENT_BOOL},
};

static bool find_element(const char *dtype, CoupletNpyElement *out) {
    for (size_t i = 0; i < sizeof tensor_types / sizeof *tensor_types; i++) {
        if (strcmp(dtype, tensor_types[i].dtype) != 0) continue;
        *out = tensor_types[i].element;
        return true;
    }
    return false;
}

static bool add_tensor(const Opening *o, const CoupletTensorEntry *entry) {
    /* such an array fills the space between the columns of a packed copy */
    if (strncmp(entry->name, "__", 2) == 0) return true;
    if (o->wanted && !o->wanted(o->context, entry->name)) return true;
    CoupletArray *a = next_array(o);
    if (!a) return false;
    if (strlen(entry->name) >= sizeof a->name)
        return fail(o->error, o->error_bytes, "%s: the name of the array `%.60s..` is too long",
                    o->name, entry->name);
    name_array(a, o, entry->name, strlen(entry->name));
    if (!find_element(entry->dtype, &a->element))
        return fail(o->error, o->error_bytes,
                    "%s has elements of the type %s; F16, BF16, F32, F64, I8 to I64, U8 to U64 and "
                    "BOOL are read, convert it to one of them",
                    a->label, entry->dtype);
    a->rank = entry->rank;
    a->count = 1;
    for (int i = 0; i < entry->rank; i++) {
        a->shape[i] = entry->shape[i];
        if (!entry->shape[i])
            return fail(o->error, o->error_bytes, "%s has no elements: its axis %d has 0 entries",
                        a->label, i + 1);
        a->count *= entry->shape[i];
    }
    a->data = entry->data;
    if (!has_rows(a, o)) return false;
    o->out->count++;
    return true;
}

static bool open_tensors(const Opening *o, const CoupletMapping *mapping) {
    CoupletTensorFile *file = &o->out->tensors;
    if (!couplet_tensors_parse_any(o->name, mapping->bytes, mapping->length, file, o->error,
                                   o->error_bytes))
        return false;
    bool good = true;
    for (int i = 0; good && i < file->count; i++)
        good = add_tensor(o, &file->entries[i]);
    return good;
}

/* ---- which kind of file ---------------------------------------------------------------------- */

static bool begins(const CoupletMapping *m, size_t at, const char *bytes, size_t length) {
    return m->length >= at + length && memcmp(m->bytes + at, bytes, length) == 0;
}

/* Other files in which people keep arrays, and what to do with them. */
static const struct {
    const char *start;
    size_t length;
    const char *advice;
} others[] = {
    {"\x89HDF", 4, "is an HDF5 file; write its arrays with numpy.savez"},
    {"MATLAB", 6, "is a MATLAB file; write its arrays with numpy.savez"},
    {"\x80\x02", 2, "is a Python pickle; write its arrays with numpy.savez"},
    {"\x80\x03", 2, "is a Python pickle; write its arrays with numpy.savez"},
    {"\x80\x04", 2, "is a Python pickle; write its arrays with numpy.savez"},
    {"\x80\x05", 2, "is a Python pickle; write its arrays with numpy.savez"},
    {"PAR1", 4, "is a Parquet file; write its columns with numpy.savez, or as CSV for data.table"},
    {"ARROW1", 6, "is an Arrow file; write its columns with numpy.savez, or as CSV for data.table"},
    {"\x1f\x8b", 2, "is gzipped; unpack it first"},
};

static bool is_tensors(const CoupletMapping *m) {
    return m->length > 9 && m->bytes[8] == '{' && !m->bytes[7] && !m->bytes[6];
}

static bool open_array_file(const Opening *o) {
    const CoupletMapping *m = next_mapping(o, o->path);
    if (!m) return false;
    if (!m->length) return fail(o->error, o->error_bytes, "%s is empty", o->name);
    if (begins(m, 0, "\x93NUMPY", 6)) return add_npy(o, m, "x", 1);
    if (begins(m, 0, "PK\3\4", 4) || begins(m, 0, "PK\5\6", 4)) return open_archive(o, m);
    if (is_tensors(m) || ends_with(o->path, ".safetensors")) return open_tensors(o, m);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins(m, 0, others[i].start, others[i].length))
            return fail(o->error, o->error_bytes, "%s %s", o->name, others[i].advice);
    return fail(o->error, o->error_bytes, "%s is no .npy, .npz or safetensors file%s", o->name,
                ends_with(o->path, ".csv") ? "; data.table reads CSV" : "");
}

static bool same_names(const Opening *o) {
    for (int i = 0; i < o->out->count; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(o->out->arrays[i].name, o->out->arrays[k].name) == 0)
                return fail(o->error, o->error_bytes, "%s has two arrays of the name `%s`", o->name,
                            o->out->arrays[i].name);
    return true;
}

bool couplet_arrays_open(const char *path, const char *name, CoupletArrayWanted *wanted,
                         const void *context, CoupletArrays *out, char *error, size_t error_bytes) {
    const Opening o = {path, name, wanted, context, out, error, error_bytes};
    struct stat about;
    memset(out, 0, sizeof *out);
    const bool is_folder = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
    if ((is_folder ? open_folder(&o) : open_array_file(&o)) && same_names(&o)) return true;
    couplet_arrays_close(out);
    return false;
}

void couplet_arrays_close(CoupletArrays *arrays) {
    couplet_tensors_free(&arrays->tensors);
    for (int i = 0; i < arrays->mapping_count; i++)
        couplet_mapping_close(&arrays->mappings[i]);
    for (int i = 0; i < arrays->name_count; i++)
        free(arrays->names[i].names);
    free(arrays->names);
    free(arrays->mappings);
    free(arrays->arrays);
    memset(arrays, 0, sizeof *arrays);
}

/* ---- elements -------------------------------------------------------------------------------- */

bool couplet_array_is_column(const CoupletArray *a, CoupletType type) {
    if (!a->data || a->by_columns) return false;
    if (type == COUPLET_U8) return a->element == COUPLET_ELEMENT_U8;
    if (a->swapped || (uintptr_t)a->data % 4) return false;
    return a->element == (type == COUPLET_F32 ? COUPLET_ELEMENT_F32 : COUPLET_ELEMENT_I32);
}

/* Writes the place of element `at`, such as "row 3" or "row 3, [0, 17]". */
static void place_text(const CoupletArray *a, int64_t at, char *out, size_t bytes) {
    int64_t index[COUPLET_NPY_MAX_RANK] = {0};
    for (int i = a->rank - 1; i >= 0; i--) {
        index[i] = at % a->shape[i];
        at /= a->shape[i];
    }
    size_t used = (size_t)snprintf(out, bytes, "row %lld", (long long)index[0]);
    for (int i = 1; i < a->rank && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%lld", i == 1 ? ", [" : ", ",
                                 (long long)index[i]);
    if (a->rank > 1 && used < bytes) {
        snprintf(out + used, bytes - used, "]");
    }
}

/* Refuses element `at` of the array, which is element `i` of `from`. */
static bool refuse_element(const CoupletArray *a, int64_t at, const CoupletElements *from,
                           int64_t i, CoupletType type, char *error, size_t error_bytes) {
    char place[200];
    char value[48];
    place_text(a, at, place, sizeof place);
    couplet_elements_text(from, i, value, sizeof value);
    const char *why = "a real of 32 bits does not hold it";
    if (strstr(value, "nan") || strstr(value, "inf"))
        why = type == COUPLET_I32 ? "a whole number is expected"
                                  : "a finite number is expected; `missing = \"keep\"` keeps it";
    else if (type == COUPLET_I32)
        why = strpbrk(value, ".e") ? "a whole number is expected"
                                   : "an int of 32 bits does not hold it";
    return fail(error, error_bytes, "%s, %s is %s: %s", a->label, place, value, why);
}

/* Converts elements that follow each other in the file, as element `first` of the array, in row
 * order, and those behind it. */
static bool convert_rows(const CoupletArray *a, const unsigned char *bytes, int64_t first,
                         int64_t count, CoupletType type, bool unusual, void *out, char *error,
                         size_t error_bytes) {
    const CoupletElements from = {a->element, a->swapped, bytes,
                                  (ptrdiff_t)couplet_elements_bytes(a->element)};
    char *target = (char *)out + first * (type == COUPLET_U8 ? 1 : 4);
    const int64_t bad = couplet_elements_convert(&from, count, type, unusual, target);
    return bad == count || refuse_element(a, first + bad, &from, bad, type, error, error_bytes);
}

/* Converts elements first .. first + count - 1, in row order, of an array in column order, in steps
 * of the last axis. `data` is the whole array. */
static bool convert_columns(const CoupletArray *a, const unsigned char *data, int64_t first,
                            int64_t count, CoupletType type, bool unusual, void *out, char *error,
                            size_t error_bytes) {
    const int64_t bytes = (int64_t)couplet_elements_bytes(a->element);
    const int64_t last = a->shape[a->rank - 1];
    char *target = out;
    for (int64_t at = first; at < first + count; at += last) {
        int64_t offset = 0;
        int64_t stride = bytes;
        int64_t rest = at / last;
        int64_t before = a->count / last;
        /* From the slowest axis on, rest / before is the index of axis i. */
        for (int i = 0; i < a->rank - 1; i++) {
            before /= a->shape[i];
            offset += rest / before * stride;
            rest %= before;
            stride *= a->shape[i];
        }
        const CoupletElements from = {a->element, a->swapped, data + offset, stride};
        const int64_t bad = couplet_elements_convert(&from, last, type, unusual, target);
        if (bad < last) return refuse_element(a, at + bad, &from, bad, type, error, error_bytes);
        target += last * (type == COUPLET_U8 ? 1 : 4);
    }
    return true;
}

static bool fail_damaged(const CoupletArray *a, const char *why, char *error, size_t error_bytes) {
    return fail(error, error_bytes, "%s is damaged: %s", a->label, why);
}

bool couplet_array_checksum(const CoupletArray *a, char *error, size_t error_bytes) {
    if (!a->member.bytes || crc32_z(0, a->member.bytes, a->member.size) == a->member.checksum)
        return true;
    return fail_damaged(a, "its checksum is another", error, error_bytes);
}

/* Unpacks the bytes ahead of the elements, which were read when the array was opened. */
static bool skip_head(const CoupletArray *a, CoupletNpzStream *stream) {
    unsigned char piece[4096];
    for (size_t left = a->offset; left;) {
        const size_t here = left < sizeof piece ? left : sizeof piece;
        if (!couplet_npz_next(stream, piece, here)) return false;
        left -= here;
    }
    return true;
}

/* Unpacks an array in row order, a piece at a time. */
static bool unpack_rows(const CoupletArray *a, CoupletNpzStream *stream, CoupletType type,
                        bool unusual, void *out, char *error, size_t error_bytes) {
    enum { PIECE = 1 << 15 };
    const int64_t bytes = (int64_t)couplet_elements_bytes(a->element);
    unsigned char *piece = malloc(PIECE * (size_t)bytes);
    if (!piece) return fail(error, error_bytes, "%s: out of memory", a->label);
    bool good = true;
    for (int64_t first = 0; good && first < a->count; first += PIECE) {
        const int64_t here = a->count - first < PIECE ? a->count - first : PIECE;
        good = couplet_npz_next(stream, piece, (size_t)(here * bytes)) ||
               fail_damaged(a, "it does not unpack", error, error_bytes);
        good = good && convert_rows(a, piece, first, here, type, unusual, out, error, error_bytes);
    }
    free(piece);
    return good;
}

/* Unpacks an array in column order, which must be unpacked as a whole first. */
static bool unpack_columns(const CoupletArray *a, CoupletNpzStream *stream, CoupletType type,
                           bool unusual, void *out, char *error, size_t error_bytes) {
    const size_t bytes = (size_t)a->count * couplet_elements_bytes(a->element);
    unsigned char *whole = couplet_pages_take(bytes);
    if (!whole) return fail(error, error_bytes, "%s: out of memory for %zu bytes", a->label, bytes);
    bool good = couplet_npz_next(stream, whole, bytes) ||
                fail_damaged(a, "it does not unpack", error, error_bytes);
    good = good && convert_columns(a, whole, 0, a->count, type, unusual, out, error, error_bytes);
    couplet_pages_give(whole, bytes);
    return good;
}

static bool unpack_member(const CoupletArray *a, CoupletType type, bool unusual, void *out,
                          char *error, size_t error_bytes) {
    CoupletNpzStream stream;
    if (!couplet_npz_begin(&stream, &a->member))
        return fail(error, error_bytes, "%s: out of memory", a->label);
    bool good = skip_head(a, &stream) || fail_damaged(a, "it does not unpack", error, error_bytes);
    if (good && a->by_columns)
        good = unpack_columns(a, &stream, type, unusual, out, error, error_bytes);
    else if (good)
        good = unpack_rows(a, &stream, type, unusual, out, error, error_bytes);
    if (good && !couplet_npz_is_whole(&stream))
        good = fail_damaged(a, "its checksum is another", error, error_bytes);
    couplet_npz_end(&stream);
    return good;
}

bool couplet_array_read(const CoupletArray *a, CoupletType type, bool unusual, void *out,
                        char *error, size_t error_bytes) {
    if (!a->data) return unpack_member(a, type, unusual, out, error, error_bytes);
    if (!couplet_array_checksum(a, error, error_bytes)) return false;
    if (a->by_columns)
        return convert_columns(a, a->data, 0, a->count, type, unusual, out, error, error_bytes);
    return convert_rows(a, a->data, 0, a->count, type, unusual, out, error, error_bytes);
}

bool couplet_array_row(const CoupletArray *a, int64_t row, CoupletType type, bool unusual,
                       void *out, char *error, size_t error_bytes) {
    const int64_t elements = a->count / a->shape[0];
    const int64_t first = row * elements;
    const int64_t bytes = (int64_t)couplet_elements_bytes(a->element);
    if (a->by_columns)
        return convert_columns(a, a->data, first, elements, type, unusual, out, error, error_bytes);
    const CoupletElements from = {a->element, a->swapped, a->data + first * bytes, bytes};
    const int64_t bad = couplet_elements_convert(&from, elements, type, unusual, out);
    return bad == elements || refuse_element(a, first + bad, &from, bad, type, error, error_bytes);
}

bool couplet_array_check(const CoupletArray *a, CoupletType type, bool unusual, char *error,
                         size_t error_bytes) {
    if (!couplet_array_checksum(a, error, error_bytes)) return false;
    if (type != COUPLET_F32 || unusual) return true;
    const int64_t bad = couplet_elements_unusual((const float *)(const void *)a->data, a->count);
    const CoupletElements from = {a->element, false, a->data, 4};
    return bad == a->count || refuse_element(a, bad, &from, bad, type, error, error_bytes);
}

const char *couplet_array_text(const CoupletArray *a, char *out, size_t bytes) {
    size_t used = (size_t)snprintf(out, bytes, "[");
    for (int i = 0; i < a->rank && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%lld", i ? ", " : "",
                                 (long long)a->shape[i]);
    if (used < bytes)
        snprintf(out + used, bytes - used, "] of %s", couplet_elements_name(a->element));
    return out;
}
