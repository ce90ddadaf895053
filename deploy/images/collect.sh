#!/usr/bin/env bash
# Gathers a program and the shared libraries it needs into a folder that lies
# over the root of an image:
#
#   deploy/images/collect.sh build/release/cli/operant ROOT
#
# ROOT/usr/local/bin/operant, ROOT/usr/local/lib/operant/*.so*. The C library
# and the loader come from the image's base, which must be of the same release.
set -euo pipefail

readonly PROGRAM=${1:?"usage: collect.sh PROGRAM ROOT"}
readonly ROOT=${2:?"usage: collect.sh PROGRAM ROOT"}
readonly LIBRARIES="$ROOT/usr/local/lib/operant"

install -D -m 0755 "$PROGRAM" "$ROOT/usr/local/bin/operant"
mkdir -p "$LIBRARIES"

if ldd "$PROGRAM" | grep 'not found'; then
  echo "collect: the libraries above are missing" >&2
  exit 1
fi
# name => path (address)
ldd "$PROGRAM" | awk '$2 == "=>" {print $1, $3}' | while read -r name path; do
  case $name in
    libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | \
      libresolv.so.*) ;;
    *) install -m 0644 "$(readlink -f "$path")" "$LIBRARIES/$name" ;;
  esac
done
echo "collect: $(find "$LIBRARIES" -type f | wc -l) libraries," \
  "$(du -sm "$ROOT" | cut -f1) MiB in $ROOT"
