#!/bin/sh
# Writes operant/v1/*_pb2*.py from proto/, with Debian's protoc 3.21: what it
# makes runs with protobuf 4.21 and newer.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
mkdir -p "$out"
for name in trajectory reward; do
  protoc -I ../../proto --python_out="$out" --grpc_python_out="$out" \
    --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" \
    "../../proto/operant/v1/$name.proto"
done
rm -f "$out/operant/v1/trajectory_pb2_grpc.py"
