/* Computes which frames of a video make a clip. No decoder takes part, so that tests can use
 * made-up times. Times of a video may be near 2^63, so products are taken in 128 bits. */
#include "runtime/data/clip.h"

/* Returns floor(a * b / c) for a, b >= 0 and c > 0. */
static int64_t scaled_time(int64_t a, int64_t b, int64_t c) {
    return (int64_t)((__int128)a * b / c);
}

/* Returns the last frame that is shown at or before `time`, or the first frame. */
static int64_t shown_at(const int64_t *times, int64_t count, int64_t time) {
    int64_t low = 0;
    int64_t high = count - 1;
    while (low < high) {
        const int64_t middle = high - (high - low) / 2;
        if (times[middle] <= time)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Returns the frame that is shown in the middle of part `part` of `parts` equal parts of the
 * time. */
static int64_t middle_of(const int64_t *times, int64_t count, int64_t end, int64_t part,
                         int64_t parts) {
    const int64_t length = (int64_t)((uint64_t)end - (uint64_t)times[0]);
    return shown_at(times, count, times[0] + scaled_time(length, 2 * part + 1, 2 * parts));
}

void couplet_clip_choose(const int64_t *times, int64_t count, int64_t end,
                         const CoupletClipWish *wish, int64_t *chosen) {
    const int64_t frames = wish->frames;
    const int64_t reach = (frames - 1) * wish->every;
    if (!wish->every) {
        for (int64_t i = 0; i < frames; i++)
            chosen[i] = middle_of(times, count, end, wish->clip * frames + i, wish->clips * frames);
        return;
    }
    int64_t first = middle_of(times, count, end, wish->clip, wish->clips) - reach / 2;
    if (first > count - 1 - reach) first = count - 1 - reach;
    if (first < 0) first = 0;
    for (int64_t i = 0; i < frames; i++) {
        const int64_t frame = first + i * wish->every;
        chosen[i] = frame < count ? frame : count - 1;
    }
}
