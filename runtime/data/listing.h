/* The files of a folder that are samples: pictures, sounds, clips or meshes in class folders, below each other, or side by side.
 *
 * Whatever begins with a full stop is hidden and no sample. Links are followed; a folder that lies in itself through a link is refused. Files are in the byte order
 * of their paths, so the same folder has the same rows on every machine. */
#ifndef COUPLET_RUNTIME_DATA_LISTING_H
#define COUPLET_RUNTIME_DATA_LISTING_H

#include "runtime/data/reader.h"

/* Which files are samples, by the ends of their names; upper and lower case are alike. */
typedef struct CoupletListingKind {
    const char *what;             /* "picture" */
    const char *library;          /* what is read of them: "JPEG, PNG and WebP" */
    const char *const *endings;   /* of samples: ".jpg", ..; NULL ends the list */
    const char *const *unread;    /* of files of the same nature in formats that are not read: such a file is refused. NULL ends the list. All others are passed over */
} CoupletListingKind;

typedef struct CoupletListedFile {
    char *path;      /* below the root: "cats/01.jpg" */
    int64_t bytes;
    int64_t time_ns; /* of its last change */
} CoupletListedFile;

typedef struct CoupletListedFolder {
    char *name;     /* directly in the root */
    int64_t files;  /* samples in it and below it */
} CoupletListedFolder;

typedef struct CoupletListing {
    char root[COUPLET_PATH_BYTES];  /* as it was given; "" where one file was given, whose path is then whole */
    CoupletListedFile *files;       /* [count], in the byte order of their paths */
    int64_t count;
    CoupletListedFolder *folders;   /* [folder_count], in byte order */
    int64_t folder_count;
} CoupletListing;

/* Classes of the files, from their folders. */
typedef struct CoupletListedClasses {
    int levels;      /* folders above each file where all have as many, and 1 where they differ; 0: the files lie in the root, and there are no classes */
    int32_t **label; /* [levels][count] */
    char ***name;    /* [levels][classes]: "cats"; of a deeper level with the folders above it, "animals/cats" */
    int64_t *classes; /* [levels] */
} CoupletListedClasses;

/* Lists a folder, or one file. False with a sentence, and nothing is then owned: no file is a sample, something cannot be read, or the name of a sample is no file. */
bool couplet_listing_read(CoupletListing *out, const char *root, const CoupletListingKind *kind, char *error, size_t error_bytes);
/* The files that a list names, in its order: the paths are relative to the root (couplet_listing_join). `place` is the list's for messages; `lines[i]` the line of path i. */
bool couplet_listing_of(CoupletListing *out, const char *root, const char *const *paths, const int64_t *lines, int64_t count, const char *place, char *error,
                        size_t error_bytes);
void couplet_listing_free(CoupletListing *listing);

/* A path below the root, or from the root of the disk where it begins with a slash. */
bool couplet_listing_join(const char *root, const char *path, char out[COUPLET_PATH_BYTES], char *error, size_t error_bytes);
/* "photos/cats/01.jpg": as messages call the file, and as it is opened. */
bool couplet_listing_path(const CoupletListing *listing, int64_t file, char out[COUPLET_PATH_BYTES]);
/* Mixes names, sizes and times of the files into a key. */
uint64_t couplet_listing_key(const CoupletListing *listing, uint64_t key);

/* The class of each file: the folder in the root that it lies in. Where `names` is not NULL, the text file of this name in the root has the names of the classes in
 * their order, a line each; without it the order is the byte order of the folders. False with a sentence: a file lies beside the class folders, a class folder has
 * no sample, or a folder is not in the list. */
bool couplet_listing_classes(const CoupletListing *listing, const CoupletListingKind *kind, const char *names, CoupletListedClasses *out, char *error, size_t error_bytes);
void couplet_listing_classes_free(CoupletListedClasses *classes);
/* Adds the int fields `label`, and `label2`, `label3`, .. of deeper levels, with the names of their classes. */
bool couplet_listing_fields(const CoupletListedClasses *classes, CoupletTable *table, char *error, size_t error_bytes);

/* A whole file in memory: malloc'ed, *length > 0. NULL with a sentence: it cannot be read, is empty, or has more than `most` bytes. */
uint8_t *couplet_listing_bytes(const char *path, size_t most, size_t *length, char *error, size_t error_bytes);

#endif
