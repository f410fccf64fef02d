/* Frames of video files, by FFmpeg's libraries. */
#include "runtime/data/clip.h"
#include "runtime/data/fit.h"
#include "runtime/data/picture_format.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Formats that contain a video. Others are lists that name further files and addresses. */
static char containers[] = "asf,avi,flv,gif,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mxf,"
                           "nut,ogg";

/* The number of frames from which on a leap pays; a nearer frame is reached by decoding those
 * before it. */
enum { LONG_WAY = 64 };

typedef struct Video {
    const char *path;
    AVFormatContext *format;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame; /* the frame that was decoded last */
    AVFrame *shown; /* the frame that was decoded before, which shows until `frame` does */
    int stream;
    bool has_ended; /* true once the decoder has all packets */
    bool by_number; /* times are numbers of frames, because the file has no times */
    int64_t number; /* the number of frames decoded since the beginning */
    /* [count], ascending: the times at which frames are shown, in the stream's time base. */
    int64_t *times;
    int64_t *keys; /* [key_count], ascending: the times at which decoding can begin */
    int64_t count;
    int64_t time_room;
    int64_t key_count;
    int64_t key_room;
    int64_t end; /* the end of the time of the last frame */
    struct SwsContext *scale;
    uint8_t *pixels; /* the pixels of a frame, four bytes each */
    size_t pixel_bytes;
    char *error;
    size_t error_bytes;
} Video;

__attribute__((format(printf, 2, 3))) static bool fail(Video *v, const char *format, ...) {
    char sentence[512];
    va_list list;
    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    snprintf(v->error, v->error_bytes, "%s: %s", v->path, sentence);
    return false;
}

/* Writes a reason, as in "(Invalid data found when processing input)". */
static const char *reason(int code, char out[128]) {
    if (av_strerror(code, out, 128) < 0) {
        snprintf(out, 128, "error %d", code);
    }
    return out;
}

static double seconds(const Video *v, int64_t time) {
    const AVStream *stream = v->format->streams[v->stream];
    return (double)(time - v->times[0]) * av_q2d(stream->time_base);
}

/* Names a frame, as in "frame 17" or "the frame at 0.567 seconds". */
static const char *show_frame(const Video *v, int64_t time, char out[64]) {
    if (v->by_number)
        snprintf(out, 64, "frame %lld", (long long)time);
    else
        snprintf(out, 64, "the frame at %.3f seconds", seconds(v, time));
    return out;
}

/* ---- opening -------------------------------------------------------------------------------- */

static bool open_format(Video *v) {
    char name[4096];
    char why[128];
    snprintf(name, sizeof name, "file:%s", v->path);
    v->format = avformat_alloc_context();
    if (!v->format) return fail(v, "out of memory");
    v->format->format_whitelist = av_strdup(containers);
    v->format->protocol_whitelist = av_strdup("file");
    /* After a failure it has freed the format. */
    int code = avformat_open_input(&v->format, name, NULL, NULL);
    if (code < 0) return fail(v, "the video cannot be read (%s)", reason(code, why));
    code = avformat_find_stream_info(v->format, NULL);
    if (code < 0) return fail(v, "the video cannot be read (%s)", reason(code, why));
    return true;
}

/* Chooses the best video stream that is no cover picture. Others are not read. */
static bool choose_stream(Video *v, const AVCodec **decoder) {
    for (unsigned i = 0; i < v->format->nb_streams; i++)
        if (v->format->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC)
            v->format->streams[i]->codecpar->codec_type = AVMEDIA_TYPE_ATTACHMENT;
    v->stream = av_find_best_stream(v->format, AVMEDIA_TYPE_VIDEO, -1, -1, decoder, 0);
    if (v->stream == AVERROR_DECODER_NOT_FOUND) return fail(v, "there is no decoder for its video");
    if (v->stream < 0) return fail(v, "there is no video in it");
    for (unsigned i = 0; i < v->format->nb_streams; i++)
        v->format->streams[i]->discard = (int)i == v->stream ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    return true;
}

static bool open_codec(Video *v, const AVCodec *decoder) {
    const AVStream *stream = v->format->streams[v->stream];
    char why[128];
    v->codec = avcodec_alloc_context3(decoder);
    if (!v->codec || avcodec_parameters_to_context(v->codec, stream->codecpar) < 0)
        return fail(v, "out of memory");
    v->codec->thread_count = 1; /* one thread for each file, since rows are read in parallel */
    v->codec->pkt_timebase = stream->time_base;
    v->codec->max_pixels = COUPLET_PICTURE_PIXELS;
    const int code = avcodec_open2(v->codec, decoder, NULL);
    return code >= 0 ||
           fail(v, "the decoder `%s` cannot begin (%s)", decoder->name, reason(code, why));
}

