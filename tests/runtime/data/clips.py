"""clips.py READ_TABLE MODULES: data.clips beside the frames that ffmpeg decodes and that PIL reads,
on videos that ffmpeg encodes; damaged files."""
import os
import subprocess
import sys
import tempfile

import numpy
from PIL import Image

from dump import check, finish

READ, MODULES = sys.argv[1:3]
os.environ["COUPLET_MODULES"] = MODULES


def clips(path, frames=8, size=16, **settings):
    """[(name, clip [frames, 3, size, size], video, label)], label -1 where there is none; or
    the sentence."""
    arguments = [f"{name}={value}" for name,
                 value in {"frames": frames, "size": size, **settings}.items()]
    with tempfile.NamedTemporaryFile() as raw:
        done = subprocess.run([READ, "clips", path, *arguments, "--raw", raw.name],
                              capture_output=True, text=True, timeout=300)
        data = raw.read()
    check(done.returncode in (0, 1) and not done.stderr, f"{path}: nothing else is said",
          (done.returncode, done.stderr))
    if done.returncode:
        return done.stdout.strip()
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    labelled = any(line[:2] == ["field", "label"] for line in lines)
    bad = [line for line in lines if line[0] == "bad"]
    if bad:
        return bad[0][-1]
    rows = [line for line in lines if line[0] == "row"]
    pictures = numpy.frombuffer(data, "u1").reshape(len(rows), frames, 3, size, size)
    return [(row[1], picture, int(row[2]), int(row[3]) if labelled else -1) for row,
            picture in zip(rows, pictures)]


def one(path, frames=8, size=16, **settings):
    found = clips(path, frames, size, **settings)
    if isinstance(found, str) or len(found) != 1:
        check(False, f"{path} {settings}", found)
        return numpy.zeros((frames, 3, size, size), "u1")
    return found[0][1]


def refused(path, words, **settings):
    found = clips(path, **settings)
    check(isinstance(found, str) and words in found and os.path.basename(path) in found,
          f"{path} {settings}: `{words}` expected", found)
    check(isinstance(found, str) and all(" " <= c <= "~" or c in "\n\t" for c in found),
          f"{path}: the sentence is plain text", found)


def ffmpeg(*arguments):
    done = subprocess.run(["ffmpeg", "-loglevel", "error", "-y", *arguments], capture_output=True)
    check(done.returncode == 0, f"ffmpeg {arguments}", done.stderr.decode())
    return done.stdout


def numbered(path, count, *options, rate="25", size="48x32"):
    """A video whose frame n is 2 n + 20 bright everywhere."""
    source = f"nullsrc=s={size}:r={rate},geq=lum='20+2*N':cb=128:cr=128,trim=end_frame={count}"
    ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", *options, path)
    return path


def numbers(clip):
    """Which frames of a numbered video these are."""
    luma = clip.astype("f8").mean((1, 2, 3)) * 219 / 255 + 16
    return [round((value - 20) / 2) for value in luma]


def decoded(path, width, height):
    """All frames, as ffmpeg decodes them: [n, height, width, 3]."""
    data = ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-vsync", "passthrough",
                  "-sws_flags", "bicubic+accurate_rnd+full_chroma_int+bitexact", "-")
    return numpy.frombuffer(data, "u1").reshape(-1, height, width, 3)


def fitted(picture, size):
    """The largest square in the middle of [height, width, 3], resized with antialiasing: [3,
    size, size]."""
    height, width = picture.shape[:2]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    small = Image.fromarray(picture).resize((size, size), Image.BILINEAR,
                                            box=(left, top, left + side, top + side))
    return numpy.asarray(small).transpose(2, 0, 1)


def spread(count, frames, first=0.0, share=1.0):
    return [min(count - 1, int((first + (i + 0.5) / frames * share) * count + 1e-9))
            for i in range(frames)]


