/* The readers of the module `images`, for folders and archives of pictures. */
#ifndef COUPLET_RUNTIME_DATA_IMAGES_H
#define COUPLET_RUNTIME_DATA_IMAGES_H

#include "runtime/data/reader.h"

/* A part of the key of packed copies, to be raised when the same file gives other bytes. */
enum { COUPLET_PICTURE_VERSION = 1 };

extern const CoupletReader couplet_reader_images, couplet_reader_shards;

/* Fills in the table's name and path from the request. */
bool couplet_images_place(const CoupletRequest *request, CoupletTable *table, char *error,
                          size_t error_bytes);
/* Adds the field `image`, u8[3, size, size], or u8[1, size, size] if grey. */
bool couplet_images_field(CoupletTable *table, int size, bool grey, char *error,
                          size_t error_bytes);

#endif
