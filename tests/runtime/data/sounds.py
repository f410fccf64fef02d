"""sounds.py READ_TABLE MODULES: data.sounds beside samples that are computed here, files that
ffmpeg encodes, and damaged files."""
import math
import os
import random
import struct
import subprocess
import sys
import tempfile

import numpy

from dump import check, finish

READ, MODULES = sys.argv[1:3]
os.environ["COUPLET_MODULES"] = MODULES


def run(path, settings):
    arguments = [f"{name}={value}" for name, value in settings.items()]
    with tempfile.NamedTemporaryFile() as raw:
        done = subprocess.run([READ, "sounds", path, *arguments, "--raw", raw.name],
                              capture_output=True, text=True, timeout=300)
        return done, raw.read()


def sounds(path, count, **settings):
    """[(name, wave, length, label)], label -1 where there is none; or the sentence."""
    done, raw = run(path, settings)
    if done.returncode != 0:
        return done.stderr.strip() or done.stdout.strip()
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    labelled = any(line[:2] == ["field", "label"] for line in lines)
    bad = [line for line in lines if line[0] == "bad"]
    if bad:
        return bad[0][-1]
    rows = [line for line in lines if line[0] == "row"]
    check(len(raw) == 4 * count * len(rows), f"{path}: bytes of the rows",
          (len(raw), count, len(rows)))
    waves = numpy.frombuffer(raw, "<f4").reshape(len(rows), count)
    out = [(row[1], wave, int(row[2]), int(row[3]) if labelled else -1) for row,
           wave in zip(rows, waves)]
    return out


def one(path, count, **settings):
    found = sounds(path, count, **settings)
    if isinstance(found, str) or len(found) != 1:
        check(False, f"{path} {settings}", found)
        return numpy.zeros(count, "f4"), 0
    return found[0][1], found[0][2]


def refused(path, words, **settings):
    found = sounds(path, round(float(settings.get("seconds", 1)) * settings.get("rate", 16000)),
                   **settings)
    check(isinstance(found, str), f"{path} is read, and `{words}` expected", found)
    check(isinstance(found, str) and words in found
          and (os.path.basename(path) in found or settings), f"{path}: `{words}`", found)
    check(isinstance(found, str) and all(" " <= c <= "~" or c in "\n\t" for c in found),
          f"{path}: the sentence is plain text", found)


def wav(path, data, rate=16000, channels=1, bits=16, kind=1, size=None):
    block = channels * bits // 8
    body = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, channels, rate, rate * block, block, bits)
    body += struct.pack("<4sI", b"data", len(data) if size is None else size) + data
    with open(path, "wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WAVE") + body)
    return path


def shorts(values):
    return struct.pack(f"<{len(values)}h", *values)


def samples_are_those_of_the_file(at):
    rng = random.Random(1)
    values = [rng.randrange(-32768, 32768) for _ in range(100)]
    exact = numpy.array(values, "f8") / 32768
    path = wav(f"{at}/a.wav", shorts(values))
    wave, length = one(path, 100, seconds=100 / 16000)
    check(length == 100 and numpy.array_equal(wave, exact), "all samples")
    for count in (1, 2, 31, 50, 99):
        wave, length = one(path, count, seconds=count / 16000)
        first = (100 - count) // 2
        check(length == count and numpy.array_equal(wave, exact[first:first + count]),
              f"the middle {count}")
        wave, length = one(path, count, seconds=count / 16000, cut="start")
        check(length == count and numpy.array_equal(wave, exact[:count]), f"the first {count}")
    for count in (101, 300):
        for cut in ("middle", "start"):
            wave, length = one(path, count, seconds=count / 16000, cut=cut)
            check(length == 100 and numpy.array_equal(wave[:100], exact) and not wave[100:].any(),
                  f"padded to {count}")
    wave, length = one(wav(f"{at}/one.wav", shorts([-16384])), 16, seconds=0.001)
    check(length == 1 and wave[0] == -0.5 and not wave[1:].any(), "one sample", wave)
    wave, length = one(wav(f"{at}/one8k.wav", shorts([-16384]), rate=8000), 16, seconds=0.001)
    check(length == 2, "one sample at another rate", (wave, length))
    wave, length = one(wav(f"{at}/one48k.wav", shorts([-16384]), rate=48000), 16, seconds=0.001)
    check(length == 1, "a third of a sample is one", (wave, length))


