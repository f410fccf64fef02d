/* The folder of packed copies, CACHE/data. A copy is one file,
 *
 *     ASKED-KEY.safetensors
 *
 * with sixteen hexadecimal digits each. ASKED is a hash of the request (reader, path, settings).
 * KEY is a hash of the files (names, sizes and times) and of this layout. The process that holds
 * the lock on ASKED-KEY.safetensors.lock writes ASKED-KEY.safetensors.partial, and renames it when
 * it is complete. The lock ends with the process, however that ends.
 *
 * Three things are removed automatically: a partial file whose maker is gone; a copy of a source
 * that has changed, when the source is packed again; and a copy that was not read for sixty days,
 * when another copy is made. */
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

/* Maps a file. Returns false with a sentence if the file does not exist (errno is ENOENT), or does
 * not have this format. */
bool couplet_mapped_open(const char *path, CoupletMapped *out, char *error, size_t error_bytes);
void couplet_mapped_close(CoupletMapped *mapped);

/* ---- the folder ------------------------------------------------------------------------------ */

/* Writes CACHE/data into out[COUPLET_PATH_BYTES]. The folder need not exist. */
bool couplet_copies_folder(char *out, char *error, size_t error_bytes);
/* Writes the path of the copy in the folder. */
bool couplet_copy_path(const char *folder, uint64_t asked, uint64_t key, char *out, char *error,
                       size_t error_bytes);

/* Removes what is removed automatically. `path` is the copy that is about to be made, which stays,
 * while older copies for the same ASKED go. NULL: none is about to be made. */
void couplet_copies_tidy(const char *folder, const char *path);

/* The wait of a process for another one. */
typedef struct CoupletCopyWait {
    const char *name;                                  /* the source's name, for the sentence */
    void (*said)(void *context, const char *sentence); /* NULL: nobody is told */
    void *context;
    const volatile sig_atomic_t *stop; /* NULL: no signal ends the wait */
} CoupletCopyWait;

/* Takes the lock of a copy, and waits while another process has it. Returns a descriptor for
 * couplet_copy_unlock, or -1 with a sentence. */
int couplet_copy_lock(const char *path, const CoupletCopyWait *wait, char *error,
                      size_t error_bytes);
void couplet_copy_unlock(const char *path, int lock);

/* ---- what is there --------------------------------------------------------------------------- */

typedef struct CoupletPackedCopy {
    char path[COUPLET_PATH_BYTES];
    char source[COUPLET_PATH_BYTES]; /* the path of the source */
    char reader[64];
    bool whole;      /* false: the copy is being made, or cannot be read */
    bool has_source; /* true if the source still exists */
    int64_t rows;
    int64_t bytes;
    int64_t used; /* the time of the last reading, in seconds since 1970 */
} CoupletPackedCopy;

/* Lists every copy in the folder, sorted by path, in memory from malloc. A missing folder has none.
 * Returns false if memory is out. */
bool couplet_copies_list(const char *folder, CoupletPackedCopy **out, int *count);
/* Removes a copy. A process that has it mapped can go on reading it. Returns false with a sentence,
 * also while the copy is being made. */
bool couplet_copy_remove(const CoupletPackedCopy *copy, char *error, size_t error_bytes);

#endif
