#!/bin/bash
# tools/fuzz.sh [SECONDS | --total SECONDS] [NAME ...]: the fuzz targets of the readers of data, one
# after the other: all of them, or those that are named. SECONDS more of each; with --total, so many
# that they and those of earlier calls come to SECONDS, where only those count that ran with the
# same sources of the target. Without either it is --total 1800. Prints a line for each target; what
# a target says lies in build/fuzz/NAME.log. Ends with 1 when one found something or hangs, and
# with 2 when one is not there.
#
# tools/fuzz.sh --report [NAME ...]: how long each has run by now, and at which commits.
#
# Seeds lie in tests/runtime/fuzz/seeds/NAME. Inputs are numbered; a campaign goes in slices of a
# minute, and after each a line of build/fuzz/NAME.campaigns says the commit (with a + where files
# differed from it), the seconds, the first number, how many inputs, and a hash of the target's
# sources and headers without their comments. So a campaign may be stopped at any time, and the next
# goes on behind its last number. FROM=N begins at N instead, which makes a campaign anew.
#
# PRESET=asan takes the targets of another build; they have sanitizers in all. FUZZ_STATE=FOLDER
# keeps logs and campaigns there in place of build/fuzz, where they outlive the checkout.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/${PRESET:-dev} seeds=$root/tests/runtime/fuzz/seeds
logs=${FUZZ_STATE:-$root/build/fuzz}
sources=(runtime tests/runtime/fuzz)
slice=60 patience=120 # seconds; an input that takes longer than that counts as a hang
mode=total seconds=1800

case ${1:-} in
    --report) mode=report; shift ;;
    --total)
        seconds=${2:-}; shift $(($# < 2 ? $# : 2))
        case $seconds in "" | *[!0-9]*) echo "fuzz.sh: --total takes seconds" >&2; exit 2 ;; esac ;;
    "" | *[!0-9]*) ;;
    *) mode=more seconds=$1; shift ;;
esac
if [ $# -gt 0 ]; then names=("$@"); else mapfile -t names < <(ls "$seeds"); fi

for name in "${names[@]}"; do
    [ -d "$seeds/$name" ] && continue
    echo "fuzz.sh: there is no target \`$name\`; there are $(ls "$seeds" | paste -sd ' ')" >&2
    exit 2
done
mkdir -p "$logs"

# Prints the commit of the tree, with a + where the sources differ from it.
commit() {
    local at
    at=$(git -C "$root" rev-parse --short=12 HEAD 2> /dev/null) || at=unknown
    [ -z "$(git -C "$root" status --porcelain -- "${sources[@]}" 2> /dev/null)" ] || at+=+
    echo "$at"
}

# inputs_of NAME: the files of the tree that the target was built of, below the root, sorted. The
# headers are those that the compiler found when it made the target's objects.
inputs_of() {
    local object
    ninja -C "$build" -t inputs "fuzz_$1" 2> /dev/null | while read -r object; do
        case $object in
            *.o) ninja -C "$build" -t deps "$object" 2> /dev/null | sed -n 's/^    //p' ;;
            *) echo "$object" ;;
        esac
    done | (cd "$build" 2> /dev/null && xargs -rd '\n' realpath -qe --relative-base="$root") |
        grep -v '^/' | sort -u
}

# The text of a source as the compiler sees it, without comments.
bare() {
    "${CC:-cc}" -x c -fpreprocessed -dD -E -P "$root/$1" 2> /dev/null || cat "$root/$1"
}

# Prints a hash of what the target is made of; nothing where that is not known, as before the first
# build. What the build itself makes is left out: it comes from the rest.
print_of() {
    local file files
    files=$(inputs_of "$1" | grep -E '\.(c|h|def)$')
    [ -n "$files" ] || return
    for file in $files; do
        echo "$file"
        bare "$file"
    done | sha256sum | cut -c1-12
}

