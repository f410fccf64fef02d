/* data.images: pictures in a folder. They are in class folders, or a list in CSV has values for
 * each, or there are no classes at all (docs/data/images.md). */
#include "runtime/data/images.h"

#include "runtime/data/list.h"
#include "runtime/data/listing.h"
#include "runtime/data/picture_format.h"
#include "runtime/hash.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", NULL};
static const char *const unread[] = {".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif",
                                     ".jp2", ".j2k", ".jxl", ".ppm",  ".pgm",  ".pnm",  ".tga",
                                     ".svg", ".ico", ".dng", ".cr2",  ".nef",  ".arw",  NULL};
static const CoupletListingKind pictures = {"picture", "JPEG, PNG and WebP", endings, unread, true};

typedef struct Images {
    CoupletListing listing;
    /* The classes by folders. There are no levels if there is a list. */
    CoupletListedClasses classes;
    CoupletList list; /* the list; without columns if there is none */
    int size;
    bool grey;
} Images;

bool couplet_images_field(CoupletTable *table, int size, bool grey, char *error,
                          size_t error_bytes) {
    const int64_t shape[3] = {grey ? 1 : 3, size, size};
    if (couplet_table_add(table, "image", COUPLET_U8, 3, shape)) return true;
    snprintf(error, error_bytes, "out of memory for the fields of pictures");
    return false;
}

/* Copies the last part of a path that is too long for a message. */
static void copy_name(CoupletTable *table, const char *path) {
    size_t length = strlen(path);
    size_t most = sizeof table->name - 1;
    snprintf(table->name, sizeof table->name, "%s", length > most ? path + length - most : path);
}

bool couplet_images_place(const CoupletRequest *request, CoupletTable *table, char *error,
                          size_t error_bytes) {
    if (!request->path || !*request->path) {
        snprintf(error, error_bytes, "data.%s needs the path of a folder or a file",
                 request->reader);
        return false;
    }
    copy_name(table, request->path);
    return couplet_path_absolute(request->path, table->path, error, error_bytes);
}

static bool open_list(const CoupletRequest *request, const char *name, Images *images,
                      CoupletTable *out, char *error, size_t error_bytes) {
    static const char *const taken[] = {"image", "index", NULL};
    char path[COUPLET_PATH_BYTES];
    if (!couplet_listing_join(request->path, name, path, error, error_bytes) ||
        !couplet_list_read(&images->list, path, error, error_bytes))
        return false;
    const CoupletList *list = &images->list;
    return couplet_listing_of(&images->listing, request->path, (const char *const *)list->files,
                              list->lines, list->count, path, error, error_bytes) &&
           couplet_list_fields(list, path, taken, out, error, error_bytes);
}

static bool open_folder(const CoupletRequest *request, const char *names, Images *images,
                        CoupletTable *out, char *error, size_t error_bytes) {
    if (!couplet_listing_read(&images->listing, request->path, &pictures, error, error_bytes))
        return false;
    images->listing.unlabelled = request->unlabelled;
    return couplet_listing_classes(&images->listing, &pictures, *names ? names : NULL,
                                   &images->classes, error, error_bytes) &&
           couplet_listing_fields(&images->classes, out, error, error_bytes);
}

/* Returns the key of the table. Names of classes and labels are part of it, because they may come
 * from a file that is no row. */
static uint64_t key_of(const Images *images, const CoupletTable *table) {
    const int64_t settings[3] = {COUPLET_PICTURE_VERSION, images->size, images->grey};
    uint64_t key = couplet_hash(couplet_listing_key(&images->listing, COUPLET_HASH_START), settings,
                                sizeof settings);
    for (int f = 0; f < table->field_count; f++) {
        const CoupletField *field = &table->fields[f];
        key = couplet_hash(key, field->name, strlen(field->name));
        for (int64_t c = 0; field->class_names && c < field->classes; c++)
            key = couplet_hash(key, field->class_names[c], strlen(field->class_names[c]));
    }
    size_t bytes = (size_t)images->listing.count * 4;
    for (int level = 0; level < images->classes.levels; level++)
        key = couplet_hash(key, images->classes.label[level], bytes);
    for (int c = 0; c < images->list.column_count; c++) {
        const CoupletListColumn *column = &images->list.columns[c];
        key =
            couplet_hash(key, column->wholes ? (const void *)column->wholes : column->reals, bytes);
    }
    return key;
}

