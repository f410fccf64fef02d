/* The files and folders that `use` names by their paths: where they lie, and where a run keeps its
 * copies.
 *
 * A path begins in the folder in which the file that says `use` really lies. So a module means the
 * same wherever it is used from, even through a symbolic link. Two uses are of one module if they
 * lead to the same file, whatever their paths are. */
#ifndef COUPLET_DRIVER_USES_H
#define COUPLET_DRIVER_USES_H

#include "lang/ast.h"

/* The files found so far in one check. Must be zero at the start. */
typedef struct FoundFiles {
    ARRAY(struct FoundFile *) items;
} FoundFiles;

/* Serves as CheckHooks.files, with the FoundFiles as its context. */
const UsedFiles *uses_find(FoundFiles *found, Arena *arena, const Source *from, const char *path,
                           const char **sentence, const char **help);
/* Finds the spec itself, a file or a folder, so that a module that uses the spec is noticed.
 * Returns NULL for a text without a file. */
const UsedFiles *uses_of_spec(FoundFiles *found, Arena *arena, const char *path);

/* A file of a method, and its place in a copy of the method: "spec.cpl", "spec/parts/heads.cpl". */
typedef struct KeptFile {
    const Source *source;
    const char *name;
} KeptFile;

typedef struct KeptFiles {
    /* the file of the spec, or the folder of its files, from which a copy is compiled */
    const char *main;
    ARRAY(KeptFile) items;
} KeptFiles;

/* Decides where a copy of the method keeps each of its files, so that every `use` in the copy finds
 * the same file as here. Returns false after a message if two files would have one place. */
bool uses_keep(Arena *arena, Diag *diag, const Method *method, KeptFiles *out);

#endif
