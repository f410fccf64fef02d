# What ./run and ./test share: installs what is missing from Debian's packages and builds. Sourced, with $root set.
# Both steps do nothing when there is nothing to do: dpkg is asked for all packages at once (about 20 ms), ninja finds
# the build up to date.

packages="gcc g++ libc6-dev cmake ninja-build flex bison llvm-19-dev zlib1g-dev libcmocka-dev libjansson-dev \
ocl-icd-opencl-dev opencl-headers pocl-opencl-icd libclblast-dev \
python3 graphviz gnuplot-nox dataset-fashion-mnist ca-certificates git"

fail() {
    echo "$1" >&2
    exit 1
}

missing_packages() {
    local package missing="" installed
    # One line a package that dpkg knows; the unknown ones are complained about on stderr.
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2>/dev/null) || true
    for package in $packages; do
        grep -qx "installed $package" <<<"$installed" || missing="$missing $package"
    done
    echo "$missing"
}

install_packages() {
    command -v dpkg-query >/dev/null || fail "This needs Debian 12 or a relative of it: dpkg-query is not here. Install by hand: $packages"
    local missing as_root="" log
    missing=$(missing_packages)
    [ -z "$missing" ] && return
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "These packages are missing and only root can install them (there is no sudo here):$missing"
        as_root="sudo"
    fi
    echo "Installing from Debian:$missing" >&2
    log=$(mktemp)
    # The package lists may be absent or old: first try with them as they are.
    if ! install_now "$as_root" "$log" $missing; then
        $as_root apt-get update >>"$log" 2>&1 || true
        if ! install_now "$as_root" "$log" $missing; then
            tail -n 15 "$log" >&2
            rm -f "$log"
            fail "apt-get could not install:$missing. It needs the network and Debian 12's package source; the lines above are its own."
        fi
    fi
    rm -f "$log"
}

install_now() {
    local as_root=$1 log=$2
    shift 2
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1
}

# build PRESET: configures once, then builds what changed. Says nothing when nothing changed.
build() {
    local preset=$1 folder="$root/build/$1" log
    log=$(mktemp)
    if [ ! -f "$folder/build.ninja" ]; then
        echo "Building into $folder" >&2
        if ! (cd "$root" && cmake --preset "$preset") >"$log" 2>&1; then
            cat "$log" >&2
            rm -f "$log"
            # A half-configured folder would look configured the next time.
            rm -f "$folder/CMakeCache.txt" "$folder/build.ninja"
            fail "The build could not be configured; the lines above are CMake's own."
        fi
    fi
    if ! ninja -C "$folder" >"$log" 2>&1; then
        grep -v '^\[' "$log" >&2
        rm -f "$log"
        fail "The build failed; the lines above are the compiler's own."
    fi
    grep -E 'warning:' "$log" >&2 || true
    rm -f "$log"
}