def kinds_of_numbers(at):
    real = [-1.0, -0.5, 0.0, 0.25, 1.5, 1e-20]
    cases = {
        "u8": (bytes([0, 64, 128, 160, 255]), 8, 1, [-1, -0.5, 0, 0.25, 127 / 128]),
        "s16": (shorts([-32768, 1, 32767]), 16, 1, [-1, 1 / 32768, 32767 / 32768]),
        "s24": (b"\x00\x00\x80" + b"\x01\x00\x00" + b"\xff\xff\x7f", 24, 1,
                [-1, 2**-23, 1 - 2**-23]),
        "s32": (struct.pack("<3i", -2**31, 1, 2**31 - 1), 32, 1, [-1, 2**-31, 1 - 2**-31]),
        "f32": (struct.pack("<6f", *real), 32, 3, real),
        "f64": (struct.pack("<6d", *real), 64, 3, real),
    }
    for name, (data, bits, kind, expected) in cases.items():
        wave, length = one(wav(f"{at}/{name}.wav", data, bits=bits, kind=kind), 32, seconds=0.002)
        check(length == len(expected)
              and numpy.array_equal(wave[:length], numpy.array(expected, "f8").astype("f4")), name,
              wave[:8])
    left, right = [1000, -2000, 3000], [-3000, 500, 7001]
    both = [v for pair in zip(left, right) for v in pair]
    wave, _ = one(wav(f"{at}/stereo.wav", shorts(both), channels=2), 16, seconds=0.001)
    check(numpy.array_equal(wave[:3], (numpy.array(left, "f8") + right) / 65536),
          "the mean of two channels", wave)
    many = [i * 37 - 3000 for i in range(7 * 40)]
    wave, length = one(wav(f"{at}/seven.wav", shorts(many), channels=7), 48, seconds=0.003)
    expected = numpy.array(many, "f8").reshape(40, 7).mean(1) / 32768
    check(length == 40 and numpy.allclose(wave[:40], expected, rtol=1e-6, atol=1e-9),
          "the mean of seven channels")
    # Programs that write into a pipe do not know the length.
    wave, length = one(wav(f"{at}/pipe.wav", shorts([5] * 9), size=0xffffffff), 16, seconds=0.001)
    check(length == 9, "a length that was not known", length)


def tone(frequency, rate, count, phase=0.3):
    return 0.5 * numpy.sin(2 * math.pi * frequency * numpy.arange(count) / rate + phase)


