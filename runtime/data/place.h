/* The paths of a program's sources: those in the spec, and those that --data gives instead. */
#ifndef COUPLET_RUNTIME_DATA_PLACE_H
#define COUPLET_RUNTIME_DATA_PLACE_H

#include "runtime/data/table.h"
#include "runtime/safetensors.h"

typedef struct CoupletPlaces {
    /* The file of the spec. Relative paths start from its folder; NULL: from the current folder. */
    const char *spec;
    /* Each --data: a folder that relative paths start from, "photos", or the place of one source,
     * "train=photos/a". */
    const char *const *given;
    int given_count;
    /* The paths in the record of a run, "train=/photos/a". They hold for the sources that --data
     * does not place. */
    const char *const *was;
    int was_count;
    /* The checkpoint of that run, which keeps the names of classes, and the codes of words for what
     * --data places; NULL: nothing is kept. It outlives the tables' opening. */
    const CoupletTensorFile *kept;
} CoupletPlaces;

/* False with a sentence when there are two folders, two places for one source, or a place for a
 * source that is none. */
bool couplet_places_fit(const CoupletPlaces *places, const CoupletSource *sources, int count,
                        char *error, size_t error_bytes);

/* The path that the spec writes, from the folder of --data or from that of the spec. False with a
 * sentence when it is too long. */
bool couplet_place_path(const CoupletPlaces *places, const char *written,
                        char out[COUPLET_PATH_BYTES], char *error, size_t error_bytes);
/* Makes the request that a source is opened from. `path` has room for the text that the request
 * points to; all else that it points to belongs to the source. For readers of a split, the path is
 * the folder that is given, or NULL. `places` may be NULL: nothing is given. False with a sentence
 * when the path is too long. */
bool couplet_place_request(const CoupletPlaces *places, const CoupletSource *source,
                           char path[COUPLET_PATH_BYTES], CoupletRequest *out, char *error,
                           size_t error_bytes);

#endif
