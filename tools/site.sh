#!/bin/bash
# tools/site.sh [OUT]: the pages of docs/ as one site in OUT (build/site), with a search that needs
# no network and no server: open OUT/index.html.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/setup.sh"
[ $# -le 1 ] || fail "usage: tools/site.sh [OUT]"
out=${1:-$root/build/site}

packages=$site_packages
install_packages
sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT
/usr/bin/python3 "$root/tools/site/pages.py" "$root" "$sources"
rm -rf "$out"
/usr/bin/python3 -m sphinx -q -W --keep-going -j auto -b html -c "$root/tools/site" \
    -d "$sources/.doctrees" "$sources" "$out"
rm -rf "$out/_sources"
echo "$out/index.html"
