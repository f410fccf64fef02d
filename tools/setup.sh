# What ./run and ./test share: installs what is missing from Debian's packages and builds. Sourced, with $root set.
# Both steps do nothing when there is nothing to do: dpkg is asked for all packages at once (about 20 ms), ninja finds
# the build up to date.

packages="gcc g++ libc6-dev cmake ninja-build flex bison llvm-19-dev zlib1g-dev libcmocka-dev libjansson-dev \
ocl-icd-opencl-dev opencl-headers pocl-opencl-icd libclblast-dev \
python3 graphviz gnuplot-nox dataset-fashion-mnist ca-certificates git"

# What tools/site.sh needs to make a site of docs/.
site_packages="python3 python3-sphinx python3-myst-parser furo libjs-katex"

fail() {
    echo "$1" >&2
    exit 1
}

# The readers of data that need libraries of their own lie in modules; runtime/data/readers.def says which packages each is built with.
readers="$root/runtime/data/readers.def"

# reader_packages MODULE ..: the packages of these modules; without a name, of all.
reader_packages() {
    local module list="" names="$*"
    [ -n "$names" ] || names=$(sed -n 's/^READER_MODULE(\([a-z0-9_]*\),.*/\1/p' "$readers")
    for module in $names; do
        list="$list $(sed -n "s/^READER_MODULE($module, *\"\(.*\)\")/\1/p" "$readers")"
    done
    echo $list
}

# spec_modules SPEC: the modules of the readers that a spec, or a folder that is one, names.
spec_modules() {
    local reader module
    sed -n 's/^READER(\([a-z0-9_]*\), *"\([a-z0-9_]*\)",.*/\1 \2/p' "$readers" | while read -r reader module; do
        [ -n "$module" ] || continue
        if grep -rqE "data\.$reader\b" "$1"; then echo "$module"; fi
    done | sort -u
}

# needs_readers MODULE ..: the packages of these modules are installed too; without a name, those of all.
needs_readers() {
    local list
    list=$(reader_packages "$@")
    [ -z "$list" ] || packages="$packages pkg-config $list"
}

# installed_packages PACKAGE ..: "installed NAME", one line a package that dpkg knows; the unknown ones are complained about on stderr.
installed_packages() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true
}

missing_packages() {
    local package missing="" installed
    installed=$(installed_packages $packages)
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

# build PRESET [TARGET ..]: configures once, and again when packages of readers have come, then builds what changed: all, or
# these targets. Says nothing when nothing changed.
build() {
    local preset=$1 folder="$root/build/$1" log found
    shift
    log=$(mktemp)
    found=$(installed_packages pkg-config $(reader_packages) | sort)
    if [ ! -f "$folder/build.ninja" ] || [ "$found" != "$(cat "$folder/reader_packages" 2>/dev/null)" ]; then
        echo "Building into $folder" >&2
        if ! (cd "$root" && cmake --preset "$preset") >"$log" 2>&1; then
            cat "$log" >&2
            rm -f "$log"
            # A half-configured folder would look configured the next time.
            rm -f "$folder/CMakeCache.txt" "$folder/build.ninja"
            fail "The build could not be configured; the lines above are CMake's own."
        fi
        echo "$found" >"$folder/reader_packages"
    fi
    if ! ninja -C "$folder" "$@" >"$log" 2>&1; then
        grep -v '^\[' "$log" >&2
        rm -f "$log"
        fail "The build failed; the lines above are the compiler's own."
    fi
    grep -E 'warning:' "$log" >&2 || true
    rm -f "$log"
}