static void close_file(Video *v) {
    avcodec_free_context(&v->codec);
    avformat_close_input(&v->format);
}

/* Opens the file at its beginning, again if it is open. */
static bool open_file(Video *v) {
    const AVCodec *decoder;
    close_file(v);
    av_frame_unref(v->shown);
    v->has_ended = false;
    v->number = 0;
    return open_format(v) && choose_stream(v, &decoder) && open_codec(v, decoder);
}

/* ---- frames in the order in which they are shown -------------------------------------------- */

typedef enum {
    NEXT_FRAME,
    NEXT_NONE,
    NEXT_FAILED,
} Next;

static Next next_failed(Video *v, int code) {
    char why[128];
    fail(v, "the video is damaged behind frame %lld (%s)", (long long)v->number, reason(code, why));
    return NEXT_FAILED;
}

/* Gives the decoder its next packet, or tells it that there is none. Returns a code, which is below
 * 0 after a failure. */
static int send_packet(Video *v) {
    for (;;) {
        int code = av_read_frame(v->format, v->packet);
        if (code == AVERROR_EOF) {
            v->has_ended = true;
            return avcodec_send_packet(v->codec, NULL);
        }
        if (code < 0) return code;
        const bool is_ours = v->packet->stream_index == v->stream && v->packet->size > 0;
        if (is_ours) code = avcodec_send_packet(v->codec, v->packet);
        av_packet_unref(v->packet);
        if (is_ours) return code;
    }
}

/* Decodes the next frame into v->frame. */
static Next next_frame(Video *v) {
    for (;;) {
        int code = avcodec_receive_frame(v->codec, v->frame);
        if (code >= 0) {
            v->number++;
            return NEXT_FRAME;
        }
        if (code == AVERROR_EOF || (code == AVERROR(EAGAIN) && v->has_ended)) return NEXT_NONE;
        if (code != AVERROR(EAGAIN)) return next_failed(v, code);
        code = send_packet(v);
        if (code < 0) return next_failed(v, code);
    }
}

static int64_t time_of(const Video *v, const AVFrame *frame) {
    return v->by_number ? v->number - 1 : frame->best_effort_timestamp;
}

/* ---- when frames are shown ------------------------------------------------------------------ */

static bool keep_time(Video *v, int64_t **list, int64_t *count, int64_t *room, int64_t time) {
    if (*count == *room) {
        const int64_t more = *room ? 2 * *room : 512;
        int64_t *grown = realloc(*list, (size_t)more * sizeof *grown);
        if (!grown) return fail(v, "out of memory for its %lld frames", (long long)more);
        *list = grown;
        *room = more;
    }
    (*list)[(*count)++] = time;
    return true;
}

static void keep_end(Video *v, int64_t time, int64_t duration) {
    int64_t end;
    if (duration < 0 || __builtin_add_overflow(time, duration, &end)) end = time;
    if (v->count == 1 || end > v->end) v->end = end;
}

/* Lists the times of frames by their packets, without decoding. *says is false if a packet has no
 * time. */
static bool list_packets(Video *v, bool *says) {
    int code;
    char why[128];
    *says = true;
    while ((code = av_read_frame(v->format, v->packet)) >= 0) {
        const AVPacket *p = v->packet;
        bool good = true;
        if (p->stream_index == v->stream && p->size > 0 && !(p->flags & AV_PKT_FLAG_DISCARD)) {
            *says = *says && p->pts != AV_NOPTS_VALUE;
            good = keep_time(v, &v->times, &v->count, &v->time_room, p->pts);
            if (good && p->flags & AV_PKT_FLAG_KEY)
                good = keep_time(v, &v->keys, &v->key_count, &v->key_room, p->pts);
            keep_end(v, p->pts, p->duration);
        }
        av_packet_unref(v->packet);
        if (!good) return false;
    }
    if (code != AVERROR_EOF)
        return fail(v, "the video is damaged behind packet %lld (%s)", (long long)v->count,
                    reason(code, why));
    return true;
}

/* Decodes all frames to learn their times. If one has no time, their numbers serve instead. */
static bool list_frames(Video *v) {
    bool says = true;
    Next next;
    v->count = v->key_count = 0;
    if (!open_file(v)) return false;
    while ((next = next_frame(v)) == NEXT_FRAME) {
        const int64_t time = v->frame->best_effort_timestamp;
        says = says && time != AV_NOPTS_VALUE && (!v->count || time > v->times[v->count - 1]);
        if (!keep_time(v, &v->times, &v->count, &v->time_room, time)) return false;
        keep_end(v, time, v->frame->pkt_duration);
    }
    v->by_number = !says;
    for (int64_t i = 0; v->by_number && i < v->count; i++)
        v->times[i] = i;
    if (v->by_number) v->end = v->count;
    return next != NEXT_FAILED;
}

