/* Maps text files of users. Bytes that are not UTF-8 are refused, with line and column. */
#ifndef COUPLET_RUNTIME_DATA_TEXTFILE_H
#define COUPLET_RUNTIME_DATA_TEXTFILE_H

#include "runtime/data/mapping.h"

typedef struct CoupletTextFile {
    CoupletMapping mapping;
    const char *text; /* the text behind the byte-order mark, if there is one */
    size_t length;
} CoupletTextFile;

/* Opens a file. `name` is the name for messages, and `what` is what the file should be, such as "a
 * CSV table". With `any_bytes`, it need not be UTF-8 and may hold bytes 0. Returns false with a
 * sentence if there is no file, or if it is empty, packed, a workbook, or in another encoding.
 * There is then nothing to free. */
bool couplet_textfile_open(const char *path, const char *name, const char *what, bool any_bytes,
                           CoupletTextFile *out, char *error, size_t error_bytes);
void couplet_textfile_close(CoupletTextFile *file);

/* Returns the number of bytes at the beginning that are UTF-8 without bytes 0, which is `length` if
 * all are. */
size_t couplet_utf8_length(const char *text, size_t length);

/* Writes the text with each byte that is not UTF-8 as \xNN, to `out` unless that is NULL. Returns
 * the length of what is written, without the final NUL. */
size_t couplet_utf8_escape(const char *text, char *out);

/* Resolves a path in a setting of a source, such as `like = "train.csv"`. A relative path starts at
 * the folder of the file `source`. Returns false with a sentence if the result is too long. */
bool couplet_path_beside(const char *source, const char *path, char *out, char *error,
                         size_t error_bytes);

#endif
