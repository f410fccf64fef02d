#!/usr/bin/env python3
"""opencl.py COUPLET ROOT: the command line on an OpenCL device: the same training as on the CPU,
resume, and what a missing, full or failing device gets."""
import os
import re
import sys
import tempfile

import command

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import npy

couplet, root = sys.argv[1:3]
check = command.Checks()


# Few kernels, quickly built, and every kind of memory: an input, parameters, a queue.
TINY_SPEC = """
use optim, data
data train = data.fashion_mnist("train")
""" + command.FLAT_NET + """queue Q[96, 8] <- stop(k)
let p[i] = sum[j] k[i, j] * Q[0, j]
loss mean[i] p[i]^2
train { epochs 1, batch 32, optimiser optim.sgd(lr = 0.1) }
"""


def train(out, data, spec, *more, env=None):
    return command.run(couplet, "train", spec, "--data", data, "--seed", 1, "--out", out, *more,
                       env=env)


def close(one, two, tolerance):
    return len(one) == len(two) and all(a[0] == b[0] and abs(a[1] - b[1]) <= tolerance * abs(b[1])
                                        for a, b in zip(one, two))


def same_training(folder, data, spec):
    for device in ("cpu", "opencl"):
        done = train(f"{folder}/{device}", data, spec, "--device", device, "--max-steps", 3)
        check(done.returncode == 0, f"train --device {device} exits 0", done.stderr)
    cpu, opencl = command.losses(f"{folder}/cpu"), command.losses(f"{folder}/opencl")
    check(len(cpu) == 3 and close(opencl[:1], cpu[:1], 1e-5),
          "the first loss agrees to float32 rounding", (cpu, opencl))
    check(close(opencl, cpu, 1e-3), "the next ones agree as far as rounding carries", (cpu, opencl))


def resumes(folder, data, spec):
    whole, parts = f"{folder}/whole", f"{folder}/parts"
    train(whole, data, spec, "--device", "opencl:0", "--max-steps", 4)
    train(parts, data, spec, "--device", "opencl:0", "--max-steps", 2)
    done = train(parts, data, spec, "--device", "opencl:0", "--max-steps", 4, "--resume")
    check(done.returncode == 0, "--resume goes on", done.stderr)
    check(command.last_checkpoint(whole) == command.last_checkpoint(parts),
          "resumed and whole runs end in the same bits")
    done = train(parts, data, spec, "--device", "cpu", "--max-steps", 5, "--resume")
    check(done.returncode == 0 and "not exactly to the bit" in done.stdout,
          "a run may go on elsewhere, and says that it is not exact", done.stdout + done.stderr)


def one_line(done, *parts):
    lines = done.stderr.strip().split("\n")
    return done.returncode == 1 and len(lines) == 1 and all(part in lines[0] for part in parts)


def bad_devices(folder, data, spec):
    done = train(f"{folder}/none", data, spec, "--device", "opencl",
                 env={"OCL_ICD_VENDORS": folder + "/no_drivers"})
    check(one_line(done, "there is no OpenCL device"), "no driver: one line", done.stderr)
    done = train(f"{folder}/none", data, spec, "--device", "opencl:7")
    check(one_line(done, "there is no device opencl:7"), "no such device: one line", done.stderr)
    done = train(f"{folder}/none", data, spec, "--device", "gpu")
    check(done.returncode == 2 and "`gpu` was given" in done.stderr,
          "no device of that name: exit 2", done.stderr)
    check(not os.path.exists(f"{folder}/none"), "no run folder was made")
    done = command.run(couplet, "devices", env={"OCL_ICD_VENDORS": folder + "/no_drivers"})
    check(done.returncode == 0 and "no OpenCL device" in done.stdout,
          "couplet devices without a driver", done.stdout + done.stderr)


def full_device(folder, data):
    """A device of 64 MiB, whatever it has in truth."""
    done = train(f"{folder}/large", data, command.write(f"{folder}/small.cpl", TINY_SPEC),
                 "--device", "opencl", env={"COUPLET_OPENCL_MEMORY": "64MiB"})
    check(one_line(done, "COUPLET_OPENCL_MEMORY", "`64MiB` was given"),
          "a limit that is no number: one line", done.stderr)
    for length, words in ((3000000, "in one piece"), (1500000, "out of memory")):
        large = command.write(f"{folder}/large.cpl",
                              TINY_SPEC.replace("Q[96, 8]", f"Q[{length}, 8]"))
        done = train(f"{folder}/large", data, large, "--device", "opencl", "--max-steps", 1,
                     env={"COUPLET_OPENCL_MEMORY": "64"})
        check(one_line(done, "out of memory", words),
              f"a queue of {length} rows that the device cannot hold: one line", done.stderr)


def calls_of_a_run(folder, data, spec):
    """Fails ever later calls, until a run gets through: the whole run makes fewer calls than
    that."""
    low, high = 1, 64
    while train(f"{folder}/count{high}", data, spec, "--device", "opencl", "--max-steps", 2,
                env={"COUPLET_OPENCL_FAIL": str(high)}).returncode != 0:
        low, high = high, high * 4
    return low, high