KINDS = {"a.mp4": ("-c:v", "libx264", "-bf", "2", "-g", "12"),
         "b.avi": ("-c:v", "mpeg4", "-bf", "2"), "c.webm": ("-c:v", "libvpx-vp9", "-b:v", "1M"),
         "d.webm": ("-c:v", "libvpx", "-b:v", "1M", "-auto-alt-ref", "1", "-lag-in-frames", "16"),
         "e.mkv": ("-c:v", "ffv1"), "f.mov": ("-c:v", "mjpeg"),
         "g.ts": ("-c:v", "mpeg2video",), "h.flv": ("-c:v", "flv"), "i.wmv": ("-c:v", "wmv2"),
         "j.ogv": ("-c:v", "libtheora", "-q:v", "9"),
         "k.mpg": ("-c:v", "mpeg1video",), "l.gif": ("-pix_fmt", "gray")}


def frames_are_spread(at):
    for name, options in KINDS.items():
        path = numbered(f"{at}/{name}", 60, *options)
        found = numbers(one(path))
        check(found == spread(60, 8), f"{name}: frames", found)
    for count, frames in ((60, 1), (60, 60), (60, 59), (1, 4), (2, 5), (7, 3)):
        path = numbered(f"{at}/some.mkv", count, "-c:v", "ffv1")
        found = numbers(one(path, frames))
        check(found == spread(count, frames), f"{frames} of {count}", found)


def runs_of_frames(at):
    path = f"{at}/e.mkv"
    for frames, every, expected in ((8, 1, range(27, 35)), (8, 4, range(16, 48, 4)),
                                    (3, 10, (20, 30, 40)), (1, 5, (30,)),
                                    (8, 8, range(2, 60, 8)), (4, 30, (0, 30, 59, 59))):
        found = numbers(one(path, frames, every=every))
        check(found == list(expected), f"{frames} frames, every {every}", found)
    found = clips(path, 4, clips=3)
    check([numbers(clip) for _, clip, _, _ in found] ==
          [spread(60, 4, i / 3, 1 / 3) for i in range(3)], "three clips",
          [numbers(c[1]) for c in found])
    found = clips(path, 4, clips=3, every=2)
    check([numbers(clip) for _, clip, _, _ in found] ==
          [[7, 9, 11, 13], [27, 29, 31, 33], [47, 49, 51, 53]], "three runs",
          [numbers(c[1]) for c in found])
    found = clips(path, 8, clips=2, every=8)
    check([numbers(clip) for _, clip, _, _ in found] ==
          [[0, 8, 16, 24, 32, 40, 48, 56], [3, 11, 19, 27, 35, 43, 51, 59]],
          "runs stay in the video", [numbers(c[1]) for c in found])
    check(len({name for name, *_ in found}) == 1 and [v for _, _, v, _ in found] == [0, 0],
          "clips of a video have one name")


def variable_rate(at):
    """Frames 0 .. 9 in the first second, 10 .. 59 in the next ten."""
    path = f"{at}/variable.mkv"
    ffmpeg("-f", "lavfi", "-i",
           "nullsrc=s=48x32:r=25,geq=lum='20+2*N':cb=128:cr=128,trim=end_frame=60,"
           "setpts='if(lt(N,10),N*0.1,1+(N-10)*0.2)/TB'",
           "-vsync", "vfr", "-c:v", "ffv1", "-pix_fmt", "yuv420p", path)
    found = numbers(one(path, 11))
    expected = [5] + [10 + int((i + 0.5 - 1) / 0.2) for i in range(1, 11)]
    check(all(abs(a - b) <= 1 for a, b in zip(found, expected)),
          "time counts, not the number of frames", (found, expected))


def leaps_change_nothing(at):
    for name, options in {"long.mp4": ("-c:v", "libx264", "-bf", "3", "-g", "20", "-x264-params",
                                       "open-gop=1"), "long.avi": ("-c:v", "mpeg4", "-g", "25"),
                          "long.mkv": ("-c:v", "libx264", "-x264-params",
                                       "intra-refresh=1:keyint=30"),
                          "long.ts": ("-c:v", "mpeg2video", "-bf", "2")}.items():
        path = f"{at}/{name}"
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:r=25,trim=end_frame=600", "-pix_fmt",
               "yuv420p", "-colorspace", "smpte170m", *options, path)
        exact = decoded(path, 64, 64)
        clip = one(path, 5, size=32)
        for i, number in enumerate(spread(len(exact), 5)):
            gap = numpy.abs(clip[i].astype("i4") - fitted(exact[number], 32)).max()
            check(gap <= 2, f"{name}: frame {number}", gap)


