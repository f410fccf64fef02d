/* Maps text files of users. What is no UTF-8 is refused with line and column. */
#ifndef COUPLET_RUNTIME_DATA_TEXTFILE_H
#define COUPLET_RUNTIME_DATA_TEXTFILE_H

#include "runtime/data/mapping.h"

typedef struct CoupletTextFile {
    CoupletMapping mapping;
    const char *text; /* behind the byte-order mark, where there is one */
    size_t length;
} CoupletTextFile;

/* Opens a file. Messages call it `name`, and `what` says what it should be: "a CSV table". With
 * `any_bytes`, it need be no UTF-8 and may hold bytes 0. False with a sentence when there is no
 * file, or it is empty, packed, a workbook, or in another encoding. Nothing is then owned. */
bool couplet_textfile_open(const char *path, const char *name, const char *what, bool any_bytes,
                           CoupletTextFile *out, char *error, size_t error_bytes);
void couplet_textfile_close(CoupletTextFile *file);

/* The number of bytes at the beginning that are UTF-8 without bytes 0: all `length`, or those up to
 * the first that is not. */
size_t couplet_utf8_length(const char *text, size_t length);

/* Names of files and folders may hold any bytes, and what is written of them is UTF-8: copies the
 * text to `out` with \xNN in the place of each byte that is none. Returns the length of the copy
 * without its end; `out` may be NULL, and has room for that length and a byte 0 otherwise. */
size_t couplet_utf8_escape(const char *text, char *out);

/* Resolves a path that a setting of a source gives, `like = "train.csv"`. A relative path starts at
 * the folder of the file `source`. False with a sentence. */
bool couplet_path_beside(const char *source, const char *path, char *out, char *error,
                         size_t error_bytes);

#endif
