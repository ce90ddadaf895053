"""A reward server that goes wrong once a file appears.

    odd_reward.py STUBS ANNOUNCE TRIGGER invalid|huge

invalid: a third of the scores are NaN. huge: scores are finite, but so large
that the loss overflows.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

STUBS, ANNOUNCE, TRIGGER, FAULT = sys.argv[1:]
sys.path.insert(0, STUBS)
from operant.v1 import reward_pb2 as pb  # noqa: E402
from operant.v1 import reward_pb2_grpc as rpc  # noqa: E402


class OddReward(rpc.RewardServiceServicer):

    def GetInfo(self, request, context):
        return pb.GetInfoResponse(
            name="odd", version="1", api_level=1, max_batch_items=256,
            max_inflight_batches=2, needs=[pb.GetInfoResponse.TEXT])

    def Score(self, request, context):
        answer = pb.ScoreResponse(request_id=request.request_id)
        wrong = os.path.exists(TRIGGER)
        for i, item in enumerate(request.items):
            score = float(len(item.response) % 2)
            if wrong and FAULT == "huge":
                score = 1e30 * (1 + i % 2)
            if wrong and FAULT == "invalid" and i % 3 == 0:
                score = float("nan")
            answer.results.add(id=item.id, score=score)
        return answer


server = grpc.server(ThreadPoolExecutor(4))
rpc.add_RewardServiceServicer_to_server(OddReward(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
with open(ANNOUNCE + ".part", "w") as file:
    json.dump({"address": f"127.0.0.1:{port}"}, file)
os.rename(ANNOUNCE + ".part", ANNOUNCE)
server.wait_for_termination()