def rates_are_changed_without_aliases(at):
    for old, new in ((44100, 16000), (8000, 16000), (48000, 16000), (16000, 16001), (22050, 44100),
                     (11025, 8000), (96000, 4000)):
        frequency = 0.2 * min(old, new)
        data = numpy.round(tone(frequency, old, old) * 32767).astype("<i2").tobytes()
        path = wav(f"{at}/tone.wav", data, rate=old)
        whole, length = one(path, new, seconds=1, rate=new)
        check(length == new, f"{old} to {new}: length", length)
        exact, inside = tone(frequency, new, new), slice(new // 10, -new // 10)
        check(numpy.abs(whole[inside] - exact[inside]).max() < 1e-4, f"{old} to {new}: the tone",
              numpy.abs(whole[inside] - exact[inside]).max())
        # A part is that part of the whole: nothing of it depends on where it was cut.
        for cut, first in (("middle", (new - new // 4) // 2), ("start", 0)):
            part, length = one(path, new // 4, seconds=0.25, rate=new, cut=cut)
            gap = numpy.abs(part - whole[first:first + new // 4]).max()
            check(length == new // 4 and gap < 1e-5, f"{old} to {new}: the part from the {cut}",
                  gap)
        if new < old:
            data = numpy.round(tone(0.7 * new, old, old) * 32767).astype("<i2").tobytes()
            wave, _ = one(wav(f"{at}/high.wav", data, rate=old), new, seconds=1, rate=new)
            check(numpy.abs(wave[inside]).max() < 1e-4,
                  f"{old} to {new}: what is above half the rate", numpy.abs(wave[inside]).max())
    constant = wav(f"{at}/constant.wav", shorts([8192] * 44100), rate=44100)
    wave, _ = one(constant, 16000)
    check(numpy.abs(wave[1000:-1000] - 0.25).max() < 1e-5, "a constant stays")


def encoded(at, name, *options):
    path = f"{at}/{name}"
    done = subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-i", f"{at}/speech.wav",
                           *options, path], capture_output=True, text=True)
    check(done.returncode == 0, f"ffmpeg makes {name}", done.stderr)
    return path


def formats_agree(at):
    count = 44100
    steps = tone(440, 44100, count) * numpy.linspace(0.1, 1, count) + 0.2 * tone(1234, 44100, count)
    values = numpy.round(steps * 20000).astype("<i2")
    wav(f"{at}/speech.wav", values.tobytes(), rate=44100)
    exact, _ = one(f"{at}/speech.wav", count, rate=44100)
    for name in ("a.flac", "a.aiff", "a.au", "a.w64", "a.caf", "24.flac"):
        options = ("-sample_fmt", "s32") if name == "24.flac" else ()
        wave, length = one(encoded(at, name, *options), count, rate=44100)
        check(length == count and numpy.array_equal(wave, exact), f"{name} has the same samples")
    for name, options, most in (("a.ogg", ("-c:a", "libvorbis", "-q:a", "9"), 0.02),
                                ("a.opus", ("-b:a", "128k"), 0.05),
                                ("a.mp3", ("-b:a", "192k"), 0.02)):
        wave, length = one(encoded(at, name, *options), count, rate=44100)
        check(abs(length - count) < 50, f"{name}: length", length)
        inside = slice(2000, -4000)
        gap = numpy.sqrt(numpy.mean((wave[inside] - exact[inside]) ** 2))
        check(gap < most, f"{name} is near", gap)


def damaged(at):
    open(f"{at}/empty.wav", "wb").close()
    refused(f"{at}/empty.wav", "the file is empty")
    refused(wav(f"{at}/none.wav", b""), "there is no sample in it")
    with open(f"{at}/text.wav", "w") as file:
        file.write("this is no sound " * 20)
    refused(f"{at}/text.wav", "cannot be read")
    whole = open(wav(f"{at}/whole.wav", shorts(range(1000))), "rb").read()
    with open(f"{at}/cut.wav", "wb") as file:
        file.write(whole[:1000])
    refused(f"{at}/cut.wav", "cut short: its header says 2000 bytes of sound, and 956 are there")
    for number, bits in ((math.nan, 32), (math.inf, 64)):
        data = struct.pack("<3f" if bits == 32 else "<3d", 0, number, 0)
        refused(wav(f"{at}/bad.wav", data, bits=bits, kind=3), f"sample 1 is {number}")
    refused(wav(f"{at}/slow.wav", shorts([1] * 9), rate=1), "a factor of 256", rate=16000)
    for name in ("a.flac", "a.aiff", "a.au", "a.ogg", "a.opus", "a.mp3", "a.w64", "a.caf"):
        whole = open(f"{at}/{name}", "rb").read()
        for share in (0.1, 0.5, 0.9):
            path = f"{at}/cut{share}_{name}"
            with open(path, "wb") as file:
                file.write(whole[:int(len(whole) * share)])
            refused(path, "", seconds=2)
    flac = bytearray(open(f"{at}/a.flac", "rb").read())
    for i in range(len(flac) // 2, len(flac) // 2 + 300):
        flac[i] ^= 0x55
    with open(f"{at}/scratched.flac", "wb") as file:
        file.write(flac)
    refused(f"{at}/scratched.flac", "", seconds=2)


def folders_are_classes(at):
    for name, value in (("yes/b", 1), ("yes/a", 2), ("no/c", 3), ("no/.hidden", 4), (".git/d", 5)):
        os.makedirs(os.path.dirname(f"{at}/words/{name}.wav"), exist_ok=True)
        wav(f"{at}/words/{name}.wav", shorts([value]))
    with open(f"{at}/words/yes/readme.txt", "w") as file:
        file.write("no sound")
    found = sounds(f"{at}/words", 16, seconds=0.001)
    check([(os.path.relpath(n, f"{at}/words"), l, round(w[0] * 32768)) for n, w, _, l in found] ==
          [("no/c.wav", 0, 3), ("yes/a.wav", 1, 2), ("yes/b.wav", 1, 1)], "rows", found)
    with open(f"{at}/words/no/x.m4a", "wb") as file:
        file.write(b"x")
    refused(f"{at}/words", "files of this kind are not read")
    refused(f"{at}/a.wav", "\"middle\" or \"start\"", cut="end")
    refused(f"{at}/a.wav", "from 1 to", seconds=1e-9)
    refused(f"{at}/a.wav", "from 1 to", seconds=3600, rate=384000)


with tempfile.TemporaryDirectory() as at:
    for test in (samples_are_those_of_the_file, kinds_of_numbers,
                 rates_are_changed_without_aliases, formats_agree, damaged, folders_are_classes):
        test(at)
finish()
