/* The fuzz target of videos: our reader with the sanitizers, around FFmpeg's libraries as they are
 * installed. */
#include "runtime/data/clip.h"

#include <assert.h>
#include <libavutil/log.h>
#include <sys/mman.h>
#include <unistd.h>

static void fuzz_one(const char *name, const uint8_t *data, size_t size);

#include "tests/runtime/fuzz/mutate.h"

static void fuzz_one(const char *name, const uint8_t *data, size_t size) {
    enum { FRAMES = 4, SIZE = 8 };
    (void)name;
    char path[64];
    char error[512] = "";
    uint8_t *out = malloc(FRAMES * 3 * SIZE * SIZE);
    const CoupletClipWish wish = {FRAMES, SIZE, (int)(size % 3), 1 + (int)(size % 2), 0};
    const int file = memfd_create("fuzz", MFD_CLOEXEC);
    if (file < 0 || write(file, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    av_log_set_level(AV_LOG_QUIET);
    if (!couplet_video_read(path, &wish, out, error, sizeof error)) assert(*error);
    close(file);
    free(out);
}
