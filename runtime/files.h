/* Folders and small files of a run. A file is written beside its name and then renamed, so a file
 * with its final name is complete. */
#ifndef COUPLET_RUNTIME_FILES_H
#define COUPLET_RUNTIME_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { COUPLET_PATH_BYTES = 1024 };

/* Makes the folder, and the folders above it. *made is the number of new folders; `made` may be
 * NULL. */
bool couplet_folder_make(const char *path, int *made, char *error, size_t error_bytes);
/* Joins "folder/name" into out[COUPLET_PATH_BYTES]. Returns false if it does not fit. */
bool couplet_path_join(const char *folder, const char *name, char *out, char *error,
                       size_t error_bytes);
/* Writes the path from the root, without links, into out[COUPLET_PATH_BYTES]. Returns false with a
 * sentence, also if nothing is at the path. */
bool couplet_path_absolute(const char *path, char *out, char *error, size_t error_bytes);

/* Opens PATH.partial for writing. Returns NULL with a sentence, also while another process writes
 * it. Afterwards couplet_file_commit flushes the file to the disk and renames it, or
 * couplet_file_drop removes it. */
FILE *couplet_file_begin(const char *path, char *error, size_t error_bytes);
bool couplet_file_commit(const char *path, FILE *file, char *error, size_t error_bytes);
/* Copies a file that was made elsewhere, with its permissions, to a path where others look for it.
 * What was there stays until the copy is whole. */
bool couplet_file_put(const char *made, const char *path, char *error, size_t error_bytes);
void couplet_file_drop(const char *path, FILE *file);

/* Gives a file a second name, which replaces whatever has that name. It is a hard link, or a copy
 * on file systems without links. The file under the first name may be replaced later. */
bool couplet_file_name_also(const char *path, const char *also, char *error, size_t error_bytes);

/* True if the open file is the one that has the name now. A file that is removed or renamed by the
 * process that held its lock keeps its descriptor, but not its name. */
bool couplet_file_has_name(int file, const char *path);

/* Writes the folder of the file to the disk, so that a rename in it survives a power failure. */
void couplet_folder_sync(const char *path);

bool couplet_text_write(const char *path, const char *text, char *error, size_t error_bytes);
/* Reads a file into memory from malloc, with a NUL behind it. Returns NULL with a sentence. */
char *couplet_text_read(const char *path, size_t *length, char *error, size_t error_bytes);

#endif
