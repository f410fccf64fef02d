#!/bin/sh
# Builds the fuzz target of the graph's text form with libFuzzer, address and undefined sanitizers (Debian: clang-19, libclang-rt-19-dev) and runs it
# on the graphs of the goldens. The compiler may be named by CLANG. usage: tests/compiler/graph/fuzz/run.sh [SECONDS]
set -eu
cd "$(dirname "$0")/../../../.."
seconds=${1:-600}
build=build/fuzz
mkdir -p "$build/graphs"
for file in tests/compiler/passes/golden/*.graph; do
    csplit -s -z -f "$build/graphs/$(basename "$file" .graph)" "$file" '/^# after/' '{*}'
done
${CLANG:-clang-19} -g -O1 -std=gnu17 -D_GNU_SOURCE -DCOUPLET_LIBFUZZER -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -I. \
    tests/compiler/graph/fuzz/fuzz.c compiler/graph/*.c lang/support.c lang/diag.c lang/codes.c runtime/calls.c -lm -o "$build/fuzz_graph"
exec "$build/fuzz_graph" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -artifact_prefix="$build/" "$build/graphs"