# Prints a line for each commit that the target ran at: commit, hash, seconds, inputs.
by_commit() {
    [ ! -e "$logs/$1.campaigns" ] || awk 'NF == 5 {
        at = $1 " " $5
        if (!(at in seconds)) order[++count] = at
        seconds[at] += $2; inputs[at] += $4
    } END { for (i = 1; i <= count; i++) print order[i], seconds[order[i]], inputs[order[i]] }' \
        "$logs/$1.campaigns"
}

# seconds_of NAME HASH: the seconds of the target with those sources.
seconds_of() {
    local at made spent inputs sum=0
    while read -r at made spent inputs; do
        [ "$made" != "$2" ] || sum=$((sum + spent))
    done < <(by_commit "$1")
    echo "$sum"
}

# report NAME HASH
report() {
    local at made spent inputs all=0 places=""
    while read -r at made spent inputs; do
        all=$((all + spent))
        places+="${places:+, }$at $spent s, $inputs inputs"
    done < <(by_commit "$1")
    printf '%-10s %6d s, %d s with the sources as they are%s\n' "$1" "$all" \
        "$(seconds_of "$1" "$2")" "${places:+ ($places)}"
}

# Prints the number that the target's next input has.
next_number() {
    [ ! -s "$logs/$1.campaigns" ] || awk 'NF == 5 { next_one = $3 + $4 }
        END { printf "%.0f\n", next_one }' "$logs/$1.campaigns"
}

# run NAME HASH SECONDS: slices until the time is over. Status 1 when an input is found that fails.
run() {
    local name=$1 made=$2 left=$3 log=$logs/$1.log from code count part begin
    from=${FROM:-$(next_number "$name")}
    from=${from:-$(date +%s)000}
    while [ "$left" -gt 0 ]; do
        part=$((left < slice ? left : slice)) begin=$SECONDS
        # Libraries say on stderr what they think of an input; a sanitizer's report is at its end.
        timeout -k 10 $((part + patience)) "$build/tests/runtime/fuzz/fuzz_$name" "$seeds/$name" \
            --from "$from" --seconds "$part" 2>&1 > "$log" | tail -c 65536 > "$log.errors"
        code=${PIPESTATUS[0]}
        cat "$log.errors" >> "$log" && rm -f "$log.errors"
        if [ "$code" != 0 ]; then
            [ "$code" != 124 ] || echo "An input behind number $from hangs." >> "$log"
            printf '%-10s FOUND something after %d s (exit status %d): %s\n' "$name" \
                $((SECONDS - begin)) "$code" "$log"
            return 1
        fi
        count=$(sed -n 's/^\([0-9]*\) inputs from .*/\1/p' "$log" | head -1)
        echo "$now $part $from ${count:-0} $made" >> "$logs/$name.campaigns"
        from=$((from + ${count:-0})) left=$((left - part))
    done
}

# campaign NAME: builds the target and runs it as long as was asked for.
campaign() {
    local name=$1 left=$seconds made
    if ! ninja -C "$build" "fuzz_$name" > "$logs/$name.log" 2>&1; then
        printf '%-10s not built: %s\n' "$name" "$(tail -1 "$logs/$name.log")"
        return 2
    fi
    made=$(print_of "$name")
    if [ -z "$made" ]; then
        printf '%-10s of which sources it is built, ninja does not say\n' "$name"
        return 2
    fi
    [ "$mode" = more ] || left=$((seconds - $(seconds_of "$name" "$made")))
    run "$name" "$made" "$left" || return 1
    printf '%-10s nothing found: ' "$name"
    report "$name" "$made" | cut -c12-
}

now=$(commit)
if [ "$mode" = report ]; then
    for name in "${names[@]}"; do report "$name" "$(print_of "$name")"; done
    exit
fi
[ -e "$build/build.ninja" ] || cmake -S "$root" --preset "${PRESET:-dev}" > /dev/null || exit 2
status=0
for name in "${names[@]}"; do
    exec 9> "$logs/$name.lock"
    if flock -n 9; then
        campaign "$name"
        code=$?
    else
        printf '%-10s runs already\n' "$name"
        code=2
    fi
    [ "$status" = 1 ] || [ "$code" = 0 ] || status=$code
done
exit $status
