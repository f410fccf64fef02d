/* Where the sources of a program lie: what the spec says, and what --data says instead. */
#ifndef COUPLET_RUNTIME_DATA_PLACE_H
#define COUPLET_RUNTIME_DATA_PLACE_H

#include "runtime/data/table.h"
#include "runtime/safetensors.h"

typedef struct CoupletPlaces {
    const char *spec;         /* the file whose folder relative paths of the spec start from; NULL: the current folder */
    const char *const *given; /* what --data says, each time: a folder that relative paths start from, "photos", or the place of one source, "train=photos/a" */
    int given_count;
    const char *const *was; /* where the record of a run says that its sources lay, "train=/photos/a": for those that --data does not place */
    int was_count;
    /* The checkpoint of that run, which keeps the names of classes, and the codes of words for what
     * --data places; NULL: nothing is kept. It outlives the tables' opening. */
    const CoupletTensorFile *kept;
} CoupletPlaces;

/* False with a sentence when there are two folders, two places for one source, or a place for a source that is none. */
bool couplet_places_fit(const CoupletPlaces *places, const CoupletSource *sources, int count, char *error, size_t error_bytes);

/* What a source is opened from; `path` has room for the text that the request points to, the rest is the source's. For readers of a split, the path is the folder
 * that is given, or NULL. False with a sentence when the path is too long. `places` may be NULL: nothing is given. */
bool couplet_place_request(const CoupletPlaces *places, const CoupletSource *source, char path[COUPLET_PATH_BYTES], CoupletRequest *out, char *error, size_t error_bytes);

#endif
