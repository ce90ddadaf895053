#!/usr/bin/env bash
# Brings a bare Debian 12, Debian 13 or Ubuntu 24.04 to the point where
# `make build` works. Run it as often as you like: what is there stays.
#
#   deploy/setup.sh              packages and LibTorch (what `make setup` runs)
#   deploy/setup.sh --lint       also clang-format and clang-tidy
#   deploy/setup.sh --oracle     also the Python environment of `make oracle`
#   deploy/setup.sh --watch      also Prometheus (`operant train --watch`, `make
#                                watch-check`) and tmux
#   deploy/setup.sh --deploy     also the tools of `make deploy-check`
#   deploy/setup.sh --go         also Go and its gRPC (examples/custom-reward-go)
#
# Environment:
#   TORCH_DIR=DIR   use this LibTorch 2.11 (the folder that holds include/ and
#                   lib/) and install none
#   WITH_CUDA=1|0   full CUDA wheels or not; default: 1 where nvidia-smi works
#   PYTHON=python3  whose pip installs the wheels
#
# Debian's packages need root or sudo; when they are all installed, neither is
# asked for. Everything else goes into .deps/ of this checkout.
set -euo pipefail
export PIP_ROOT_USER_ACTION=ignore
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TORCH_VERSION=2.11.0
readonly DEPS="$PWD/.deps"

readonly BUILD_PACKAGES=(
  build-essential ca-certificates ccache cmake git make mold ninja-build
  pkg-config python3 python3-pip python3-venv
  libabsl-dev libgrpc++-dev libprotobuf-dev protobuf-compiler
  protobuf-compiler-grpc prometheus-cpp-dev libssl-dev
  libcli11-dev libcpp-httplib-dev libfmt-dev libgloo-dev libpcre2-dev
  libspdlog-dev libseccomp-dev libsqlite3-dev libutf8proc-dev libvalijson-dev
  libxxhash-dev libyaml-cpp-dev
  nlohmann-json3-dev libbenchmark-dev libgmock-dev libgtest-dev
  # The sandbox of code rewards.
  bubblewrap
  # Data of the demo, and what a reward server in Python needs.
  wordnet-base python3-grpcio python3-protobuf python3-yaml curl
)
readonly LINT_PACKAGES=(clang clang-format clang-tidy)
# Debian's Prometheus brings promtool; installing it starts a service of its own,
# on port 9090, where systemd runs.
readonly WATCH_PACKAGES=(prometheus tmux)
readonly GO_PACKAGES=(
  golang-go golang-google-grpc-dev golang-google-protobuf-dev
  protoc-gen-go protoc-gen-go-grpc
)
# What rendered manifests are tried with: machines as namespaces, Slurm itself,
# an image and its base.
readonly DEPLOY_PACKAGES=(
  iproute2 nftables util-linux shellcheck systemd
  munge slurm-client slurmctld slurmd
  buildah debootstrap
)

# libtorch_cpu.so needs these two even where there is no GPU.
readonly CPU_WHEELS=(
  "torch==$TORCH_VERSION"
  nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85
)
readonly CUDA_WHEELS=(
  "cuda-toolkit[cublas,cudart,cufft,cufile,cupti,curand,cusolver,cusparse,nvjitlink,nvrtc,nvtx]==13.0.2"
  nvidia-cudnn-cu13==9.19.0.56 nvidia-cusparselt-cu13==0.8.0
  nvidia-nccl-cu13==2.28.9 nvidia-nvshmem-cu13==3.4.5
)

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# phase NAME COMMAND...: runs it and says how long it took.
phase() {
  local name=$1 start=$SECONDS
  shift
  "$@"
  say "$name: done ($((SECONDS - start)) s)"
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    die "Debian packages are missing and this is neither root nor is sudo" \
      "here; run as root: apt-get install ${missing[*]}"
  fi
}

install_packages() {
  command -v dpkg-query >/dev/null ||
    die "this is not Debian or Ubuntu; install the equivalents of:" \
      "${BUILD_PACKAGES[*]}"
  missing=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then
    say "all ${#} Debian packages are installed"
    return
  fi
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get -qq update
  as_root apt-get -qq install -y --no-install-recommends "${missing[@]}" \
    >/dev/null
}

