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

# A build with NCCL is for GPUs. It loads LibTorch's CUDA half at run time, which
# lies beside the half that it links.
objects=("$PROGRAM")
linked=$(ldd "$PROGRAM")
if grep -q 'libnccl\.so' <<<"$linked"; then
  torch=$(awk '$1 == "libtorch_cpu.so" {print $3}' <<<"$linked")
  objects+=("${torch%/*}"/libtorch_cuda.so "${torch%/*}"/libtorch_cuda_linalg.so)
fi

if ldd "${objects[@]}" | grep 'not found'; then
  echo "collect: the libraries above are missing" >&2
  exit 1
fi
install -D -m 0755 "$PROGRAM" "$PREFIX/bin/operant"
mkdir -p "$LIBRARIES"
for object in "${objects[@]:1}"; do
  install -m 0644 "$object" "$LIBRARIES/"
done
# name => path (address)
ldd "${objects[@]}" | awk '$2 == "=>" {print $1, $3}' | sort -u |
  while read -r name path; do
    case $name in
      libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | \
        libresolv.so.*) ;;
      *) install -m 0644 "$(readlink -f "$path")" "$LIBRARIES/$name" ;;
    esac
  done
echo "collect: $PREFIX/bin/operant and $(find "$LIBRARIES" -type f | wc -l)" \
  "libraries, $(du -sm "$LIBRARIES" | cut -f1) MiB, in $LIBRARIES"