def pictures_are_those_of_ffmpeg(at):
    for width, height, options in ((160, 120, ("-c:v", "libx264", "-pix_fmt", "yuv420p")),
                                   (120, 160, ("-c:v", "mjpeg", "-pix_fmt", "yuvj422p")),
                                   (97, 61, ("-vf", "scale=97:61,setsar=1", "-c:v", "ffv1",
                                             "-pix_fmt", "gbrp")),
                                   (160, 120, ("-c:v", "libx264", "-pix_fmt", "yuv444p10le")),
                                   (64, 64, ("-c:v", "ffv1", "-pix_fmt", "gray"))):
        path = f"{at}/picture.mkv"
        ffmpeg("-f", "lavfi", "-i",
               f"testsrc2=s={width + width % 2}x{height + height % 2}:r=10,trim=end_frame=10",
               *options, path)
        exact, clip = decoded(path, width, height), one(path, 10, size=24)
        gaps = [numpy.abs(clip[i].astype("i4") - fitted(exact[i], 24)).max() for i in range(10)]
        check(max(gaps) <= 2, f"{options}", gaps)
    # 720 lines and more are of the colours of HDTV where the video does not say.
    path = f"{at}/hd.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=1,trim=end_frame=1", "-vf",
           "scale=out_color_matrix=bt709", "-c:v", "ffv1", "-pix_fmt", "yuv420p", path)
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=1,trim=end_frame=1", f"{at}/hd.png")
    gap = numpy.abs(one(path, 1, size=64)[0].astype("i4") -
                    fitted(numpy.asarray(Image.open(f"{at}/hd.png").convert("RGB")), 64)).mean()
    check(gap < 1, "colours of HDTV", gap)
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(f"{at}/clear.gif")
    check((one(f"{at}/clear.gif", 1)[0] == 255).all(), "what is transparent lies on white")


def turned_and_stretched(at):
    plain = f"{at}/plain.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=10,trim=end_frame=4", "-c:v", "libx264",
           "-pix_fmt", "yuv420p", plain)
    upright = one(plain, 4)
    for turn, times in (("90", 1), ("180", 2), ("270", 3)):
        path = f"{at}/turned{turn}.mp4"
        ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v:0", f"rotate={turn}", path)
        exact = decoded(path, *((96, 64) if times == 2 else (64, 96)))
        clip = one(path, 4)
        check(not numpy.array_equal(clip, upright), f"turned by {turn}")
        gap = max(numpy.abs(clip[i].astype("i4") - fitted(exact[i], 16)).max() for i in range(4))
        check(gap <= 3, f"turned by {turn} as ffmpeg does", gap)
    ffmpeg("-f", "lavfi", "-i", "gradients=s=128x128:r=10,trim=end_frame=2", "-c:v", "ffv1",
           "-pix_fmt", "gbrp", f"{at}/square.mkv")
    ffmpeg("-i", f"{at}/square.mkv", "-vf", "scale=64:128,setsar=2", "-c:v", "ffv1", "-pix_fmt",
           "gbrp", f"{at}/wide.mkv")
    gap = numpy.abs(one(f"{at}/wide.mkv", 2).astype("i4") - one(f"{at}/square.mkv", 2)).mean()
    check(gap < 1, "pixels that are twice as wide as high", gap)


