#!/usr/bin/env python3
"""What a slow reward server costs a run (`make reward-costs`): a server of one
function in Python that takes 200 ms a call, beside the same one that takes
none. For a quiet machine, with the demo's model (`make demo`).

    reward_latency.py OPERANT [--pairs N] [--steps N]

Runs them in turns, at staleness 0 and 1, with a policy that stays as it is, so
that all steps are alike. Writes bench/out/reward_latency.json: rows {name,
outcome: passed|failed|skipped, reason}. Exits with 1 if a row failed.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench/watch"))
from rows import Rows, demo_inputs, judge  # noqa: E402

LATENCY_SECONDS = 0.2
MOST_ADDED_SECONDS = 0.220  # to a step, at staleness 0
MOST_LOST = 0.03  # of the run, at staleness 1
WARM_UP_STEPS = 2
CALLS_AT_ONCE = 16
# Debian's Python, which has Debian's grpc.
SERVER = ["/usr/bin/python3", str(pathlib.Path(__file__).resolve()), "--serve"]
SETTINGS = [
    "run.name=run", "learner.max_seconds=0", "data.eval_prompts=", "data.sft=",
    "data.sft_eval=", "eval.every_steps=0", "checkpoint.every_steps=0",
    "ppo.warmup_steps=0", "ppo.learning_rate=1e-12",
    "ppo.value_learning_rate=1e-12", "reward.no_cache=true",
]


def serve(seconds):
    sys.path.insert(0, str(ROOT / "python/operant_reward"))
    import operant_reward

    def lengths(completions, **_):
        time.sleep(seconds)
        return [len(text) / 100 for text in completions]

    operant_reward.serve(lengths, style="trl", workers=CALLS_AT_ONCE)


def seconds_a_step(operant, base, folder, latency, staleness, steps):
    """(all, of these from the last response to the last score) of one run, the
    warm-up left out."""
    command = ", ".join([*SERVER, str(latency)])
    subprocess.run(
        [operant, "train", "-c", ROOT / "deploy/configs/demo.yaml",
         f"run.root={folder}", f"learner.steps={steps + WARM_UP_STEPS}",
         f"learner.staleness={staleness}",
         f"reward.endpoints=[{{name: slow, command: [{command}]}}]",
         *SETTINGS, *base], cwd=ROOT, check=True, capture_output=True,
        timeout=600)
    lines = (folder / "run/metrics.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if "step_seconds" in row]
    ends = [row["train_seconds"] for row in rows]
    return ((ends[-1] - ends[WARM_UP_STEPS - 1]) / steps,
            statistics.mean(row["score_seconds"]
                            for row in rows[WARM_UP_STEPS:]))


def pairs_of(operant, base, folder, staleness, arguments):
    """(seconds a step without latency, with it) of each pair of runs."""
    found = []
    for i in range(arguments.pairs):
        (fast, fast_wait), (slow, slow_wait) = [
            seconds_a_step(operant, base, folder / f"{staleness}-{i}-{latency}",
                           latency, staleness, arguments.steps)
            for latency in (0, LATENCY_SECONDS)]
        print(f"staleness {staleness}: {fast:.3f} s a step, of these "
              f"{fast_wait:.3f} s from the last response to the last score; "
              f"with latency {slow:.3f} s, {slow_wait:.3f} s", flush=True)
        found.append((fast, slow))
    return found


def check_step(operant, base, folder, arguments, report):
    pairs = pairs_of(operant, base, folder, 0, arguments)
    added = [slow - fast for fast, slow in pairs]
    mean = statistics.mean(added)
    error = 2 * statistics.stdev(added) / len(added) ** 0.5
    figures = (f"{1e3 * mean:.0f} ± {1e3 * error:.0f} ms (mean of {len(added)} "
               "pairs of runs, two standard errors), to a step of "
               f"{statistics.mean(fast for fast, _ in pairs):.2f} s")
    unclear = mean - error < MOST_ADDED_SECONDS <= mean + error
    report("200 ms of latency add at most 220 ms to a step at staleness 0",
           "skipped" if unclear else mean < MOST_ADDED_SECONDS,
           "the machine is not quiet: " * unclear + figures)


def check_run(operant, base, folder, arguments, report):
    pairs = pairs_of(operant, base, folder, 1, arguments)
    outcome, figures = judge([1 - fast / slow for fast, slow in pairs],
                             MOST_LOST)
    report("200 ms of latency cost a run at most 3 % at staleness 1", outcome,
           f"{figures}, of steps of "
           f"{statistics.mean(fast for fast, _ in pairs):.2f} s")


def main():
    if sys.argv[1:2] == ["--serve"]:
        return serve(float(sys.argv[2]))
    parser = argparse.ArgumentParser()
    parser.add_argument("operant", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=5, help="at least 2")
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    operant = arguments.operant.resolve()
    base = demo_inputs()
    if base is None:
        sys.exit("the demo's model is not there; run make demo first")
    rows = Rows("reward_latency")
    with tempfile.TemporaryDirectory(prefix="reward-latency-") as temporary:
        for check in (check_step, check_run):
            rows.attempt(check.__name__, check, operant, base,
                         pathlib.Path(temporary), arguments)
    return rows.write()


if __name__ == "__main__":
    sys.exit(main())