# pip_install FOLDER OPTION-OR-WHEEL...
pip_install() {
  "$PYTHON" -m pip install --quiet --disable-pip-version-check \
    --no-warn-script-location --upgrade --target "$@"
}

# Which Python's pip to use: the first one that has pip.
choose_python() {
  local candidate
  for candidate in ${PYTHON:-python3 /usr/bin/python3}; do
    if "$candidate" -m pip --version >/dev/null 2>&1; then
      PYTHON=$candidate
      return
    fi
  done
  die "no Python with pip found; set PYTHON to one"
}

with_cuda() {
  case ${WITH_CUDA:-auto} in
    1) return 0 ;;
    0) return 1 ;;
    *) nvidia-smi -L >/dev/null 2>&1 ;;
  esac
}

use_torch_dir() {
  [ -f "$TORCH_DIR/include/torch/csrc/api/include/torch/torch.h" ] ||
    die "TORCH_DIR=$TORCH_DIR holds no LibTorch; expected" \
      "include/torch/csrc/api/include/torch/torch.h below it"
  say "using LibTorch at TORCH_DIR=$TORCH_DIR"
}

# Staged and renamed, so that an interrupted install never passes for a whole
# one.
install_torch() {
  if [ -n "${TORCH_DIR:-}" ]; then use_torch_dir; return; fi
  local last_wheel=torch-$TORCH_VERSION what="LibTorch $TORCH_VERSION"
  if with_cuda; then
    last_wheel=nvidia_cudnn_cu13-9.19.0.56 what+=" with CUDA (3 GB)"
  else
    what+=" (530 MB)"
  fi
  if [ -d "$DEPS/python/$last_wheel.dist-info" ]; then
    say "LibTorch $TORCH_VERSION is in .deps/python"
    return
  fi
  choose_python
  say "installing $what into .deps/python"
  local staging="$DEPS/python.partial"
  rm -rf "$staging"
  pip_install "$staging" --no-deps "${CPU_WHEELS[@]}"
  if with_cuda; then pip_install "$staging" "${CUDA_WHEELS[@]}"; fi
  rm -rf "$DEPS/python"
  mv "$staging" "$DEPS/python"
}

# A virtual environment with pinned packages. torch is the wheel that LibTorch
# comes from; stand-ins for CUDA's libraries let Python import it without a GPU.
install_oracle() {
  local requirements=tests/oracle/requirements.txt oracle="$DEPS/oracle"
  local torch=${TORCH_DIR:-$DEPS/python/torch}
  if cmp -s "$requirements" "$oracle/.installed"; then
    say "the oracles' Python environment is in .deps/oracle"
    return
  fi
  choose_python
  say "installing the oracles' Python packages into .deps/oracle"
  rm -rf "$oracle"
  "$PYTHON" -m venv "$oracle"
  "$oracle/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    --requirement "$requirements"
  dirname "$(realpath "$torch")" > \
    "$(echo "$oracle"/lib/python3*/site-packages)/torch.pth"
  "$oracle/bin/python" tests/oracle/cuda_stubs.py "$torch" "$oracle/stubs"
  cp "$requirements" "$oracle/.installed"
}

main() {
  local oracle=0 packages=("${BUILD_PACKAGES[@]}")
  for argument in "$@"; do
    case $argument in
      --lint) packages+=("${LINT_PACKAGES[@]}") ;;
      --oracle) oracle=1 ;;
      --watch) packages+=("${WATCH_PACKAGES[@]}") ;;
      --deploy) packages+=("${DEPLOY_PACKAGES[@]}") ;;
      --go) packages+=("${GO_PACKAGES[@]}") ;;
      -h | --help)
        sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
        exit 0
        ;;
      *) die "unknown argument $argument; expected --lint, --oracle," \
          "--watch, --deploy or --go" ;;
    esac
  done
  phase packages install_packages "${packages[@]}"
  phase LibTorch install_torch
  if [ $oracle = 1 ]; then phase oracle install_oracle; fi
  say "ready ($SECONDS s in all)"
}

main "$@"
