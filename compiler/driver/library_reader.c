/* Reads modules of the embedded library. The function has a file of its own because the fuzz target
 * links no more of the driver than this. */
#include "compiler/driver/load.h"

#include <string.h>

const Source *library_read(void *context, Arena *arena, const char *name, int part) {
    (void)context;
    for (const LibraryFile *file = library_files; file->module; file++) {
        if (strcmp(file->module, name) != 0 || part-- > 0) continue;
        Source *source = arena_new_of(arena, Source);
        source->path = file->path;
        source->text = file->text;
        source->length = file->length;
        return source;
    }
    return NULL;
}
