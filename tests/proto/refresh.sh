#!/bin/sh
# Writes the contract that compatibility_test compares with: run it after an
# addition to proto/, and commit what it changes. A change that the test calls
# incompatible needs a reason in the commit's text.
set -eu
cd "$(dirname "$0")/../.."
binary=$(mktemp)
trap 'rm -f "$binary"' EXIT
protoc -I proto --descriptor_set_out="$binary" proto/operant/v1/*.proto
protoc -I /usr/include --decode google.protobuf.FileDescriptorSet \
  google/protobuf/descriptor.proto < "$binary" > tests/proto/contract.txtpb
