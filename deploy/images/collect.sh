#!/usr/bin/env bash
# Installs a program with the shared libraries it needs, apart from the checkout
# that it was built in:
#
#   deploy/images/collect.sh build/release/cli/operant PREFIX
#
# PREFIX/bin/operant, PREFIX/lib/operant/*.so*; the program finds them from where
# it lies. The C library and the loader are the system's, which must be of the
# release that built it.
set -euo pipefail

readonly PROGRAM=${1:?"usage: collect.sh PROGRAM PREFIX"}
readonly PREFIX=${2:?"usage: collect.sh PROGRAM PREFIX"}
readonly LIBRARIES="$PREFIX/lib/operant"

if ldd "$PROGRAM" | grep 'not found'; then
  echo "collect: the libraries above are missing" >&2
  exit 1
fi
install -D -m 0755 "$PROGRAM" "$PREFIX/bin/operant"
mkdir -p "$LIBRARIES"
# name => path (address)
ldd "$PROGRAM" | awk '$2 == "=>" {print $1, $3}' | while read -r name path; do
  case $name in
    libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | \
      libresolv.so.*) ;;
    *) install -m 0644 "$(readlink -f "$path")" "$LIBRARIES/$name" ;;
  esac
done
echo "collect: $PREFIX/bin/operant and $(find "$LIBRARIES" -type f | wc -l)" \
  "libraries, $(du -sm "$LIBRARIES" | cut -f1) MiB, in $LIBRARIES"