static int by_time(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Finds the end of the last frame, which may have no duration; then it is that of the others.
 * Returns false if the times are too far apart to be true. */
static bool has_end(Video *v) {
    const int64_t first = v->times[0];
    const int64_t last = v->times[v->count - 1];
    int64_t whole;
    if (__builtin_sub_overflow(last, first, &whole) || whole > INT64_MAX / 4) return false;
    if (v->end <= last)
        return !__builtin_add_overflow(last, v->count > 1 ? whole / (v->count - 1) : 1, &v->end);
    return !__builtin_sub_overflow(v->end, first, &whole) && whole <= INT64_MAX / 2;
}

/* Returns the length of the video, in seconds, by the head of the file, or 0 if it says none. */
static double said_length(const Video *v) {
    const AVStream *stream = v->format->streams[v->stream];
    const AVDictionaryEntry *tag = av_dict_get(stream->metadata, "DURATION", NULL, 0);
    int hours;
    int minutes;
    double rest;
    if (stream->duration > 0) return (double)stream->duration * av_q2d(stream->time_base);
    if (tag && sscanf(tag->value, "%d:%d:%lf", &hours, &minutes, &rest) == 3) /* Matroska */
        return 3600.0 * hours + 60.0 * minutes + rest;
    /* the format's duration is that of its longest stream */
    const bool is_alone = v->format->nb_streams == 1 && v->format->duration > 0;
    return is_alone ? (double)v->format->duration / AV_TIME_BASE : 0;
}

/* True if the file is complete. A file that was cut short keeps the length in its head. */
static bool is_complete(Video *v) {
    const double rate = av_q2d(v->format->streams[v->stream]->avg_frame_rate);
    const double said = said_length(v);
    const double there = seconds(v, v->end);
    const double margin = rate > 0 ? 2 / rate : 0;
    if (v->by_number || there + margin >= 0.95 * said) return true;
    return fail(v, "the video is cut short: it ends after %.3f of its %.3f seconds", there, said);
}

/* Lists the times of all frames, and checks that the video is complete. */
static bool list_times(Video *v) {
    bool says;
    if (!list_packets(v, &says)) return false;
    /* Some packets of VP8 make a frame that is never shown. */
    const bool has_hidden = v->codec->codec_id == AV_CODEC_ID_VP8;
    if ((!says || has_hidden) && !list_frames(v)) return false;
    if (!v->count) return fail(v, "there is no frame in it");
    qsort(v->times, (size_t)v->count, sizeof *v->times, by_time);
    if (v->key_count) qsort(v->keys, (size_t)v->key_count, sizeof *v->keys, by_time);
    if (!has_end(v)) return fail(v, "the times of its frames make no sense");
    return is_complete(v) && open_file(v);
}

/* ---- from a frame to a picture -------------------------------------------------------------- */

/* Returns EXIF's number for how the stream is turned (picture_format.h), in quarters of a turn. */
static int orientation_of(const Video *v) {
    static const struct {
        int a;
        int b;
        int c;
        int d;
        int orientation;
    } turns[] = {{1, 0, 0, 1, 1}, {-1, 0, 0, 1, 2}, {-1, 0, 0, -1, 3}, {1, 0, 0, -1, 4},
                 {0, 1, 1, 0, 5}, {0, 1, -1, 0, 6}, {0, -1, -1, 0, 7}, {0, -1, 1, 0, 8}};
    size_t bytes = 0;
    const int32_t *m = (const int32_t *)(const void *)av_stream_get_side_data(
        v->format->streams[v->stream], AV_PKT_DATA_DISPLAYMATRIX, &bytes);
    if (!m || bytes < 9 * sizeof *m) return 1;
    double best = 0;
    int found = 1;
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        const double fit = (double)turns[i].a * m[0] + (double)turns[i].b * m[1] +
                           (double)turns[i].c * m[3] + (double)turns[i].d * m[4];
        if (fit <= best) continue;
        best = fit;
        found = turns[i].orientation;
    }
    return found;
}

