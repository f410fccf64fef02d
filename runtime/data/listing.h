/* The files of a folder that are samples: pictures, sounds, clips or meshes in class folders, below
 * each other, or side by side.
 *
 * Whatever begins with a full stop is hidden and no sample, and so are folders that systems make.
 * Links are followed; a folder that lies in itself through a link is refused. Files are in the byte
 * order of their paths, so the same folder has the same rows on every machine. */
#ifndef COUPLET_RUNTIME_DATA_LISTING_H
#define COUPLET_RUNTIME_DATA_LISTING_H

#include "runtime/data/reader.h"

/* A kind of file that is a sample, told by the end of its name. Upper and lower case are alike. */
typedef struct CoupletListingKind {
    const char *what;           /* "picture" */
    const char *library;        /* the formats that are read: "JPEG, PNG and WebP" */
    const char *const *endings; /* the endings of samples: ".jpg", ..; NULL ends the list */
    /* Endings of files of the same nature in formats that are not read. Such a file is refused; all
     * other files are passed over. NULL ends the list. */
    const char *const *unread;
    bool has_names; /* the reader has the setting `names` */
} CoupletListingKind;

typedef struct CoupletListedFile {
    char *path;     /* below the root: "cats/01.jpg" */
    uint64_t stamp; /* of its size and times (stamp.h) */
} CoupletListedFile;

typedef struct CoupletListedFolder {
    char *name;    /* the name of a folder directly in the root */
    int64_t files; /* the samples in it and below it */
} CoupletListedFolder;

typedef struct CoupletListing {
    /* The folder as it was given. "": one file was given, and its path is whole. */
    char root[COUPLET_PATH_BYTES];
    CoupletListedFile *files; /* [count], in the byte order of their paths */
    int64_t count;
    CoupletListedFolder *folders; /* [folder_count], in byte order */
    int64_t folder_count;
    int64_t changed; /* the newest time of change among the files (stamp.h) */
    bool unlabelled; /* the files need no class: where some have none, there are no classes */
} CoupletListing;

/* Classes of the files, from their folders. */
typedef struct CoupletListedClasses {
    /* The folders above each file if all files have as many, and 1 if they differ. 0: the files lie
     * in the root, and there are no classes. */
    int levels;
    int32_t **label;  /* [levels][count] */
    char ***name;     /* [levels][classes]: "cats"; on a deeper level "animals/cats" */
    int64_t *classes; /* [levels] */
} CoupletListedClasses;

/* Lists a folder, or one file. False with a sentence when no file is a sample, something cannot be
 * read, or the name of a sample is no file. Nothing is then owned. */
bool couplet_listing_read(CoupletListing *out, const char *root, const CoupletListingKind *kind,
                          char *error, size_t error_bytes);
/* Takes the files that a list names, in its order. Paths are relative to the root
 * (couplet_listing_join). Messages call the list `place`, and lines[i] is the line of path i. */
bool couplet_listing_of(CoupletListing *out, const char *root, const char *const *paths,
                        const int64_t *lines, int64_t count, const char *place, char *error,
                        size_t error_bytes);
void couplet_listing_free(CoupletListing *listing);

/* Joins the root and a path below it. A path that begins with a slash is taken as it is. */
bool couplet_listing_join(const char *root, const char *path, char out[COUPLET_PATH_BYTES],
                          char *error, size_t error_bytes);
/* Writes the path by which messages call a file and it is opened: "photos/cats/01.jpg". */
bool couplet_listing_path(const CoupletListing *listing, int64_t file,
                          char out[COUPLET_PATH_BYTES]);
/* Mixes names and stamps of the files into a key. */
uint64_t couplet_listing_key(const CoupletListing *listing, uint64_t key);

/* Finds the class of each file: the folder in the root that it lies in. Unless `names` is NULL, the
 * text file of this name in the root has the names of the classes in their order, a line each. Else
 * folders are in byte order, and those that are all whole numbers in the order of numbers. False
 * with a sentence when a file lies beside the class folders, a class folder has no sample, or a
 * folder is not in the list. */
bool couplet_listing_classes(const CoupletListing *listing, const CoupletListingKind *kind,
                             const char *names, CoupletListedClasses *out, char *error,
                             size_t error_bytes);
void couplet_listing_classes_free(CoupletListedClasses *classes);
/* Adds the int fields `label`, and `label2`, `label3`, .. of deeper levels, with the names of their
 * classes. */
bool couplet_listing_fields(const CoupletListedClasses *classes, CoupletTable *table, char *error,
                            size_t error_bytes);

/* False with a sentence when the file is no longer the one that was listed. It is asked behind the
 * reading of a file, since the listing's key stands for what was read. */
bool couplet_listing_same(const CoupletListing *listing, int64_t file, char *error,
                          size_t error_bytes);

/* Reads a whole file into malloc'ed memory, *length > 0. NULL with a sentence when it cannot be
 * read, is empty, or has more than `most` bytes. */
uint8_t *couplet_listing_bytes(const char *path, size_t most, size_t *length, char *error,
                               size_t error_bytes);

#endif
