/* Clips of videos: which frames make a clip, and the frames of a video file. */
#ifndef COUPLET_RUNTIME_DATA_CLIP_H
#define COUPLET_RUNTIME_DATA_CLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of the key of packed copies, to be raised when the same video gives other bytes. */
enum { COUPLET_CLIP_VERSION = 1 };

typedef struct CoupletClipWish {
    int frames; /* the number of frames in a clip */
    int size;   /* the pixels of a side */
    /* The step from one frame of a clip to the next, in frames. 0: frames are spread over the
     * clip's share. */
    int every;
    int clips; /* the number of clips, of equal time, into which a video is divided */
    int clip;  /* the number of this clip, from 0 */
} CoupletClipWish;

/* Chooses frames by their times of showing.
 *   times    [count] ascending, count >= 1
 *   end      when the last frame has been shown; at least times[count - 1]
 *   chosen   [wish->frames] numbers of frames, ascending; a short video has some of them again
 * Spread: the clip's share of the time is cut into wish->frames equal parts, and the frame that
 * shows in the middle of each part is taken. Otherwise a run of frames is taken, whose middle is
 * the middle of the share, moved so that it lies in the video as far as it can. */
void couplet_clip_choose(const int64_t *times, int64_t count, int64_t end,
                         const CoupletClipWish *wish, int64_t *chosen);

/* Reads a clip of a video file into `out`, [frames][3][size][size], each frame fitted as pictures
 * are (fit.h). Returns false with a sentence that names the file if it is no video, is damaged or
 * cut short, or is in a format that is not read. Several threads may read at once. */
bool couplet_video_read(const char *path, const CoupletClipWish *wish, uint8_t *out, char *error,
                        size_t error_bytes);

#endif