def folders_of_frames(at):
    root = f"{at}/folders"
    for video, count in (("run/a", 12), ("run/b", 1), ("walk/c", 5)):
        os.makedirs(f"{root}/{video}")
        for i in range(count):
            shade = (10 * i, 10 * i, 10 * i)
            Image.new("RGB", (20 + i, 30), shade).save(f"{root}/{video}/frame{i}.png" if i % 2
                                                       else f"{root}/{video}/frame{i}.webp",
                                                       **({} if i % 2 else {"lossless": True}))
    Image.new("RGB", (5, 5)).save(f"{root}/run/a/.hidden.png")
    numbered(f"{root}/walk/d.mkv", 10, "-c:v", "ffv1")
    found = clips(root, 4)
    check([(os.path.relpath(name, root), video, label) for name, _, video, label in found] ==
          [("run/a", 0, 0), ("run/b", 1, 0), ("walk/c", 2, 1), ("walk/d.mkv", 3, 1)], "rows", found)
    shades = [[int(frame.mean() / 10 + 0.5) for frame in clip] for _, clip, _, _ in found[:3]]
    check(shades == [[1, 4, 7, 10], [0, 0, 0, 0], [0, 1, 3, 4]],
          "frames in the order of their numbers", shades)
    found = clips(f"{root}/run/a", 12)
    check(len(found) == 1 and [round(f.mean() / 10) for f in found[0][1]] == list(range(12)),
          "one folder", found)
    with open(f"{root}/run/a/frame3.png", "wb") as file:
        file.write(b"\x89PNG, but no picture")
    refused(root, "run/a/frame3.png", frames=12)
    numbered(f"{root}/run/a/e.mkv", 2, "-c:v", "ffv1")
    refused(root, "one video, and it also holds `run/a/e.mkv`")


def damaged(at):
    open(f"{at}/empty.mp4", "wb").close()
    refused(f"{at}/empty.mp4", "cannot be read")
    with open(f"{at}/text.avi", "w") as file:
        file.write("this is no video " * 100)
    refused(f"{at}/text.avi", "cannot be read")
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", f"{at}/sound.mkv")
    refused(f"{at}/sound.mkv", "there is no video in it")
    with open(f"{at}/list.mp4", "w") as file:
        file.write(f"ffconcat version 1.0\nfile {at}/a.mp4\n")
    refused(f"{at}/list.mp4", "cannot be read")
    cut = 0
    for name in KINDS:
        whole = open(f"{at}/{name}", "rb").read()
        with open(f"{at}/cut_{name}", "wb") as file:
            file.write(whole[:len(whole) // 2])
        found = clips(f"{at}/cut_{name}")
        cut += isinstance(found, str) and f"cut_{name}: " in found
    check(cut == 8, "files that are cut short are refused where they say how long they are", cut)
    noisy = f"{at}/noisy.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=128x96:r=25,trim=end_frame=100", "-c:v", "libx264",
           "-pix_fmt", "yuv420p", noisy)
    data = bytearray(open(noisy, "rb").read())
    start = data.find(b"mdat")
    for i in range(start + 2000, start + 12000, 7):
        data[i] ^= 0x5a
    with open(f"{at}/scratched.mp4", "wb") as file:
        file.write(data)
    refused(f"{at}/scratched.mp4", "damaged", frames=50)


def changed_meanwhile(at):
    """What others write to between the look at the folder and the reading of a row is refused, and
    is not called damaged."""
    root = f"{at}/meanwhile"
    for video in ("a", "b"):
        os.makedirs(f"{root}/{video}")
        for i in range(4):
            Image.new("RGB", (20, 30), (10 * i, 0, 0)).save(f"{root}/{video}/{i}.png")
    numbered(f"{root}/c.mkv", 10, "-c:v", "ffv1")
    other = f"{at}/other.png"
    Image.new("RGB", (20, 30), (200, 0, 0)).save(other)
    cases = (("a frame that is another", f"cp {other} {root}/b/2.png", "b/2.png",
              "was changed while"),
             ("a video that goes on", f"printf x >> {root}/c.mkv", "c.mkv", "was changed while"),
             ("a video that is cut", f"truncate -s 900 {root}/c.mkv", "c.mkv", "was changed while"),
             ("a frame that is gone", f"rm {root}/a/1.png", "a/1.png", "cannot be read"))
    for what, between, name, words in cases:
        done = subprocess.run([READ, "clips", root, "frames=4", "size=16", "--between", between],
                              capture_output=True, text=True, timeout=900)
        bad = [line for line in done.stdout.splitlines() if line.startswith("bad")]
        check(len(bad) == 1 and name in bad[0] and words in bad[0], what, done.stdout)


with tempfile.TemporaryDirectory() as at:
    for test in (frames_are_spread, runs_of_frames, variable_rate, leaps_change_nothing,
                 pictures_are_those_of_ffmpeg, turned_and_stretched, folders_of_frames,
                 changed_meanwhile, damaged):
        test(at)
finish()
