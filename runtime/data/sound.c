/* Reads a part of a sound file at a given rate, as the mean of its channels. libsndfile decodes,
 * and libsamplerate resamples.
 *
 * A part in the middle of a long file is decoded with as many frames around it as the filter needs,
 * and begins where a frame and a sample coincide. So it has the values that it would have in the
 * whole. Files that were cut short are refused. The library accepts them, so its log, and the last
 * page of an Ogg file, are checked. */
#include "runtime/data/sound.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <samplerate.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const couplet_sound_endings[] = {".aif", ".aifc", ".aiff", ".au",   ".caf",  ".flac",
                                             ".mp3", ".oga",  ".ogg",  ".opus", ".rf64", ".snd",
                                             ".sph", ".w64",  ".wav",  NULL};
const char *const couplet_sound_unread[] = {".aac", ".ac3", ".amr", ".ape", ".m4a", ".mka",
                                            ".mpc", ".raw", ".tta", ".wma", ".wv",  NULL};

enum {
    BLOCK = 65536, /* the numbers that are decoded at a time, over all channels */
    /* the most frames of a file whose length is known only when it is decoded */
    MOST_FRAMES = 1 << 28,
    /* The samples on each side, at the lower of the two rates. The longest filter of libsamplerate
     * has 143. */
    FILTER_SAMPLES = 160,
};

typedef struct Sound {
    const char *path;
    int descriptor;
    SNDFILE *file;
    SF_INFO info;
    int64_t frames; /* -1: not known until all are decoded */
    /* The number of frames by the head of the file, maybe approximate; 0: it says none. */
    int64_t said;
    double *block;    /* [BLOCK] */
    int64_t position; /* the number of the next frame */
    char *error;
    size_t error_bytes;
} Sound;

static bool fail(Sound *s, const char *what) {
    snprintf(s->error, s->error_bytes, "%s: %s", s->path, what);
    return false;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* One thread opens a file at a time, because the library keeps the reason of a failure, and parts
 * of its decoders, in memory that all threads share. */
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

/* Writes the library's reason on one line, without the word that begins some reasons, and without a
 * full stop. */
static void show_reason(const char *reason, char *out, size_t bytes) {
    static const char word[] = "Error : ";
    size_t length = 0;
    if (strncmp(reason, word, sizeof word - 1) == 0) {
        reason += sizeof word - 1;
    }
    for (; *reason && length + 1 < bytes; reason++)
        out[length++] = *reason >= ' ' && *reason <= '~' ? *reason : ' ';
    while (length && strchr(" .", out[length - 1]))
        length--;
    out[length] = 0;
}

static bool open_recording(Sound *s) {
    char reason[256] = "";
    pthread_mutex_lock(&opening);
    s->file = sf_open_fd(s->descriptor, SFM_READ, &s->info, SF_FALSE);
    if (!s->file) {
        show_reason(sf_error_number(sf_error(NULL)), reason, sizeof reason);
    }
    pthread_mutex_unlock(&opening);
    if (s->file) return true;
    snprintf(s->error, s->error_bytes, "%s: the sound cannot be read (%s)", s->path, reason);
    return false;
}

/* Finds a chunk of the file that is shorter than its header says. libsndfile reads what is there,
 * and notes it in its log, as in "data : 176400 (should be 88178)". Programs that write into a pipe
 * put 0, or a number near 2^31 or 2^32, into the header, because they do not know. */
static bool is_cut(SNDFILE *file, int64_t *said, int64_t *there) {
    static const char *const chunks[] = {
        "\ndata : ", "\n SSND : ", "  Data Size   : ", "\nriff : "};
    char log[8192] = "";
    sf_command(file, SFC_GET_LOG_INFO, log, sizeof log - 1);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        const char *at = strstr(log, chunks[i]);
        long long expected;
        long long found;
        if (!at || sscanf(at + strlen(chunks[i]), "%lld (should be %lld)", &expected, &found) != 2)
            continue;
        *said = expected;
        *there = found;
        return expected > found + 8 && expected < 0x7ffff000;
    }
    return false;
}

