"""The loops of deploy/configs, cut short: each scores what it says it scores.

    reward_configs_test.py OPERANT

Runs the commands that stand in demo-verifier.yaml, demo-ratings.yaml,
demo-code.yaml and docs/howto/preferences.md in a folder of its own, two steps
each, and judges the responses again by other means. The models learn held-out
answers by heart, so that some are right; what the loops teach is measured in
docs/results/rewards.md.
"""

import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "configs"
BY_HEART = ["model.init=random", "sft.max_seconds=60"]
SHORT = ["learner.steps=2", "learner.max_seconds=0",
         "learner.prompts_per_step=16", "learner.minibatch_samples=64",
         "eval.every_steps=0", "eval.samples=16", "checkpoint.every_steps=0"]
LINE = re.compile(r"\s*def f\(x\): return ([x0-9+*() -]+)")


class Workshop:
    """A folder, and the program in it."""

    def __init__(self, operant, root):
        self.operant, self.root = operant, pathlib.Path(root)

    def run(self, verb, *arguments):
        print("operant", verb, *arguments, flush=True)
        done = subprocess.run(
            [self.operant, *verb.split(), *arguments], cwd=self.root,
            env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"it ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return done.stdout

    def rows(self, path):
        text = (self.root / path).read_text()
        return [json.loads(line) for line in text.splitlines()]

    def train(self, *configs, more=()):
        """The responses that the run began with, and its steps."""
        files = [part for name in configs for part in ("-c", CONFIGS / name)]
        name = configs[-1].removesuffix(".yaml")
        self.run("train", *files, f"run.name={name}", *SHORT, *more)
        run = pathlib.Path("runs") / name
        steps = [row for row in self.rows(run / "metrics.jsonl")
                 if "score_mean" in row]
        return self.rows(run / "samples/eval_raw.jsonl"), steps


def check(claim, holds, detail):
    print(f"{'ok  ' if holds else 'FAIL'} {claim}: {detail}", flush=True)
    return bool(holds)


def agreement(name, rows, truth):
    """Whether rows have the scores that `truth` gives to those it judges, and
    it judges some to be right and some to be wrong."""
    judged = [(row, truth(row)) for row in rows]
    judged = [(row, score) for row, score in judged if score is not None]
    wrong = [(row["prompt"], row["response"], row["score"], score)
             for row, score in judged if row["score"] != score]
    scores = {score for _, score in judged}
    return [check(f"{name}: scores are what they should be", not wrong,
                  wrong[:3] or f"{len(judged)} of {len(rows)} judged"),
            check(f"{name}: right and wrong responses were seen",
                  len(scores) > 1, sorted(scores))]


def sum_is_right(row):
    answer = re.fullmatch(r"\s*(\d+)\s*", row["response"])
    a, b = map(int, re.fullmatch(r"(\d+)\+(\d+)=", row["prompt"]).groups())
    return None if answer is None else float(int(answer[1]) == a + b)


def function_of(code):
    return eval(f"lambda x: {code}", {"__builtins__": {}})


def passes(tests, row):
    """None for what is not one line of arithmetic."""
    line = LINE.fullmatch(row["response"])
    try:
        f = function_of(line[1]) if line and "**" not in line[1] else None
    except SyntaxError:
        f = None
    if f is None:
        return None
    cases = re.findall(r"assert f\((\d+)\) == (-?\d+)", tests[row["prompt"]])
    try:
        return float(all(f(int(x)) == int(y) for x, y in cases))
    except TypeError:
        return 0.0


def sandbox():
    """Where bubblewrap cannot run, the processes' own limits hold programs."""
    try:
        bubblewrap = subprocess.run(
            ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "/usr/bin/true"],
            capture_output=True).returncode == 0
    except FileNotFoundError:
        bubblewrap = False
    kind = "bubblewrap" if bubblewrap else "runtime-class"
    return [f"reward.sandbox.kind={kind}", "reward.sandbox.wall_ms=20000"]


def additions(shop):
    data, model = ".cache/addition/data", ".cache/addition/model"
    verifier = CONFIGS / "demo-verifier.yaml"
    shop.run("data addition", "--ratings", "--out", data)
    shop.run("sft", "-c", verifier, *BY_HEART, f"sft.out={model}",
             f"data.sft={data}/heldout.jsonl", "sft.epochs=30")
    rows, _ = shop.train("demo-verifier.yaml", more=["eval.final_samples=313"])
    held = agreement("verifier", rows, sum_is_right)
    rows, _ = shop.train("demo-ratings.yaml", more=["eval.final_samples=313"])
    ratings = {(row["prompt"], row["response"]): row["rating"]
               for row in shop.rows(f"{data}/ratings.jsonl")}
    return held + agreement(
        "ratings", [row for row in rows if row["scored"]],
        lambda row: ratings.get((row["prompt"], row["response"])))


def preferences(shop):
    """Pairs of sums, in place of the demo's words."""
    pairs = ".cache/preferences/pairs.jsonl"
    (shop.root / ".cache/preferences").mkdir(parents=True)
    shop.run("eval", "-c", CONFIGS / "demo-verifier.yaml",
             "eval.temperature=1.3", "eval.final_samples=1252", "--responses",
             ".cache/preferences/scored.jsonl")
    shop.run("data pairs", "--from", ".cache/preferences/scored.jsonl", "--out",
             pairs)
    shop.run("rm", "-c", CONFIGS / "demo-verifier.yaml", "-c",
             CONFIGS / "demo-preferences.yaml", "rm.epochs=1",
             f"data.preferences_eval={pairs}")
    rows, steps = shop.train("demo-verifier.yaml", "demo-preferences.yaml",
                             more=["eval.final_samples=64"])
    scores = {row["score"] for row in rows}
    return [check("preferences: responses are told apart",
                  len(scores) > 8 and all(map(math.isfinite, scores)),
                  f"{len(scores)} scores"),
            check("preferences: both steps were taken", len(steps) == 2,
                  [step["score_mean"] for step in steps])]


def programs(shop):
    data = ".cache/programs/data"
    shop.run("data programs", "--out", data)
    shop.run("sft", "-c", CONFIGS / "demo-code.yaml", *BY_HEART,
             "sft.out=.cache/programs/model", "sft.epochs=60",
             f"data.sft={data}/heldout.jsonl")
    rows, _ = shop.train("demo-code.yaml",
                         more=["eval.final_samples=95", *sandbox()])
    tests = {row["prompt"]: row["ground_truth"]
             for row in shop.rows(f"{data}/heldout_prompts.jsonl")}
    return agreement("code", rows, lambda row: passes(tests, row))


def main():
    with tempfile.TemporaryDirectory(prefix="reward-configs-") as root:
        shop = Workshop(sys.argv[1], root)
        held = additions(shop) + preferences(shop) + programs(shop)
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
