#!/bin/sh
# Writes the contract that compatibility_test compares with: run it after an
# addition to proto/, and commit what it changes. A change that the test calls
# incompatible needs a reason in the commit's text.
set -eu
cd "$(dirname "$0")/../.."
binary=$(mktemp)
trap 'rm -f "$binary"' EXIT
protoc -I proto --descriptor_set_out="$binary" proto/operant/v1/*.proto
# access.proto: names the options that methods carry.
protoc -I proto --decode google.protobuf.FileDescriptorSet \
  operant/v1/access.proto < "$binary" > tests/proto/contract.txtpb