/* True if the bytes are a complete page of an Ogg file that is marked as the last of its stream. */
static bool is_last_page(const uint8_t *bytes, size_t count) {
    enum { HEAD = 27 };
    if (count < HEAD || !(bytes[5] & 4) || count < HEAD + (size_t)bytes[26]) return false;
    size_t length = HEAD + (size_t)bytes[26];
    for (int i = 0; i < bytes[26]; i++)
        length += bytes[HEAD + i];
    return length <= count;
}

/* True if an Ogg file ends with a last page, which a file that was cut short does not. */
static bool has_last_page(int descriptor, int64_t bytes) {
    enum { TAIL = 1 << 17 }; /* the length of two of the longest pages */
    const int64_t from = bytes > TAIL ? bytes - TAIL : 0;
    const size_t count = (size_t)(bytes - from);
    uint8_t *tail = malloc(count);
    bool is_last = true;
    if (tail && pread(descriptor, tail, count, (off_t)from) == (ssize_t)count)
        for (size_t i = count; i-- > 0;) {
            if (count - i < 4 || memcmp(tail + i, "OggS", 4) != 0) continue;
            is_last = is_last_page(tail + i, count - i);
            break;
        }
    free(tail);
    return is_last;
}

/* True if the head of an MP3 file says how many samples there are, so that the library knows. */
static bool says_length(int descriptor) {
    enum { HEAD = 4096 };
    uint8_t tag[10] = {0};
    uint8_t head[HEAD];
    if (pread(descriptor, tag, sizeof tag, 0) != (ssize_t)sizeof tag) return false;
    /* the size of the tag is given by four times seven bits */
    const bool is_tagged = memcmp(tag, "ID3", 3) == 0;
    const off_t size = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9];
    const ssize_t count = pread(descriptor, head, HEAD, is_tagged ? size + 10 : 0);
    return count > 0 &&
           (memmem(head, (size_t)count, "Xing", 4) || memmem(head, (size_t)count, "Info", 4));
}

static bool is_format(const Sound *s, int format) {
    return (s->info.format & SF_FORMAT_TYPEMASK) == format;
}

/* Checks the header and the length of the file. s->frames is then the length in frames, or -1 if
 * only decoding can tell it. */
static bool is_sound(Sound *s, int64_t bytes) {
    int64_t said;
    int64_t there;
    if (s->info.channels < 1 || s->info.channels > BLOCK) return fail(s, "it has no channel");
    if (s->info.samplerate < 1) return fail(s, "its rate is below 1 sample a second");
    if (is_cut(s->file, &said, &there)) {
        snprintf(s->error, s->error_bytes,
                 "%s: the file is cut short: its header says %lld bytes of "
                 "sound, and %lld are there",
                 s->path, (long long)said, (long long)there);
        return false;
    }
    if (is_format(s, SF_FORMAT_OGG) && !has_last_page(s->descriptor, bytes))
        return fail(s, "the file is cut short: it has no last page");
    /* the library guesses the length of these formats, or finds it in a header that may be wrong */
    const bool is_guess = is_format(s, SF_FORMAT_OGG) || is_format(s, SF_FORMAT_MPEG) ||
                          s->info.frames > INT64_C(1) << 40;
    s->frames = is_guess ? -1 : s->info.frames;
    if (is_format(s, SF_FORMAT_MPEG) && says_length(s->descriptor)) {
        s->said = s->info.frames;
    }
    return s->frames != 0 || fail(s, "there is no sample in it");
}

static bool open_sound(Sound *s) {
    struct stat status;
    s->descriptor = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->descriptor < 0 || fstat(s->descriptor, &status) != 0) return fail(s, strerror(errno));
    if (!S_ISREG(status.st_mode)) return fail(s, "this is no file");
    if (status.st_size == 0) return fail(s, "the file is empty");
    s->block = malloc(BLOCK * sizeof *s->block);
    if (!s->block) return fail(s, "out of memory");
    return open_recording(s) && is_sound(s, status.st_size);
}

