/* The only exported function of libcouplet_images.so. It finds the reader of a folder of pictures,
 * or that of tar shards, by name. For another version of the interface it returns NULL. */
#include "runtime/data/images.h"

#include <string.h>

__attribute__((visibility("default"))) const CoupletReader *couplet_reader_module(const char *name,
                                                                                  int version);

const CoupletReader *couplet_reader_module(const char *name, int version) {
    static const CoupletReader *const readers[] = {&couplet_reader_images, &couplet_reader_shards};
    if (version != COUPLET_READER_VERSION) return NULL;
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (strcmp(readers[i]->name, name) == 0) return readers[i];
    return NULL;
}
