/* The files of a folder that are samples: pictures, sounds, clips or meshes, in class folders,
 * nested or side by side.
 *
 * Files and folders whose names begin with a full stop are hidden, and are no samples; neither are
 * folders that systems make. Links are followed, and a folder that contains itself through a link
 * is refused. Files are in the byte order of their paths, so the same folder has the same rows on
 * every machine. */
#ifndef COUPLET_RUNTIME_DATA_LISTING_H
#define COUPLET_RUNTIME_DATA_LISTING_H

#include "runtime/data/reader.h"

/* A kind of file that is a sample, by the ending of its name, in upper or lower case. */
typedef struct CoupletListingKind {
    const char *what;    /* the word for messages, such as "picture" */
    const char *library; /* the formats that are read, such as "JPEG, PNG and WebP" */
    /* The endings of samples, such as ".jpg"; the list ends with NULL. */
    const char *const *endings;
    /* The endings of similar files in formats that are not read. Such a file is refused, while all
     * other files are ignored. The list ends with NULL. */
    const char *const *unread;
    bool has_names; /* true if the reader has the setting `names` */
} CoupletListingKind;

typedef struct CoupletListedFile {
    char *path;     /* the path below the root, such as "cats/01.jpg" */
    uint64_t stamp; /* the stamp of its size and times (stamp.h) */
} CoupletListedFile;

typedef struct CoupletListedFolder {
    char *name;    /* the name of a folder directly in the root */
    int64_t files; /* the number of samples in it and below it */
} CoupletListedFolder;

typedef struct CoupletListing {
    /* The folder as it was given. "": a single file was given, and its path is complete. */
    char root[COUPLET_PATH_BYTES];
    CoupletListedFile *files; /* [count], in the byte order of their paths */
    int64_t count;
    CoupletListedFolder *folders; /* [folder_count], in byte order */
    int64_t folder_count;
    int64_t changed; /* the latest change among the files (stamp.h) */
    bool unlabelled; /* the files need no class: if some have none, there are no classes */
} CoupletListing;

/* The classes of the files, by their folders. */
typedef struct CoupletListedClasses {
    /* The number of folders above each file, if all files have as many, or 1 if they differ. 0: the
     * files lie in the root, and there are no classes. */
    int levels;
    int32_t **label;  /* [levels][count] */
    char ***name;     /* [levels][classes], as in "cats", and on a deeper level "animals/cats" */
    int64_t *classes; /* [levels] */
} CoupletListedClasses;

/* Lists a folder, or one file. Returns false with a sentence if no file is a sample, if something
 * cannot be read, or if what has the name of a sample is no file. There is then nothing to free. */
bool couplet_listing_read(CoupletListing *out, const char *root, const CoupletListingKind *kind,
                          char *error, size_t error_bytes);
/* Takes the files that a list names, in its order. Paths are relative to the root
 * (couplet_listing_join). `place` is the list's name for messages, and lines[i] is the line of path
 * i. */
bool couplet_listing_of(CoupletListing *out, const char *root, const char *const *paths,
                        const int64_t *lines, int64_t count, const char *place, char *error,
                        size_t error_bytes);
void couplet_listing_free(CoupletListing *listing);

/* Joins the root and a path below it. A path that begins with a slash is taken as it is. */
bool couplet_listing_join(const char *root, const char *path, char out[COUPLET_PATH_BYTES],
                          char *error, size_t error_bytes);
/* Writes the path that opens a file, and that names it in messages, such as
 * "photos/cats/01.jpg". */
bool couplet_listing_path(const CoupletListing *listing, int64_t file,
                          char out[COUPLET_PATH_BYTES]);
/* Mixes names and stamps of the files into a key. */
uint64_t couplet_listing_key(const CoupletListing *listing, uint64_t key);

/* Finds the class of each file, which is the folder in the root that contains it. If `names` is not
 * NULL, the text file of this name in the root has the names of the classes in their order, a line
 * each. Otherwise folders are in byte order, or in the order of numbers if all names are whole
 * numbers. Returns false with a sentence if a file lies beside the class folders, if a class folder
 * has no sample, or if a folder is not in the list. */
bool couplet_listing_classes(const CoupletListing *listing, const CoupletListingKind *kind,
                             const char *names, CoupletListedClasses *out, char *error,
                             size_t error_bytes);
void couplet_listing_classes_free(CoupletListedClasses *classes);
/* Adds the int field `label`, and `label2`, `label3` and so on for deeper levels, with the names of
 * their classes. */
bool couplet_listing_fields(const CoupletListedClasses *classes, CoupletTable *table, char *error,
                            size_t error_bytes);

/* Returns false with a sentence if the file has changed since it was listed. Readers ask after they
 * have read a file, because the listing's key must stand for the bytes that were read. */
bool couplet_listing_same(const CoupletListing *listing, int64_t file, char *error,
                          size_t error_bytes);

/* Reads a whole file into memory from malloc; *length is above 0. Returns NULL with a sentence if
 * it cannot be read, is empty, or has more than `most` bytes. */
uint8_t *couplet_listing_bytes(const char *path, size_t most, size_t *length, char *error,
                               size_t error_bytes);

#endif
