#!/bin/bash
# tools/fuzz.sh [SECONDS] [NAME ...]: the fuzz targets of the readers of data, one after the other, so
# many seconds each (1800 when it is not given): all of them, or those that are named. Their seeds lie
# in tests/runtime/fuzz/seeds/NAME. Prints a line for each target; what a target says lies in
# build/fuzz/NAME.log. Ends with 1 when one found something, and with 2 when one is not there.
#
# Inputs are numbered, and each campaign begins at another number; FROM=N says where, which makes a
# campaign anew. PRESET=asan takes the targets of another build; they have sanitizers in all.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/${PRESET:-dev} logs=$root/build/fuzz seeds=$root/tests/runtime/fuzz/seeds
seconds=1800 from=${FROM:-$(date +%s)000}

case ${1:-} in
    "" | *[!0-9]*) ;;
    *) seconds=$1; shift ;;
esac
if [ $# -gt 0 ]; then names=("$@"); else mapfile -t names < <(ls "$seeds"); fi

for name in "${names[@]}"; do
    [ -d "$seeds/$name" ] && continue
    echo "fuzz.sh: there is no target \`$name\`; there are $(ls "$seeds" | paste -sd ' ')" >&2
    exit 2
done

[ -e "$build/build.ninja" ] || cmake -S "$root" --preset "${PRESET:-dev}" > /dev/null || exit 2
mkdir -p "$logs"
status=0
for name in "${names[@]}"; do
    log=$logs/$name.log
    if ! ninja -C "$build" "fuzz_$name" > "$log" 2>&1; then
        printf '%-10s not built: %s\n' "$name" "$(tail -1 "$log")"
        status=$((status == 1 ? 1 : 2))
        continue
    fi
    begin=$SECONDS
    # Libraries say on stderr what they think of an input; a sanitizer's report is at the end of it.
    "$build/tests/runtime/fuzz/fuzz_$name" "$seeds/$name" --from "$from" --seconds "$seconds" \
        2>&1 > "$log" | tail -c 65536 >> "$log.errors"
    code=${PIPESTATUS[0]}
    tail -c 65536 "$log.errors" >> "$log" && rm -f "$log.errors"
    if [ "$code" = 0 ]; then
        printf '%-10s nothing found: %s, from %s on, in %d s\n' "$name" \
            "$(grep -m 1 ' inputs from ' "$log")" "$from" $((SECONDS - begin))
    else
        printf '%-10s FOUND something after %d s (exit status %d): %s\n' "$name" \
            $((SECONDS - begin)) "$code" "$log"
        status=1
    fi
done
exit $status
