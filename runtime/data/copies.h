/* The folder of packed copies, CACHE/data. A copy is one file,
 *
 *     ASKED-KEY.safetensors
 *
 * with sixteen hexadecimal digits each. ASKED says what was asked for (reader, path, settings). KEY
 * says of what (names, sizes and times of the files, and this layout). The process that holds the
 * lock on ASKED-KEY.safetensors.lock writes ASKED-KEY.safetensors.partial and renames it when it is
 * whole. The lock ends with the process, however that ends.
 *
 * Three things are removed without being asked: a partial file whose maker is gone; a copy of a
 * source that has changed, when the source is packed again; and a copy that nobody has read for
 * sixty days, when another one is made. */
#ifndef COUPLET_RUNTIME_DATA_COPIES_H
#define COUPLET_RUNTIME_DATA_COPIES_H

#include "runtime/files.h"
#include "runtime/safetensors.h"

#include <signal.h>

/* A file that is mapped to read. */
typedef struct CoupletMapped {
    const void *bytes;
    size_t length;
    CoupletTensorFile file; /* the arrays of the copy, in the mapped bytes */
} CoupletMapped;

/* Maps a file. False with a sentence when the file is not there (errno is ENOENT), or is none of
 * this format. */
bool couplet_mapped_open(const char *path, CoupletMapped *out, char *error, size_t error_bytes);
void couplet_mapped_close(CoupletMapped *mapped);

/* ---- the folder ------------------------------------------------------------------------------ */

/* Writes CACHE/data into out[COUPLET_PATH_BYTES]. The folder need not be there. */
bool couplet_copies_folder(char *out, char *error, size_t error_bytes);
/* Writes the path of the copy in the folder. */
bool couplet_copy_path(const char *folder, uint64_t asked, uint64_t key, char *out, char *error,
                       size_t error_bytes);

/* Removes what goes without being asked. `path` is the copy that is about to be made: older copies
 * for the same ASKED go, and it does not. NULL: none is about to be made. */
void couplet_copies_tidy(const char *folder, const char *path);

/* The state of a process that waits for another one. */
typedef struct CoupletCopyWait {
    const char *name;                                  /* the source's name, for the sentence */
    void (*said)(void *context, const char *sentence); /* NULL: nobody is told */
    void *context;
    const volatile sig_atomic_t *stop; /* NULL: nothing ends it */
} CoupletCopyWait;

/* Takes the lock of a copy, and waits while another process has it. Returns a descriptor for
 * couplet_copy_unlock; -1 with a sentence. */
int couplet_copy_lock(const char *path, const CoupletCopyWait *wait, char *error,
                      size_t error_bytes);
void couplet_copy_unlock(const char *path, int lock);

/* ---- what is there --------------------------------------------------------------------------- */

typedef struct CoupletPackedCopy {
    char path[COUPLET_PATH_BYTES];
    char source[COUPLET_PATH_BYTES]; /* the path of what was packed */
    char reader[64];
    bool whole;      /* false: it is being made, or cannot be read */
    bool has_source; /* the source is still there */
    int64_t rows, bytes;
    int64_t used; /* when it was last read, in seconds since 1970 */
} CoupletPackedCopy;

/* Lists every copy in the folder, by path, in malloc'ed memory. A folder that is not there has
 * none. False when memory is out. */
bool couplet_copies_list(const char *folder, CoupletPackedCopy **out, int *count);
/* Removes a copy. A process that has it mapped keeps what is mapped. False with a sentence, also
 * while the copy is being made. */
bool couplet_copy_remove(const CoupletPackedCopy *copy, char *error, size_t error_bytes);

#endif