/* Returns the width in square pixels. */
static int square_width(const Video *v, AVFrame *frame) {
    const AVRational shape =
        av_guess_sample_aspect_ratio(v->format, v->format->streams[v->stream], frame);
    if (shape.num <= 0 || shape.den <= 0) return frame->width;
    const int64_t width = av_rescale(frame->width, shape.num, shape.den);
    const bool is_sane = width >= 1 && width <= COUPLET_PICTURE_SIDE && width <= 8 * frame->width &&
                         width * frame->height <= COUPLET_PICTURE_PIXELS;
    return is_sane ? (int)width : frame->width;
}

/* Sets the meaning of the frame's numbers: the one that the frame states, else the usual one for
 * videos of its height. Conversion from red, green and blue to other colour spaces and back uses
 * one table. */
static void set_colours(Video *v, const AVFrame *frame) {
    const AVPixFmtDescriptor *kind = av_pix_fmt_desc_get(frame->format);
    const bool is_rgb = kind->flags & AV_PIX_FMT_FLAG_RGB;
    const bool says =
        frame->colorspace != AVCOL_SPC_UNSPECIFIED && frame->colorspace != AVCOL_SPC_RGB;
    const int space = is_rgb                 ? SWS_CS_DEFAULT
                      : says                 ? (int)frame->colorspace
                      : frame->height >= 720 ? SWS_CS_ITU709
                                             : SWS_CS_ITU601;
    const bool is_full =
        frame->color_range == AVCOL_RANGE_JPEG || strncmp(kind->name, "yuvj", 4) == 0;
    sws_setColorspaceDetails(v->scale, sws_getCoefficients(space), is_full,
                             sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
}

/* The frame in v->pixels: red, green, blue and a further byte, in square pixels, upright or not. */
typedef struct Pixels {
    int width;
    size_t stride; /* the bytes from row to row */
    bool has_alpha;
} Pixels;

static bool convert_frame(Video *v, AVFrame *frame, Pixels *p) {
    const AVPixFmtDescriptor *kind = av_pix_fmt_desc_get(frame->format);
    if (!kind || !sws_isSupportedInput(frame->format))
        return fail(v, "its pixels (%s) are not read", kind ? kind->name : "of no known kind");
    p->has_alpha = kind->flags & AV_PIX_FMT_FLAG_ALPHA || frame->format == AV_PIX_FMT_PAL8;
    p->width = square_width(v, frame);
    p->stride = ((size_t)p->width * 4 + 63) / 64 * 64;
    const size_t bytes = p->stride * (size_t)frame->height + 64;
    if (bytes > v->pixel_bytes) {
        free(v->pixels);
        v->pixels = aligned_alloc(64, (bytes + 63) / 64 * 64);
        v->pixel_bytes = v->pixels ? bytes : 0;
        if (!v->pixels) return fail(v, "out of memory");
    }
    v->scale = sws_getCachedContext(
        v->scale, frame->width, frame->height, frame->format, p->width, frame->height,
        p->has_alpha ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB0,
        SWS_BICUBIC | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT, NULL, NULL, NULL);
    if (!v->scale) return fail(v, "its frames cannot be converted");
    set_colours(v, frame);
    uint8_t *const to[4] = {v->pixels};
    const int strides[4] = {(int)p->stride};
    const int rows = sws_scale(v->scale, (const uint8_t *const *)frame->data, frame->linesize, 0,
                               frame->height, to, strides);
    return rows == frame->height || fail(v, "its frames cannot be converted");
}

/* Fits a frame into `out`, which is [3][size][size]. */
static bool fit_frame(Video *v, AVFrame *frame, int size, uint8_t *out) {
    Pixels p = {.width = 0};
    CoupletFit fit;
    if (frame->width < 1 || frame->height < 1 || frame->width > COUPLET_PICTURE_SIDE ||
        frame->height > COUPLET_PICTURE_SIDE)
        return fail(v, "a frame has %d x %d pixels", frame->width, frame->height);
    if (!convert_frame(v, frame, &p)) return false;
    if (!couplet_fit_middle(&fit, p.width, frame->height, size)) return fail(v, "out of memory");
    for (int row = fit.first_row; row < fit.end_row; row++) {
        uint8_t *pixels = v->pixels + (size_t)row * p.stride + 4 * (size_t)fit.first_column;
        if (p.has_alpha) {
            couplet_picture_on_white(pixels, fit.end_column - fit.first_column);
        }
        couplet_fit_row(&fit, pixels);
    }
    couplet_fit_finish(&fit, orientation_of(v), false, out);
    couplet_fit_free(&fit);
    return true;
}

/* ---- chosen frames -------------------------------------------------------------------------- */

/* Returns how many of the ascending times are not later than `time`. */
static int64_t count_until(const int64_t *times, int64_t count, int64_t time) {
    int64_t low = 0;
    int64_t high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (times[middle] <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Returns the last time of v->keys that is not later than `time`, or INT64_MIN. */
static int64_t key_before(const Video *v, int64_t time) {
    const int64_t before = count_until(v->keys, v->key_count, time);
    return before ? v->keys[before - 1] : INT64_MIN;
}

/* Returns the number of the frame that shows at a time. */
static int64_t frame_number_of(const Video *v, int64_t time) {
    return count_until(v->times, v->count, time) - 1;
}

/* Continues from the key frame before frame `wanted`, if that is far from frame `at`. */
static void leap(Video *v, int64_t at, int64_t wanted) {
    const int64_t key = key_before(v, v->times[wanted]);
    if (v->by_number || wanted - at < LONG_WAY || key == INT64_MIN) return;
    if (frame_number_of(v, key) - at < LONG_WAY / 2) return;
    if (av_seek_frame(v->format, v->stream, key, AVSEEK_FLAG_BACKWARD) < 0) return;
    avcodec_flush_buffers(v->codec);
    av_frame_unref(v->shown);
    v->has_ended = false;
}

/* Decodes until v->shown is the frame that shows at `time`. *missed is true if the first decoded
 * frame is later, which happens after a leap in a file with a wrong index. */
static bool decode_to(Video *v, int64_t time, bool *missed) {
    char which[64];
    *missed = false;
    for (;;) {
        /* v->frame, if there is one, was decoded behind v->shown. */
        if (!v->frame->buf[0]) {
            const Next next = next_frame(v);
            if (next == NEXT_FAILED) return false;
            if (next == NEXT_NONE)
                return v->shown->buf[0] || fail(v, "%s is not there", show_frame(v, time, which));
        }
        if (time_of(v, v->frame) > time) {
            *missed = !v->shown->buf[0];
            return true;
        }
        av_frame_unref(v->shown);
        av_frame_move_ref(v->shown, v->frame);
    }
}

/* Puts the frame that shows at the time of frame `wanted` into v->shown. The last frame was
 * `at`. */
static bool find_frame(Video *v, int64_t at, int64_t wanted) {
    bool missed;
    const int64_t time = v->times[wanted];
    leap(v, at, wanted);
    if (!v->shown->buf[0]) av_frame_unref(v->frame);
    if (!decode_to(v, time, &missed)) return false;
    if (!missed) return true;
    v->key_count = 0; /* no more leaps */
    av_frame_unref(v->frame);
    if (!open_file(v) || !decode_to(v, time, &missed)) return false;
    if (missed) { /* the first frame comes late, and is the one that is shown first */
        av_frame_unref(v->shown);
        av_frame_move_ref(v->shown, v->frame);
    }
    return true;
}

static bool read_frames(Video *v, const CoupletClipWish *wish, const int64_t *chosen,
                        uint8_t *out) {
    const size_t bytes = 3 * (size_t)wish->size * (size_t)wish->size;
    int64_t at = -1;
    char which[64];
    for (int i = 0; i < wish->frames; i++, out += bytes) {
        if (chosen[i] == at) {
            memcpy(out, out - bytes, bytes);
            continue;
        }
        if (!find_frame(v, at, chosen[i])) return false;
        at = chosen[i];
        if (v->shown->flags & AV_FRAME_FLAG_CORRUPT || v->shown->decode_error_flags)
            return fail(v, "%s is damaged", show_frame(v, v->times[at], which));
        if (!fit_frame(v, v->shown, wish->size, out)) return false;
    }
    return true;
}

static bool read_video(Video *v, const CoupletClipWish *wish, uint8_t *out) {
    v->packet = av_packet_alloc();
    v->frame = av_frame_alloc();
    v->shown = av_frame_alloc();
    int64_t *chosen = malloc((size_t)wish->frames * sizeof *chosen);
    bool good = (v->packet && v->frame && v->shown && chosen) || fail(v, "out of memory");
    good = good && open_file(v) && list_times(v);
    if (good) {
        couplet_clip_choose(v->times, v->count, v->end, wish, chosen);
    }
    good = good && read_frames(v, wish, chosen, out);
    free(chosen);
    return good;
}

bool couplet_video_read(const char *path, const CoupletClipWish *wish, uint8_t *out, char *error,
                        size_t error_bytes) {
    Video v = {.path = path, .error = error, .error_bytes = error_bytes};
    const bool is_read = read_video(&v, wish, out);
    close_file(&v);
    sws_freeContext(v.scale);
    av_packet_free(&v.packet);
    av_frame_free(&v.frame);
    av_frame_free(&v.shown);
    free(v.pixels);
    free(v.times);
    free(v.keys);
    return is_read;
}