static void free_images(Images *images) {
    couplet_listing_free(&images->listing);
    couplet_listing_classes_free(&images->classes);
    couplet_list_free(&images->list);
    free(images);
}

static void close_images(CoupletTable *table) {
    free_images(table->state);
}

/* Returns the file of the folder that a setting names; "" for new samples without that file. */
static const char *file_of(const CoupletRequest *request, const char *setting) {
    const char *name = couplet_request_text(request, setting);
    char path[COUPLET_PATH_BYTES];
    char ignored[COUPLET_PATH_BYTES + 64];
    if (!request->unlabelled || !*name || !request->path) return name;
    return couplet_listing_join(request->path, name, path, ignored, sizeof ignored) &&
                   access(path, F_OK) == 0
               ? name
               : "";
}

static bool open_images(const CoupletRequest *request, CoupletTable *out, char *error,
                        size_t error_bytes) {
    const char *list = file_of(request, "list");
    const char *names = file_of(request, "names");
    if (!couplet_images_place(request, out, error, error_bytes)) return false;
    if (*list && *names) {
        snprintf(error, error_bytes,
                 "%s: `list` says the classes of files, and `names` those of folders; give one of "
                 "the two",
                 out->name);
        return false;
    }
    Images *images = calloc(1, sizeof *images);
    if (!images) {
        snprintf(error, error_bytes, "%s: out of memory", out->name);
        return false;
    }
    images->size = (int)couplet_request_number(request, "size");
    images->grey = couplet_request_number(request, "grey") != 0;
    bool good = couplet_images_field(out, images->size, images->grey, error, error_bytes) &&
                (*list ? open_list(request, list, images, out, error, error_bytes)
                       : open_folder(request, names, images, out, error, error_bytes));
    if (!good) {
        free_images(images);
        return false;
    }
    out->held = images->listing.count;
    out->changed = images->listing.changed;
    out->key = key_of(images, out);
    out->state = images;
    return true;
}

static bool read_picture(const Images *images, int64_t row, uint8_t *to, char *error,
                         size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    size_t length;
    if (!couplet_listing_path(&images->listing, row, path)) {
        snprintf(error, error_bytes, "%s: the path is longer than %d bytes",
                 images->listing.files[row].path, COUPLET_PATH_BYTES);
        return false;
    }
    uint8_t *bytes =
        couplet_listing_bytes(path, COUPLET_PICTURE_BYTES, &length, error, error_bytes);
    if (!bytes) return false;
    const CoupletPicture picture = {bytes,        length, path,  images->size,
                                    images->grey, to,     error, error_bytes};
    bool good = couplet_picture_read(&picture);
    free(bytes);
    return couplet_listing_same(&images->listing, row, error, error_bytes) && good;
}

static bool read_row(const CoupletTable *table, int64_t row, void *const *fields, char *error,
                     size_t error_bytes) {
    const Images *images = table->state;
    void *const *at = fields + 1;
    for (int level = 0; level < images->classes.levels; level++)
        memcpy(*at++, &images->classes.label[level][row], sizeof(int32_t));
    for (int c = 0; c < images->list.column_count; c++) {
        const CoupletListColumn *column = &images->list.columns[c];
        memcpy(*at++, column->wholes ? (const void *)&column->wholes[row] : &column->reals[row],
               sizeof(int32_t));
    }
    return read_picture(images, row, fields[0], error, error_bytes);
}

static void name_row(const CoupletTable *table, int64_t row, char *out, size_t bytes) {
    const Images *images = table->state;
    char path[COUPLET_PATH_BYTES];
    couplet_listing_path(&images->listing, row, path);
    snprintf(out, bytes, "%s", path);
}

const CoupletReader couplet_reader_images = {.name = "images",
                                             .open = open_images,
                                             .read = read_row,
                                             .name_row = name_row,
                                             .close = close_images};
