#!/usr/bin/env python3
"""Effective training time: committed steps x median step without faults, over
the wall time of a run with one fault about every minute, a third of them on the
learner.

    effective_time.py OPERANT [--seconds 1800] [--gap 60] [--seed 1]

The run is that of cluster.py on a tiny model, with steps of about a second and a
checkpoint every 5 of them: Young's rule, sqrt(2 x cost of a checkpoint x time
between failures of the learner), for 50 ms and 3 minutes. It is no figure of a
large model's. The median step is of the same run, of its steps that no fault
touched: steps become shorter as the policy learns to end, so those of another
run, younger or older, would count too much or too little. A checkpoint lies
between two steps and is no part of their median: it costs effective time, as all
else does that is not needed without faults. The disk is not filled: a long run
would fill a small one by itself.

Prints one JSON object. `lost`: of each kind of fault, the seconds that were lost
from it to the next one.
"""
import argparse
import collections
import json
import pathlib
import random
import sqlite3
import statistics
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("bench/watch", "tests/chaos"):
    sys.path.insert(0, str(ROOT / folder))
import check_ledger  # noqa: E402
import cluster as clusters  # noqa: E402
import fault_kinds  # noqa: E402
import fault_proxy  # noqa: E402
import tiny_model  # noqa: E402

STALENESS = 1
ENDLESS = ["learner.steps=1000000", "run.deterministic=false",
           "learner.prompts_per_step=512", "learner.samples_per_prompt=8",
           "learner.minibatch_samples=4096", "checkpoint.every_steps=5",
           f"learner.staleness={STALENESS}"]
LEARNER_SHARE = 1 / 3
SETTLED_SECONDS = 10  # after a fault
LOOK_SECONDS = 0.02
START_SECONDS = 60


def is_learners(name):
    return name.startswith("learner ")


def pick(rng):
    on_learner = rng.random() < LEARNER_SHARE
    return rng.choice([
        name for name in fault_kinds.FAULTS
        if is_learners(name) == on_learner
        and name not in fault_kinds.TLS_ONLY | {"disk full"}])


class Steps:
    """Sees each commit of a run: (when, how many steps are committed now)."""

    def __init__(self, cluster):
        self._path = cluster.folder / "run/ledger.sqlite"
        self.seen = [(time.monotonic(), 0)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self):
        while not self._stop.wait(LOOK_SECONDS):
            try:
                count = check_ledger.read(
                    self._path, "SELECT count(*) FROM steps")[0][0]
            except sqlite3.Error:
                continue  # busy, or not there yet
            if count != self.seen[-1][1]:
                self.seen.append((time.monotonic(), count))

    def committed(self, at=float("inf")):
        return [count for when, count in self.seen if when <= at][-1]

    def untouched(self, faults):
        """From one step's commit to the next one's, where no fault was near."""
        return [b[0] - a[0] for a, b in zip(self.seen[1:], self.seen[2:])
                if b[1] == a[1] + 1 and not any(
                    a[0] - SETTLED_SECONDS < when < b[0] for when in faults)]

    def end(self):
        self._stop.set()
        self._thread.join()


class Run:
    """A run that goes on until it is ended; its first step is committed."""

    def __init__(self, operant, base, folder, rng):
        self._proxies = fault_proxy.Proxies()
        self.cluster = clusters.Cluster(
            operant, base, folder, self._proxies.__enter__(), ENDLESS, [])
        self.session = fault_kinds.Session(self.cluster, rng, False)
        self.steps = Steps(self.cluster)

    def __enter__(self):
        if not self.session.pause(START_SECONDS, self.steps.committed):
            self.__exit__()
            raise RuntimeError(self.cluster.log("learner")[-2000:])
        return self

    def __exit__(self, *_):
        self.steps.end()
        self.cluster.end()
        self._proxies.__exit__()


def with_faults(operant, base, folder, args):
    """The Steps, its start and end, [(when, fault)], violations."""
    rng = random.Random(args.seed)
    with Run(operant, base, folder, rng) as run:
        fired = []
        start = due = time.monotonic()
        while (now := time.monotonic()) < start + args.seconds:
            if now < due:
                run.session.pause(min(due, start + args.seconds) - now)
                continue
            due += rng.uniform(0.5, 1.5) * args.gap
            name = pick(rng)
            if fault_kinds.FAULTS[name](run.session):
                fired.append((now, name))
        end = time.monotonic()
        found = run.cluster.untyped_ends() + check_ledger.violations(
            folder / "run/ledger.sqlite", staleness=STALENESS)
        return run.steps, start, end, fired, found


def lost_seconds(steps, end, fired, median):
    """{kind: seconds between a fault and the next that no step accounts for}"""
    lost = collections.defaultdict(list)
    for (when, name), (until, _) in zip(fired, [*fired[1:], (end, "")]):
        done = steps.committed(until) - steps.committed(when)
        lost[name].append(round(until - when - done * median, 2))
    return dict(sorted(lost.items()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("operant", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--gap", type=float, default=60,
                        help="mean seconds from fault to fault")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    operant = args.operant.resolve()
    with tempfile.TemporaryDirectory(prefix="effective-time-") as temporary:
        folder = pathlib.Path(temporary)
        base = tiny_model.make(operant, folder / "model")
        steps, start, end, fired, found = with_faults(
            operant, base, folder / "faulty", args)
    untouched = steps.untouched([when for when, _ in fired])
    median = statistics.median(untouched)
    committed = steps.committed(end) - steps.committed(start)
    names = [name for _, name in fired]
    print(json.dumps({
        "effective": round(committed * median / (end - start), 4),
        "steps": committed, "median_step_seconds": round(median, 4),
        "untouched_steps": len(untouched),
        "wall_seconds": round(end - start, 1), "faults": len(fired),
        "on_learner": sum(map(is_learners, names)),
        "lost": lost_seconds(steps, end, fired, median),
        "violations": len(found), "examples": found[:5], "seed": args.seed}))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
