"""The Python SDK: every style of function, errors, tokens, the stubs."""
import asyncio
import filecmp
import http.server
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import grpc
import operant_reward
from operant.v1 import reward_pb2 as pb
from operant.v1 import reward_pb2_grpc as rpc
from operant_reward.functions import Batch, Functions
from operant_reward.openrlhf import remote

PACKAGE = pathlib.Path(operant_reward.__file__).parent.parent


def items():
    made = [pb.ScoreItem(id=str(i), prompt="p", response=text,
                         ground_truth="yes", data_source="d",
                         response_token_ids=[1, 2])
            for i, text in enumerate(["yes", "no", "skip"])]
    for item in made:
        item.metadata.update({"solution": item.response + "!"})
    return made


def score(function, **options):
    return Functions(function, **options).score(Batch(items(), 7))


def verl(data_source, solution_str, ground_truth, extra_info=None):
    assert data_source == "d" and extra_info == {"solution": solution_str + "!"}
    return {"score": float(solution_str == ground_truth), "length": 3,
            "remark": "x"}


async def verl_async(data_source, solution_str, ground_truth):
    await asyncio.sleep(0.01)
    return float(solution_str == ground_truth)


def trl(prompts, completions, completion_ids, trainer_state, solution, **kwargs):
    assert trainer_state.global_step == 7 and completion_ids[0] == [1, 2]
    return [None if c == "skip" else float(s == c + "!")
            for c, s in zip(completions, solution)]


async def trl_async(completions, **kwargs):
    return [float(len(c)) for c in completions]


def openrlhf(queries, prompts, labels):
    return {"rewards": [float(q == "p" + l) for q, l in zip(queries, labels)],
            "scores": [0] * len(queries),
            "extra_logs": {"length": [len(q) for q in queries]}}


class Styles(unittest.TestCase):
    def scores(self, function, **options):
        return [r.score if r.HasField("score") else None
                for r in score(function, **options)]

    def test_every_style_is_served_unchanged(self):
        self.assertEqual(self.scores(verl), [1, 0, 0])
        self.assertEqual(self.scores(verl_async), [1, 0, 0])
        self.assertEqual(self.scores(trl), [1, 1, None])
        self.assertEqual(self.scores(trl_async), [3, 2, 4])
        self.assertEqual(self.scores(openrlhf), [1, 0, 0])
        self.assertEqual(self.scores(lambda item: len(item.response)),
                         [3, 2, 4])

    def test_none_is_ignore(self):
        results = score(trl)
        self.assertTrue(results[2].ignore)
        self.assertFalse(results[0].ignore)

    def test_declared_parts_are_components_and_others_notes(self):
        result = score(verl, components=["length"])[0]
        self.assertEqual(dict(result.components), {"length": 3})
        self.assertEqual(dict(result.notes), {"remark": "x"})
        result = score(openrlhf, components=["length"])[1]
        self.assertEqual(dict(result.components), {"length": 3})

    def test_what_goes_wrong_is_an_error_and_never_a_score(self):
        def raises(item):
            raise KeyError("secret")

        def busy(item):
            raise operant_reward.Unavailable("later")
        cases = [(raises, 13, False), (busy, 14, True),
                 (lambda item: float("nan"), 13, False),
                 (lambda item: float("inf"), 13, False),
                 (lambda item: "high", 13, False),
                 (lambda item: {"no": 1}, 13, False),
                 (lambda completions: [1.0], 13, False),
                 (lambda completions: None, 13, False),
                 (lambda queries: {}, 13, False)]
        for function, code, retryable in cases:
            for result in score(function):
                self.assertEqual(result.WhichOneof("outcome"), "error")
                self.assertEqual(result.error.code, code)
                self.assertEqual(result.error.retryable, retryable)

    def test_a_function_of_no_known_style_is_refused(self):
        with self.assertRaises(TypeError):
            Functions(lambda a, b: 0)


class Serving(unittest.TestCase):
    def call(self, sent_token=None, **options):
        """Describes and scores through a server, by both calls."""
        port = free_port()
        server = operant_reward.serve(verl, f"127.0.0.1:{port}", block=False,
                                      **options)
        metadata = ([("authorization", f"Bearer {sent_token}")]
                    if sent_token else [])
        request = pb.ScoreRequest(request_id="r", items=items())
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = rpc.RewardServiceStub(channel)
                info = stub.GetInfo(pb.GetInfoRequest(), metadata=metadata,
                                    timeout=10)
                answer = stub.Score(request, metadata=metadata, timeout=10)
                stream = list(stub.ScoreStream(
                    iter([request]), metadata=metadata, timeout=10))
                self.assertEqual(stream, [answer])
                return info, answer
        finally:
            server.stop(0).wait()

    def test_serves_and_describes(self):
        info, answer = self.call(name="n", components=["length"],
                                 deterministic=True, score_range=(0, 1))
        self.assertEqual((info.name, info.api_level), ("n", 1))
        self.assertEqual((info.score_min, info.score_max), (0, 1))
        self.assertEqual(answer.request_id, "r")
        self.assertEqual([r.id for r in answer.results], ["0", "1", "2"])

    def test_refuses_a_wrong_token(self):
        with tempfile.NamedTemporaryFile("w", suffix=".token") as file:
            file.write("right\n")
            file.flush()
            for sent in (None, "wrong"):
                with self.assertRaises(grpc.RpcError) as raised:
                    self.call(sent, token_file=file.name)
                self.assertEqual(raised.exception.code(),
                                 grpc.StatusCode.UNAUTHENTICATED)
            self.call("right", token_file=file.name)

    def test_leaves_the_machine_only_if_told(self):
        with self.assertRaises(ValueError):
            operant_reward.serve(verl, "0.0.0.0:0", block=False)


class OpenRlhfServer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["labels"][0] == "busy":
            self.send_error(503)
            return
        rewards = [float(q.endswith(l))
                   for q, l in zip(asked["query"], asked["labels"])]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"rewards": rewards}).encode())

    def log_message(self, *_):
        pass


class Bridge(unittest.TestCase):
    def test_an_openrlhf_http_server_answers(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                 OpenRlhfServer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            ask = remote(f"http://127.0.0.1:{server.server_port}/get_reward")
            self.assertEqual([r.score for r in score(ask)], [1, 0, 0])
            busy = items()
            busy[0].ground_truth = "busy"
            results = Functions(ask).score(Batch(busy, 0))
            self.assertTrue(all(r.error.retryable for r in results))
        finally:
            server.shutdown()
            server.server_close()
        self.assertTrue(all(r.error.code == 14 for r in score(ask)))


class Stubs(unittest.TestCase):
    @unittest.skipUnless(shutil.which("grpc_python_plugin"),
                         "NOT CHECKED: no grpc_python_plugin")
    def test_committed_stubs_are_those_of_the_contract(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([PACKAGE / "refresh_stubs.sh", folder], check=True)
            for made in pathlib.Path(folder).rglob("*.py"):
                kept = PACKAGE / made.relative_to(folder)
                self.assertTrue(filecmp.cmp(made, kept, shallow=False), kept)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    unittest.main(verbosity=2)
