#!/bin/sh
# Makes the stubs and the server with Debian's packages alone.
#
#   build.sh FOLDER    everything goes there; the server is FOLDER/reward_server
set -eu
[ $# = 1 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 64; }
example=$(cd "$(dirname "$0")" && pwd)
proto=$(cd "$example/../../proto" && pwd)
mkdir -p "$1/src"
out=$(cd "$1" && pwd)

# reward.proto names its Go package; what it imports lies in the same one.
trajectory="Moperant/v1/trajectory.proto=operant/v1;operantv1"
protoc -I "$proto" --go_out="$out/src" --go-grpc_out="$out/src" \
  --go_opt="$trajectory" --go-grpc_opt="$trajectory" \
  "$proto/operant/v1/trajectory.proto" "$proto/operant/v1/reward.proto"

# Debian keeps Go libraries as source under /usr/share/gocode.
export GO111MODULE=off GOPATH="$out:/usr/share/gocode" GOCACHE="$out/cache"
cd "$example"
go build -o "$out/reward_server" .
