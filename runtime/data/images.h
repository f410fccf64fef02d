/* The readers of the module `images`: folders of pictures and archives of them. */
#ifndef COUPLET_RUNTIME_DATA_IMAGES_H
#define COUPLET_RUNTIME_DATA_IMAGES_H

#include "runtime/data/reader.h"

/* Part of the key of packed copies. It is raised when the same file gives other bytes. */
enum { COUPLET_PICTURE_VERSION = 1 };

extern const CoupletReader couplet_reader_images, couplet_reader_shards;

/* Fills the table's name and path from the request. */
bool couplet_images_place(const CoupletRequest *request, CoupletTable *table, char *error,
                          size_t error_bytes);
/* Adds the field `image`, u8[3, size, size], or u8[1, size, size] when grey. */
bool couplet_images_field(CoupletTable *table, int size, bool grey, char *error,
                          size_t error_bytes);

#endif
