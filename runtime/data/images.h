/* The readers of the module `images`: folders of pictures and archives of them. */
#ifndef COUPLET_RUNTIME_DATA_IMAGES_H
#define COUPLET_RUNTIME_DATA_IMAGES_H

#include "runtime/data/reader.h"

/* Belongs to the key of packed copies: raised when the same file gives other bytes. */
enum { COUPLET_PICTURE_VERSION = 1 };

extern const CoupletReader couplet_reader_images, couplet_reader_shards;

/* Fills the table's name and path from the request. */
bool couplet_images_place(const CoupletRequest *request, CoupletTable *table, char *error, size_t error_bytes);
/* The path that rows are named by: as it was given, so that messages are short. A path that is too long for the table's name is the one from the root of the disk. In
 * either case `part = ..` of a source can leave it out of the names of rows. */
const char *couplet_images_root(const CoupletRequest *request, const CoupletTable *table);
/* Adds the field `image`, u8[3, size, size], or u8[1, size, size] when grey. */
bool couplet_images_field(CoupletTable *table, int size, bool grey, char *error, size_t error_bytes);

#endif
