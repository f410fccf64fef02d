#!/bin/sh
# Builds the fuzz target of the readers with libFuzzer, address and undefined sanitizers (Debian: clang-19, libclang-rt-19-dev) and runs it.
# The compiler may be named by CLANG. usage: tests/runtime/fuzz/run.sh [SECONDS]
set -eu
cd "$(dirname "$0")/../../.."
seconds=${1:-600}
build=build/fuzz_runtime
mkdir -p "$build/corpus"
python3 - "$build/corpus" <<'SEEDS'
import io, struct, sys, zipfile
folder = sys.argv[1]
def npy(descr, shape, data, order=False, version=1):
    header = repr({"descr": descr, "fortran_order": order, "shape": shape}).encode() + b"\n"
    length = struct.pack("<H", len(header)) if version == 1 else struct.pack("<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data
seeds = [b"\0" + npy("<f4", (2, 3), bytes(24)), b"\0" + npy(">i8", (3,), bytes(24), True, 2), b"\0" + npy("|u1", (), b"\7", False, 3), b"\0" + npy("<f2", (1, 2), bytes(4))]
for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        archive.writestr("x.npy", npy("<f4", (2, 3), bytes(24)))
        archive.writestr("y.npy", npy("<i4", (4,), bytes(16)))
    seeds.append(b"\1" + out.getvalue())
for number, seed in enumerate(seeds):
    with open(f"{folder}/seed{number}", "wb") as file:
        file.write(seed)
SEEDS
${CLANG:-clang-19} -g -O1 -std=gnu17 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -I. \
    tests/runtime/fuzz/fuzz.c runtime/npy.c runtime/npz.c runtime/data/mapping.c -lz -lm -o "$build/fuzz"
exec "$build/fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -artifact_prefix="$build/" "$build/corpus"
