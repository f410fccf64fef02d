#!/bin/sh
# Builds the fuzz target with libFuzzer, address and undefined sanitizers (Debian: clang-19, libclang-rt-19-dev) and runs it on the library,
# the examples and the checker's cases. The compiler may be named by CLANG. usage: tests/lang/fuzz/run.sh [SECONDS]
set -eu
cd "$(dirname "$0")/../../.."
seconds=${1:-600}
build=build/fuzz
cmake --preset dev > /dev/null
cmake --build --preset dev --target couplet > /dev/null
mkdir -p "$build/corpus"
cp stdlib/*.cpl stdlib/losses/*.cpl examples/*.cpl examples/*/*.cpl tests/lang/check/*.cpl tests/golden/*.cpl "$build/corpus/"
${CLANG:-clang-19} -g -O1 -std=gnu17 -D_GNU_SOURCE -DCOUPLET_LIBFUZZER -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -I. -Ibuild/dev/lang \
    tests/lang/fuzz/fuzz.c compiler/driver/library_reader.c lang/*.c $(find build/dev/lang -name '*.c' -not -path '*/CMakeFiles/*') $(find build/dev/compiler/driver -name library.c) -lm -o "$build/fuzz"
exec "$build/fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=100000 -artifact_prefix="$build/" "$build/corpus"
