/* Folders and small files of a run. Files are written beside their names and renamed, so that a
 * file that has its name is whole. */
#ifndef COUPLET_RUNTIME_FILES_H
#define COUPLET_RUNTIME_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { COUPLET_PATH_BYTES = 1024 };

/* Makes the folder and those above it. *made, which may be NULL, is the number of them that were
 * not there before. */
bool couplet_folder_make(const char *path, int *made, char *error, size_t error_bytes);
/* Joins "folder/name" into out[COUPLET_PATH_BYTES]. False when it does not fit. */
bool couplet_path_join(const char *folder, const char *name, char *out, char *error,
                       size_t error_bytes);
/* Writes the path from the root of the disk, without links, into out[COUPLET_PATH_BYTES]. False
 * with a sentence, also when there is nothing at the path. */
bool couplet_path_absolute(const char *path, char *out, char *error, size_t error_bytes);

/* Opens PATH.partial for writing; NULL with a sentence, also while another process writes it. Then
 * couplet_file_commit flushes it to the disk and renames it, or couplet_file_drop removes it. */
FILE *couplet_file_begin(const char *path, char *error, size_t error_bytes);
bool couplet_file_commit(const char *path, FILE *file, char *error, size_t error_bytes);
void couplet_file_drop(const char *path, FILE *file);

/* Gives a file another name, in place of what has that name: a hard link, or, where the file system
 * has none, a copy. The file under the first name may then be replaced. */
bool couplet_file_name_also(const char *path, const char *also, char *error, size_t error_bytes);

/* True if the open file is the one that has the name now. A file that is removed or renamed by the
 * process that held its lock keeps its descriptor, but not its name. */
bool couplet_file_has_name(int file, const char *path);

/* Brings the folder of the file to the disk, so that a rename in it outlives a power failure. */
void couplet_folder_sync(const char *path);

bool couplet_text_write(const char *path, const char *text, char *error, size_t error_bytes);
/* Reads a file into malloc'ed memory with a closing 0. NULL with a sentence. */
char *couplet_text_read(const char *path, size_t *length, char *error, size_t error_bytes);

#endif