static void close_sound(Sound *s) {
    if (s->file) sf_close(s->file);
    if (s->descriptor >= 0) close(s->descriptor);
    free(s->block);
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* Computes the mean of the channels of a frame. Returns false if it is no finite number. */
static bool mean(Sound *s, const double *frame, int64_t number, float *out) {
    double sum = 0;
    for (int c = 0; c < s->info.channels; c++)
        sum += frame[c];
    *out = (float)(sum / s->info.channels);
    if (isfinite(*out)) return true;
    snprintf(s->error, s->error_bytes, "%s: sample %lld is %g; a finite number was expected",
             s->path, (long long)number, (double)*out);
    return false;
}

/* Decodes up to `count` frames into out[count]; if `out` is NULL, they are skipped. *got may be
 * smaller at the end of the file. */
static bool decode_frames(Sound *s, int64_t count, float *out, int64_t *got) {
    const int64_t most = BLOCK / s->info.channels;
    for (*got = 0; *got < count;) {
        const int64_t wanted = count - *got < most ? count - *got : most;
        const int64_t read = sf_readf_double(s->file, s->block, wanted);
        const int problem = sf_error(s->file);
        if (problem) {
            char reason[256];
            show_reason(sf_error_number(problem), reason, sizeof reason);
            snprintf(s->error, s->error_bytes, "%s: the sound is damaged near sample %lld (%s)",
                     s->path, (long long)s->position, reason);
            return false;
        }
        if (read <= 0) return true;
        for (int64_t i = 0; out && i < read; i++)
            if (!mean(s, s->block + i * s->info.channels, s->position + i, &out[*got + i]))
                return false;
        s->position += read;
        *got += read;
    }
    return true;
}

/* Decodes exactly `count` frames, which must be there by the header. */
static bool decode_all(Sound *s, int64_t count, float *out) {
    int64_t got;
    if (!decode_frames(s, count, out, &got)) return false;
    if (got == count) return true;
    snprintf(s->error, s->error_bytes, "%s: the sound ends after %lld of its %lld samples", s->path,
             (long long)s->position, (long long)s->frames);
    return false;
}

/* Decodes the whole of a file whose length is not known, and so learns it. Returns NULL with a
 * sentence. */
static float *decode_whole(Sound *s) {
    int64_t room = BLOCK;
    int64_t count = 0;
    int64_t got;
    float *samples = malloc((size_t)room * sizeof *samples);
    bool good = samples || fail(s, "out of memory");
    while (good) {
        good = decode_frames(s, room - count, samples + count, &got);
        count += got;
        if (!good || count < room) break;
        room *= 2;
        if (room > MOST_FRAMES) good = fail(s, "it has more than 2^28 samples; cut it into parts");
        float *more = good ? realloc(samples, (size_t)room * sizeof *samples) : NULL;
        if (more)
            samples = more;
        else if (good)
            good = fail(s, "out of memory");
    }
    if (good && count == 0) good = fail(s, "there is no sample in it");
    if (good && count < s->said - s->said / 50) {
        snprintf(s->error, s->error_bytes, "%s: the sound ends after %lld of its %lld samples",
                 s->path, (long long)count, (long long)s->said);
        good = false;
    }
    s->frames = count;
    if (good) return samples;
    free(samples);
    return NULL;
}

/* Returns the frames [from, from + count) of a file whose length is known, or NULL with a
 * sentence. */
static float *decode_part(Sound *s, int64_t from, int64_t count) {
    int64_t passed;
    float *samples = malloc((size_t)count * sizeof *samples);
    bool good = samples || fail(s, "out of memory");
    if (good && from && s->info.seekable && sf_seek(s->file, from, SEEK_SET) == from)
        s->position = from;
    else if (good && from) {
        sf_seek(s->file, 0, SEEK_SET);
        good = decode_frames(s, from, NULL, &passed);
    }
    if (good && decode_all(s, count, samples)) return samples;
    free(samples);
    return NULL;
}

/* ---- which part, at which rate -------------------------------------------------------------- */

/* The wanted part of a sound, in samples of the new rate and in frames of the file, with the frames
 * that the filter needs on both sides. */
typedef struct Part {
    double ratio;   /* the new rate divided by the file's rate */
    int64_t length; /* the samples of the part, at most as many as are wanted */
    int64_t first_frame;
    int64_t frames;
    /* The samples that the filter makes from first_frame on, before the part begins. */
    int64_t skip;
} Part;

static int64_t common_divisor(int64_t a, int64_t b) {
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Finds the frames that must be decoded: those of the wanted samples and, on both sides, those that
 * the filter needs. */
static Part find_part(const Sound *s, const CoupletSoundWish *wish) {
    const int64_t divisor = common_divisor(s->info.samplerate, wish->rate);
    /* A frame and a sample coincide every `period` frames, and a part may begin there without a
     * change. */
    const int64_t period = s->info.samplerate / divisor;
    const int64_t samples = wish->rate / divisor;
    const double ratio = (double)wish->rate / s->info.samplerate;
    const int64_t rounded = llround((double)s->frames * ratio);
    const int64_t whole = rounded ? rounded : 1;
    const int64_t length = whole < wish->count ? whole : wish->count;
    const int64_t first = wish->is_middle ? (whole - length) / 2 : 0;
    const int64_t margin = ratio == 1 ? 0 : (int64_t)(FILTER_SAMPLES / fmin(ratio, 1)) + 1;
    const int64_t begin = (int64_t)floor((double)first / ratio) - margin;
    const int64_t end = (int64_t)ceil((double)(first + length) / ratio) + margin;
    Part part = {.ratio = ratio, .length = length};
    part.first_frame = begin > 0 ? begin / period * period : 0;
    part.frames = (end < s->frames ? end : s->frames) - part.first_frame;
    part.skip = first - part.first_frame / period * samples;
    return part;
}

/* Computes the part at the new rate. Behind the end of the file are zeros. */
static bool resample(Sound *s, const Part *part, const float *frames, float *samples) {
    const int64_t silence = (int64_t)(2 * FILTER_SAMPLES / fmin(part->ratio, 1)) + 2;
    const int64_t made = part->skip + part->length;
    float *in = calloc((size_t)(part->frames + silence), sizeof *in);
    float *out = malloc((size_t)made * sizeof *out);
    bool good = (in && out) || fail(s, "out of memory");
    if (good) memcpy(in, frames, (size_t)part->frames * sizeof *in);
    SRC_DATA data = {.data_in = in, .data_out = out, .src_ratio = part->ratio};
    data.input_frames = part->frames + silence;
    data.output_frames = made;
    const int problem = good ? src_simple(&data, SRC_SINC_BEST_QUALITY, 1) : 0;
    if (problem)
        good = fail(s, src_strerror(problem));
    else if (good && data.output_frames_gen != made)
        good = fail(s, "it could not be resampled");
    if (good) {
        memcpy(samples, out + part->skip, (size_t)part->length * sizeof *samples);
    }
    free(in);
    free(out);
    return good;
}

static bool can_resample(Sound *s, const CoupletSoundWish *wish) {
    if (src_is_valid_ratio((double)wish->rate / s->info.samplerate)) return true;
    snprintf(s->error, s->error_bytes,
             "%s: its rate is %d, and %d is wished for; they may differ by a "
             "factor of 256",
             s->path, s->info.samplerate, wish->rate);
    return false;
}

/* Reads the wanted samples. If the length is known, only their part of the file is decoded. */
static bool read_sound(Sound *s, const CoupletSoundWish *wish, float *samples, int32_t *length) {
    if (!open_sound(s) || !can_resample(s, wish)) return false;
    float *whole = NULL;
    if (s->frames < 0) {
        whole = decode_whole(s);
        if (!whole) return false;
    }
    const Part part = find_part(s, wish);
    float *read = whole ? whole : decode_part(s, part.first_frame, part.frames);
    if (!read) return false;
    const float *frames = whole ? whole + part.first_frame : read;
    bool good = true;
    memset(samples, 0, (size_t)wish->count * sizeof *samples);
    if (part.ratio == 1)
        memcpy(samples, frames + part.skip, (size_t)part.length * sizeof *samples);
    else
        good = resample(s, &part, frames, samples);
    *length = (int32_t)part.length;
    free(read);
    return good;
}

bool couplet_sound_read(const char *path, const CoupletSoundWish *wish, float *samples,
                        int32_t *length, char *error, size_t error_bytes) {
    Sound s = {.path = path, .descriptor = -1, .error = error, .error_bytes = error_bytes};
    const bool is_read = read_sound(&s, wish, samples, length);
    close_sound(&s);
    return is_read;
}
