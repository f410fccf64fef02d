/* Reads the samples of one channel from a sound file, a given number of them, at a given rate. */
#ifndef COUPLET_RUNTIME_DATA_SOUND_H
#define COUPLET_RUNTIME_DATA_SOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name endings of sound files that are read, and of those that are not. Each list ends with
 * NULL. */
extern const char *const couplet_sound_endings[];
extern const char *const couplet_sound_unread[];

typedef struct CoupletSoundWish {
    int64_t count;  /* the number of samples that are wanted */
    int32_t rate;   /* the rate that is wanted, in samples a second */
    bool is_middle; /* a longer sound is cut at both ends equally; false: at its end */
} CoupletSoundWish;

/* Reads the mean of all channels at the rate that is wished for.
 *   samples  [wish->count]; integers of the file are -1 to 1; zeros follow a shorter sound
 *   length   the number of samples that are the file's, at least 1 and at most wish->count
 * Returns false with a sentence that names the file if it is damaged, cut short or empty, if its
 * format is not read, or if a sample is NaN or infinite. Several threads may read at once. */
bool couplet_sound_read(const char *path, const CoupletSoundWish *wish, float *samples,
                        int32_t *length, char *error, size_t error_bytes);

#endif
