"""A worker that is well but for one thing: it never takes new weights.

    old_weights_worker.py STUBS COORDINATOR

It registers, sends heartbeats that say version 0, and accepts connections
without an answer, as a worker behind a link that is far too slow would.
"""

import socket
import sys
import threading
import time

import grpc

STUBS, COORDINATOR = sys.argv[1:]
sys.path.insert(0, STUBS)
from operant.v1 import coordinator_pb2 as pb  # noqa: E402
from operant.v1 import coordinator_pb2_grpc as rpc  # noqa: E402


def swallow(listener):
    connections = []
    while True:
        connections.append(listener.accept()[0])


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=swallow, args=[listener], daemon=True).start()
coordinator = rpc.CoordinatorServiceStub(grpc.insecure_channel(COORDINATOR))
joined = coordinator.Register(
    pb.RegisterRequest(
        protocol_version=1, worker_id="old-weights", slots=1,
        address=f"127.0.0.1:{listener.getsockname()[1]}"), timeout=10)
while True:
    coordinator.Heartbeat(
        pb.HeartbeatRequest(worker_id="old-weights", epoch=joined.epoch,
                            has_weights=True, policy_version=0,
                            weights_digest=b"0" * 32), timeout=10)
    time.sleep(joined.heartbeat_interval_ms / 1000)
