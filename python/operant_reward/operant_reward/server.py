"""The gRPC server around a reward function."""
import hmac
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from operant.v1 import reward_pb2 as pb
from operant.v1 import reward_pb2_grpc as rpc
from operant_reward.functions import Batch, Functions, name_of

API_LEVEL = 1
DEFAULT_ADDRESS = "127.0.0.1:50061"
GRACE_SECONDS = 5
LOOPBACK = ("127.", "localhost:", "[::1]:")


class Servicer(rpc.RewardServiceServicer):
    def __init__(self, functions, info):
        self.functions = functions
        self.info = info

    def GetInfo(self, request, context):
        return self.info

    def Score(self, request, context):
        batch = Batch(request.items, request.step)
        return pb.ScoreResponse(
            request_id=request.request_id,
            results=self.functions.score(batch, context.time_remaining()))

    def ScoreStream(self, request_iterator, context):
        for request in request_iterator:
            yield self.Score(request, context)


class BearerToken(grpc.ServerInterceptor):
    """Refuses calls without `authorization: Bearer TOKEN`."""

    def __init__(self, token):
        self.expected = f"Bearer {token}".encode()

        def refuse(request, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong token")
        self.refusal = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(self, continuation, details):
        said = dict(details.invocation_metadata).get("authorization", "")
        if hmac.compare_digest(said.encode(), self.expected):
            return continuation(details)
        return self.refusal


def describe(functions, *, name, version, deterministic, score_range,
             max_batch_items, workers, whole_group, token_ids):
    info = pb.GetInfoResponse(
        name=name or name_of(functions.function), version=version,
        api_level=API_LEVEL, max_batch_items=max_batch_items,
        max_inflight_batches=workers, needs=[pb.GetInfoResponse.TEXT],
        component_names=sorted(functions.components),
        deterministic=deterministic)
    if token_ids:
        info.needs.append(pb.GetInfoResponse.TOKEN_IDS)
    if whole_group:
        info.needs.append(pb.GetInfoResponse.WHOLE_GROUP)
    if score_range is not None:
        info.has_score_range = True
        info.score_min, info.score_max = score_range
    return info


def serve(function, address=None, *, style=None, name=None, version="1",
          components=(), deterministic=False, score_range=None,
          max_batch_items=0, workers=4, whole_group=False, token_ids=False,
          token_file=None, insecure=False, block=True):
    """Serves `function` until SIGINT or SIGTERM; returns the server if not
    `block`.

    address: host:port; default: OPERANT_REWARD_ADDRESS, which `operant train`
        sets for a `command`, else 127.0.0.1:50061. Outside loopback only with
        insecure=True: the connection is not encrypted.
    style: "plain", "verl", "trl" or "openrlhf"; default: found by parameters.
    components: names of a dict answer that are exported as metrics; others are
        kept as notes of the sample.
    deterministic: the same content always gets the same score; it may be
        remembered then.
    score_range: (least, greatest) score; anything outside is refused.
    workers: requests scored at once.
    whole_group: all samples of a prompt come in one request.
    token_ids: fill response_token_ids (TRL's completion_ids).
    token_file: file with a word that callers must send as bearer token.
    """
    address = (address or os.environ.get("OPERANT_REWARD_ADDRESS") or
               DEFAULT_ADDRESS)
    if not insecure and not address.startswith(LOOPBACK):
        raise ValueError(
            f"address {address} leaves this machine unencrypted; pass "
            "insecure=True if the network is yours")
    functions = Functions(function, style, components)
    info = describe(functions, name=name, version=version,
                    deterministic=deterministic, score_range=score_range,
                    max_batch_items=max_batch_items, workers=workers,
                    whole_group=whole_group, token_ids=token_ids)
    interceptors = []
    if token_file is not None:
        with open(token_file, encoding="utf-8") as file:
            interceptors.append(BearerToken(file.read().strip()))
    # One thread more, so that a handshake never waits for a score.
    server = grpc.server(ThreadPoolExecutor(workers + 1),
                         interceptors=interceptors,
                         options=[("grpc.so_reuseport", 0)])
    rpc.add_RewardServiceServicer_to_server(Servicer(functions, info), server)
    port = server.add_insecure_port(address)
    if port == 0:
        raise OSError(f"cannot listen on {address}")
    server.start()
    print(f"reward server on port {port}", flush=True)
    if not block:
        return server
    wait_for_signal()
    server.stop(GRACE_SECONDS).wait()
    return None


def wait_for_signal():
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
