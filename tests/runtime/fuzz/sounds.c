/* The fuzz target of sounds: our reader with the sanitizers, around libsndfile and libsamplerate as
 * they are installed. */
#include "runtime/data/sound.h"

#include <assert.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

static void fuzz_one(const char *name, const uint8_t *data, size_t size);

/* libsndfile forgets some memory of the decoders of damaged files. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libsndfile\nleak:libvorbis\nleak:libopus\nleak:libFLAC\nleak:libogg\nleak:"
           "libmpg123\n";
}

#include "tests/runtime/fuzz/mutate.h"

static void fuzz_one(const char *name, const uint8_t *data, size_t size) {
    enum { COUNT = 700 };
    (void)name;
    char path[64], error[512];
    float *samples = malloc(COUNT * sizeof *samples);
    int32_t length = 0;
    const CoupletSoundWish wish = {COUNT, 8000, size % 2};
    const int file = memfd_create("fuzz", MFD_CLOEXEC);
    if (file < 0 || write(file, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (couplet_sound_read(path, &wish, samples, &length, error, sizeof error)) {
        assert(length >= 1 && length <= COUNT);
        for (int i = 0; i < COUNT; i++)
            assert(isfinite(samples[i]));
        for (int i = length; i < COUNT; i++)
            assert(samples[i] == 0);
    } else
        assert(*error);
    close(file);
    free(samples);
}
