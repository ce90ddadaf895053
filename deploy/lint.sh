#!/usr/bin/env bash
# Checks every tracked C++ file: its format, then the bug checks of .clang-tidy.
# Usage: deploy/lint.sh [JOBS]; with FILES="a.cc b.h" only those.
#
# clang-tidy reads its own build folder: clang, and no precompiled header
# (gcc's cannot be read by clang).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly JOBS=${1:-$(nproc)}
readonly LINT_BUILD=build/lint
# `make lint` of any release agrees on the format: 14's where it is here.
FORMAT=$(command -v clang-format-14 || command -v clang-format)
readonly FORMAT

mapfile -t files < <(
  if [ -n "${FILES:-}" ]; then tr ' ' '\n' <<<"$FILES"; else
    git ls-files '*.h' '*.cc'
  fi
)

echo "lint: format of ${#files[@]} files"
"$FORMAT" --dry-run -Werror "${files[@]}"

# Generated headers have to exist before their includers can be read.
cmake -S . -B "$LINT_BUILD" -G Ninja -DCMAKE_CXX_COMPILER=clang++ \
  -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -Wno-dev --log-level=WARNING \
  ${TORCH_DIR:+-DTORCH_DIR="$TORCH_DIR"} >/dev/null
cmake --build "$LINT_BUILD" --parallel "$JOBS" --target operant_generated >/dev/null

mapfile -t sources < <(
  printf '%s\n' "${files[@]}" | grep '\.cc$' |
    grep -F -f <(sed -nE 's|^ *"file": "'"$PWD"'/(.*)",?|\1|p' \
      "$LINT_BUILD/compile_commands.json")
)
echo "lint: clang-tidy of ${#sources[@]} files, $JOBS at a time"
printf '%s\0' "${sources[@]}" |
  xargs -0 -n 1 -P "$JOBS" clang-tidy -p "$LINT_BUILD" --quiet 2> >(
    grep -v 'warnings generated\|warnings treated as errors' >&2
  )
echo "lint: clean"
