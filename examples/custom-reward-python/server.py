"""A reward server: 1 if the last number of the response is the right one."""
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from operant.v1 import reward_pb2 as pb
from operant.v1 import reward_pb2_grpc as rpc


class MathReward(rpc.RewardServiceServicer):
    def GetInfo(self, request, context):
        return pb.GetInfoResponse(name="math", version="1", api_level=1,
                                  needs=[pb.GetInfoResponse.TEXT],
                                  component_names=["answered"])

    def Score(self, request, context):
        response = pb.ScoreResponse(request_id=request.request_id)
        for item in request.items:
            found = re.findall(r"-?\d+(?:\.\d+)?", item.response)
            correct = bool(found) and found[-1] == item.ground_truth
            response.results.add(id=item.id, score=float(correct),
                                 components={"answered": float(bool(found))})
        return response


server = grpc.server(ThreadPoolExecutor(4))
rpc.add_RewardServiceServicer_to_server(MathReward(), server)
port = server.add_insecure_port(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50061")
server.start()
print(f"reward server on port {port}", flush=True)
server.wait_for_termination()
