/* The folder of packed copies, CACHE/data. A copy is one file,
 *
 *     ASKED-KEY.safetensors
 *
 * with sixteen hexadecimal digits each: what was asked for (reader, path, settings), and of what (names, sizes and times of its files, and this layout). It is written as
 * ASKED-KEY.safetensors.partial by the process that holds the lock on ASKED-KEY.safetensors.lock, and renamed when it is whole; the lock ends with the process, however
 * that ends.
 *
 * What goes without being asked: a partial file whose maker is gone; a copy of a source that has changed since, when it is packed again; and a copy that nobody has read
 * for sixty days, when another one is made. */
#ifndef COUPLET_RUNTIME_DATA_COPIES_H
#define COUPLET_RUNTIME_DATA_COPIES_H

#include "runtime/files.h"
#include "runtime/safetensors.h"

#include <signal.h>

/* A file that is mapped to read. */
typedef struct CoupletMapped {
    const void *bytes;
    size_t length;
    CoupletTensorFile file; /* its arrays, in the mapped bytes */
} CoupletMapped;

/* False with a sentence: the file is not there (errno is ENOENT), or is none of this format. */
bool couplet_mapped_open(const char *path, CoupletMapped *out, char *error, size_t error_bytes);
void couplet_mapped_close(CoupletMapped *mapped);

/* ---- the folder --------------------------------------------------------------------------------------------------------- */

/* CACHE/data into out[COUPLET_PATH_BYTES]; it need not be there. */
bool couplet_copies_folder(char *out, char *error, size_t error_bytes);
/* The path of the copy in the folder. */
bool couplet_copy_path(const char *folder, uint64_t asked, uint64_t key, char *out, char *error, size_t error_bytes);

/* Removes what goes without being asked. `path` is the copy that is about to be made: older copies of what it was asked for go, and itself not. NULL: none is. */
void couplet_copies_tidy(const char *folder, const char *path);

/* Whoever waits for another process. */
typedef struct CoupletCopyWait {
    const char *name; /* of the source, for the sentence */
    void (*said)(void *context, const char *sentence); /* NULL: nobody is told */
    void *context;
    const volatile sig_atomic_t *stop; /* NULL: nothing ends it */
} CoupletCopyWait;

/* Holds the lock of a copy; waits while another process has it. A descriptor for couplet_copy_unlock; -1 with a sentence. */
int couplet_copy_lock(const char *path, const CoupletCopyWait *wait, char *error, size_t error_bytes);
void couplet_copy_unlock(const char *path, int lock);

/* ---- what is there ------------------------------------------------------------------------------------------------------ */

typedef struct CoupletPackedCopy {
    char path[COUPLET_PATH_BYTES];
    char source[COUPLET_PATH_BYTES]; /* the path of what was packed */
    char reader[64];
    bool whole;     /* false: it is being made, or cannot be read */
    bool has_source; /* the source is still there */
    int64_t rows, bytes;
    int64_t used;   /* seconds since 1970 when it was last read */
} CoupletPackedCopy;

/* Every copy in the folder, by path; *out is malloc'ed. A folder that is not there has none. False when memory is out. */
bool couplet_copies_list(const char *folder, CoupletPackedCopy **out, int *count);
/* Removes it; who has it mapped keeps what is mapped. False with a sentence, also while it is being made. */
bool couplet_copy_remove(const CoupletPackedCopy *copy, char *error, size_t error_bytes);

#endif
