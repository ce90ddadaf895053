#!/usr/bin/env python3
"""Effective training time: committed steps x median step without faults, over
the wall time of a run with one fault about every minute, a third of them on the
learner.

    effective_time.py OPERANT [--seconds 1800] [--gap 60] [--seed 1]

First the median, of a run without faults, a tenth as long: of its steps in each
second, so that what is between steps (samples, metrics, checkpoints) is part of
them. The run is that of cluster.py, on a tiny model: its checkpoints are cheap,
its steps short, so this is no figure of a large model's. The disk is not
filled: a long run would fill a small one by itself. Prints one JSON object.
"""
import argparse
import json
import pathlib
import random
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("bench/watch", "tests/chaos"):
    sys.path.insert(0, str(ROOT / folder))
import check_ledger  # noqa: E402
import cluster as clusters  # noqa: E402
import fault_kinds  # noqa: E402
import fault_proxy  # noqa: E402
import tiny_model  # noqa: E402

ENDLESS = ["learner.steps=1000000", "run.deterministic=false",
           "checkpoint.every_steps=20", "learner.staleness=1"]
LEARNER_SHARE = 1 / 3
SHORTEST_MEDIAN_SECONDS = 20


def is_learners(name):
    return name.startswith("learner ")


def pick(rng):
    on_learner = rng.random() < LEARNER_SHARE
    return rng.choice([
        name for name in fault_kinds.FAULTS
        if is_learners(name) == on_learner
        and name not in fault_kinds.TLS_ONLY | {"disk full"}])


def wait_for_step(session):
    if not session.pause(60, lambda: committed(session.cluster)):
        raise RuntimeError(session.cluster.log("learner")[-2000:])


def committed(cluster):
    return fault_kinds.ask_ledger(cluster, "SELECT count(*) FROM steps")


def median_step(operant, base, folder, seconds):
    with fault_proxy.Proxies() as proxies:
        cluster = clusters.Cluster(operant, base, folder, proxies, ENDLESS, [])
        session = fault_kinds.Session(cluster, random.Random(), False)
        rates = []
        try:
            wait_for_step(session)
            end = time.monotonic() + seconds
            while (start := time.monotonic()) < end:
                before = committed(cluster)
                session.pause(1)
                rates.append((committed(cluster) - before)
                             / (time.monotonic() - start))
        finally:
            cluster.end()
    return 1 / statistics.median(rates)


def with_faults(operant, base, folder, args):
    """Committed steps, wall seconds, names of faults, violations."""
    rng = random.Random(args.seed)
    with fault_proxy.Proxies() as proxies:
        cluster = clusters.Cluster(operant, base, folder, proxies, ENDLESS, [])
        session = fault_kinds.Session(cluster, rng, False)
        fired = []
        try:
            wait_for_step(session)
            start = time.monotonic()
            before = committed(cluster)
            due = start
            while (now := time.monotonic()) < start + args.seconds:
                if now < due:
                    session.pause(min(due - now, start + args.seconds - now))
                    continue
                due += rng.uniform(0.5, 1.5) * args.gap
                name = pick(rng)
                if fault_kinds.FAULTS[name](session):
                    fired.append(name)
            steps = committed(cluster) - before
            wall = time.monotonic() - start
            found = cluster.untyped_ends() + check_ledger.violations(
                folder / "run/ledger.sqlite", staleness=1)
        finally:
            cluster.end()
    return steps, wall, fired, found


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
        median = median_step(
            operant, base, folder / "quiet",
            max(args.seconds / 10, SHORTEST_MEDIAN_SECONDS))
        steps, wall, fired, found = with_faults(operant, base,
                                                folder / "faulty", args)
    print(json.dumps({
        "effective": round(steps * median / wall, 4),
        "steps": steps,
        "median_step_seconds": median, "wall_seconds": wall,
        "faults": len(fired), "on_learner": sum(map(is_learners, fired)),
        "violations": len(found), "examples": found[:5], "seed": args.seed}))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
