#!/bin/bash
# tools/table.sh [options]: ten methods on two kinds of pictures, their kNN and linear probe with
# deviations over seeds, beside raw pixels, untrained encoders and three of the methods in torch.
# Installs what is missing, builds, runs what has no result yet and prints the table. The options
# are those of tools/table.py; --help says them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/setup.sh"

needs_readers images
case " $* " in
    *" --no-torch "* | *" --print "*) ;;
    *) packages="$packages python3-torch python3-numpy python3-pil" ;;
esac
install_packages
build release program
exec /usr/bin/python3 "$root/tools/table.py" "$root/build/release/couplet" "$@"