def lost_device(folder, data, spec):
    low, high = calls_of_a_run(folder, data, spec)
    # Calls of the opening and, from `low` on, of every kind within a step: copies are under way
    # when some of those fail.
    for number in (1, 5, *range(low, low + 28, 4), (low + high) // 3):
        out = f"{folder}/lost{number}"
        first = train(out, data, spec, "--device", "opencl", "--max-steps", 1)
        before = command.last_checkpoint(out)
        done = train(out, data, spec, "--device", "opencl", "--max-steps", 3, "--resume",
                     env={"COUPLET_OPENCL_FAIL": str(number)})
        failed = one_line(done, "failed or was lost", "CL_OUT_OF_RESOURCES")
        check(first.returncode == 0 and (failed or done.returncode == 0),
              f"call {number} fails: one line", done.stderr)
        check(not failed or command.last_checkpoint(out) == before,
              f"call {number} fails: the last checkpoint is whole")


def library_calls(folder):
    """A call stays on the host, between kernels on the device."""
    path = f"{folder}/x.npy"
    npy.write(path, [3, 4], [0.5, -1, 2, 0.25, 1, 1, -3, 4, 0, 7, 6, 5])
    values = []
    for device in ("cpu", "opencl"):
        done = command.run(couplet, "grad", f"{root}/tests/compiler/formulas/calls.cpl", "--fn",
                           "sorted", "--in", f"x={path}", "--device", device)
        check(done.returncode == 0, f"a library call on {device}", done.stderr)
        values.append(done.stdout)
    check(values[0] == values[1], "both sort alike", values)


def caches(folder, data, spec):
    """From empty caches, Couplet's and the driver's: the second start builds nothing, and a
    damaged file is built again."""
    os.makedirs(f"{folder}/pocl")
    env = {"COUPLET_CACHE": f"{folder}/cache", "POCL_CACHE_DIR": f"{folder}/pocl",
           "COUPLET_OPENCL_CACHE": "always"}
    said = []
    for number in range(3):
        done = train(f"{folder}/cached{number}", data, spec, "--device", "opencl", "--max-steps",
                     2, env=env)
        check(done.returncode == 0, f"start {number + 1} with a cache of its own", done.stderr)
        said.append(done.stdout.split()[0] if done.stdout else "")
        if number == 1:
            for name in os.listdir(f"{folder}/cache"):
                if name.endswith(".opencl"):
                    with open(f"{folder}/cache/{name}", "r+b") as file:
                        file.truncate(100)
    check(said == ["compiled", "loaded", "compiled"],
          "compiled, loaded, and compiled again when the file is damaged", said)
    check(len({str(command.losses(f"{folder}/cached{number}")) for number in range(3)}) == 1,
          "the same bits from all three")


def profiles(spec):
    done = command.run(couplet, "profile", spec, "--device", "opencl", "--steps", 2)
    lines = done.stdout.splitlines()
    check(done.returncode == 0 and lines[0].startswith("opencl:0")
          and "the whole step" in lines[-2], "couplet profile on a device",
          done.stdout + done.stderr)


def shows_devices():
    done = command.run(couplet, "devices")
    check(done.returncode == 0 and re.search(r"^opencl:0 .* GB of memory", done.stdout, re.M)
          and "platform" in done.stdout, "couplet devices", done.stdout + done.stderr)


def writes_kernels(folder):
    path = f"{folder}/simclr.cl"
    done = command.run(couplet, "build", f"{root}/examples/simclr.cpl", "--emit", "opencl", "-o",
                       path)
    text = open(path).read() if check(done.returncode == 0, "couplet build --emit opencl exits 0",
                                      done.stderr) else ""
    kernels = len(re.findall(r"^kernel ", text, re.M))
    placed = len(re.findall(r"^/\* \S+\.cpl:\d+[^*]*\*/\nkernel ", text, re.M))
    check(kernels > 50 and kernels == placed, "each kernel stands below its source line",
          (kernels, placed))
    done = command.run(couplet, "build", f"{root}/examples/simclr.cpl", "--emit", "cuda")
    check(done.returncode == 2 and "`cuda`" in done.stderr and "opencl" in done.stderr,
          "an unknown kind lists what there is", done.stderr)


with tempfile.TemporaryDirectory() as folder:
    data = command.small_data(folder + "/data")
    spec = command.write(f"{folder}/small.cpl", command.SMALL_SPEC)
    shows_devices()
    writes_kernels(folder)
    library_calls(folder)
    tiny = command.write(f"{folder}/tiny.cpl", TINY_SPEC)
    same_training(folder, data, spec)
    resumes(folder, data, tiny)
    bad_devices(folder, data, tiny)
    full_device(folder, data)
    lost_device(folder, data, tiny)
    profiles(tiny)
    caches(folder, data, tiny)
check.finish()
