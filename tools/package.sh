#!/bin/bash
# tools/package.sh [--try] [OUT]: Debian packages of this tree, in OUT (build/packages). --try tries
# them in a clean Debian 12 as well: installed, used, upgraded, purged. That needs root.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/setup.sh"

tries=""
if [ "${1:-}" = --try ]; then
    tries=yes
    shift
fi
[ $# -le 1 ] || fail "usage: tools/package.sh [--try] [OUT]"
mkdir -p "${1:-$root/build/packages}"
out=$(cd "${1:-$root/build/packages}" && pwd)

packages="$packages dpkg-dev debhelper dh-python fakeroot fonts-dejavu-core lintian"
[ -z "$tries" ] || packages="$packages mmdebstrap"
needs_readers
install_packages

# build_packages: from a copy of what git tracks, since the build leaves much beside debian/rules.
build_packages() {
    local copy=$out/source
    rm -rf "$copy" "$out"/*.deb
    mkdir -p "$copy"
    git -C "$root" ls-files -z | tar -C "$root" --null -T - -cf - | tar -C "$copy" -xf -
    echo "Building the packages; the log is $out/build.log" >&2
    if ! (cd "$copy" && DEB_BUILD_OPTIONS="noautodbgsym ${DEB_BUILD_OPTIONS:-}" \
        dpkg-buildpackage -us -uc -b) >"$out/build.log" 2>&1; then
        tail -n 30 "$out/build.log" >&2
        fail "The packages could not be built; the lines above are the end of $out/build.log."
    fi
    lintian --tag-display-limit 0 "$out"/couplet_*.changes >"$out/lintian.log" 2>&1 || true
    rm -rf "$copy"
    ls -1sh "$out"/*.deb
    echo "What lintian says is in $out/lintian.log: $(grep -c '^[EW]:' "$out/lintian.log") lines"
}

# newer_packages FOLDER: the same packages with a later version, for the upgrade.
newer_packages() {
    local deb folder=$1/unpacked version
    version=$(dpkg-parsechangelog -l "$root/debian/changelog" -S Version)
    mkdir -p "$1/newer"
    for deb in "$out"/*.deb; do
        rm -rf "$folder"
        dpkg-deb -R "$deb" "$folder"
        # Its own version, and those that it asks for of its siblings.
        sed -i -e "s/^Version: $version\$/&+later/" -e "s/(= $version)/(= $version+later)/g" \
            "$folder/DEBIAN/control"
        dpkg-deb -Znone -b "$folder" "$1/newer" >/dev/null
    done
    rm -rf "$folder"
}

# try_packages: a fresh system with nothing but what the packages ask for.
try_packages() {
    [ "$(id -u)" = 0 ] || fail "--try makes a system of its own, which only root can do"
    at=$(mktemp -d) # the trap needs it when this function has ended
    trap 'rm -rf "$at"' EXIT
    echo "Making a clean Debian 12" >&2
    mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$at/system"
    mkdir "$at/system/packages"
    newer_packages "$at/system/packages"
    cp "$out"/*.deb "$root/tools/try_packages.sh" "$at/system/packages"
    cp /etc/resolv.conf "$at/system/etc/resolv.conf"
    if ! unshare --mount --pid --fork --mount-proc="$at/system/proc" chroot "$at/system" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root bash /packages/try_packages.sh; then
        fail "The packages do not work in a clean Debian 12."
    fi
}

build_packages
[ -z "$tries" ] || try_packages
