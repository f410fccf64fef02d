/* The files and folders that `use` names by their paths: where they lie, and where a run keeps its
 * copies of them.
 *
 * A path begins in the folder in which the file that says so really lies, so that a module means
 * the same wherever it is used from, by a symbolic link too. The file itself, and no path, tells
 * whether two uses are of one module. */
#ifndef COUPLET_DRIVER_USES_H
#define COUPLET_DRIVER_USES_H

#include "lang/ast.h"

/* What was found so far. Zero it to begin; one serves one check. */
typedef struct FoundFiles {
    ARRAY(struct FoundFile *) items;
} FoundFiles;

/* CheckHooks.files, with the FoundFiles as its context. */
const UsedFiles *uses_find(FoundFiles *found, Arena *arena, const Source *from, const char *path,
                           const char **sentence, const char **help);
/* The spec itself, a file or a folder, so that a module that uses it is found to use itself. NULL
 * for a text that lies nowhere. */
const UsedFiles *uses_of_spec(FoundFiles *found, Arena *arena, const char *path);

/* A file of a method, and where a copy of the method has it: "spec.cpl", "spec/parts/heads.cpl". */
typedef struct KeptFile {
    const Source *source;
    const char *name;
} KeptFile;

typedef struct KeptFiles {
    /* of the spec the file, or the folder of its files: what a copy is compiled from */
    const char *main;
    ARRAY(KeptFile) items;
} KeptFiles;

/* Where a copy of the method keeps each of its files, so that every `use` finds in the copy what it
 * found here. False after a message, where two files would lie at one place. */
bool uses_keep(Arena *arena, Diag *diag, const Method *method, KeptFiles *out);

#endif
