/* The paths of a program's sources: those in the spec, and those that --data gives instead. */
#ifndef COUPLET_RUNTIME_DATA_PLACE_H
#define COUPLET_RUNTIME_DATA_PLACE_H

#include "runtime/data/table.h"
#include "runtime/safetensors.h"

typedef struct CoupletPlaces {
    /* The file of the spec, from whose folder relative paths start. NULL: they start from the
     * current folder. */
    const char *spec;
    /* Each --data: a folder from which relative paths start ("photos"), or the place of one source
     * ("train=photos/a"). */
    const char *const *given;
    int given_count;
    /* The paths in the record of a run, such as "train=/photos/a". They hold for sources that
     * --data does not place. */
    const char *const *was;
    int was_count;
    /* The checkpoint of that run, which keeps the names of classes, and the codes of words for
     * sources that --data places. NULL: nothing is kept. It must live until the tables are
     * opened. */
    const CoupletTensorFile *kept;
} CoupletPlaces;

/* Returns false with a sentence if there are two folders, two places for one source, or a place for
 * a source that does not exist. */
bool couplet_places_fit(const CoupletPlaces *places, const CoupletSource *sources, int count,
                        char *error, size_t error_bytes);

/* Returns the path in the spec, starting from the folder of --data or from that of the spec.
 * Returns false with a sentence if it is too long. */
bool couplet_place_path(const CoupletPlaces *places, const char *written,
                        char out[COUPLET_PATH_BYTES], char *error, size_t error_bytes);
/* Makes the request with which a source is opened. `path` has room for the text that the request
 * points to; the source owns everything else. For readers of a split, the path is the folder that
 * is given, or NULL. `places` may be NULL, if nothing is given. Returns false with a sentence if
 * the path is too long. */
bool couplet_place_request(const CoupletPlaces *places, const CoupletSource *source,
                           char path[COUPLET_PATH_BYTES], CoupletRequest *out, char *error,
                           size_t error_bytes);

#endif
