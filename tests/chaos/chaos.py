#!/usr/bin/env python3
"""Proves what docs/ledger.md promises, and prints one table.

  chaos.py --build-dir build/release [--seconds 600] [--seed 1] [--rows a,b]

Each row is a program that prints one JSON object on its last line of standard
output. It gets a share of the seconds. The table goes to bench/out/chaos.json:
for each row `value` (how much was tried), `violations`, and what it said. A row
whose program is not built, or that ran out of time, is `skipped`, never passed.
"""
import argparse
import dataclasses
import functools
import json
import math
import pathlib
import re
import subprocess
import sys
import time
from typing import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Context:
    build: pathlib.Path
    seconds: float  # of this row
    seed: int


@dataclasses.dataclass
class Row:
    name: str
    share: float  # of all seconds
    run: Callable[[Context], dict]  # -> {"value", "violations", ...}


class Skipped(Exception):
    """Why a row could not be tried."""


def last_json(command, context, timeout=None):
    """Runs `command`; its last line of output as JSON, its exit code."""
    program = pathlib.Path(command[0])
    if not program.exists():
        raise Skipped(f"{program} is not built")
    try:
        result = subprocess.run(
            [str(c) for c in command], cwd=ROOT, capture_output=True,
            text=True, timeout=timeout or 4 * context.seconds + 600)
    except subprocess.TimeoutExpired as error:
        raise Skipped(f"ran out of time: {error.timeout:.0f} s") from error
    sys.stderr.write(result.stderr[-4000:])
    lines = result.stdout.strip().splitlines()
    if not lines:
        raise Skipped(f"{program.name} said nothing, exit {result.returncode}")
    return json.loads(lines[-1]), result.returncode


def simulated_clusters(context):
    """Chunks of clusters with disjoint seeds until the time is up."""
    end = time.monotonic() + context.seconds
    total = {"value": 0, "violations": 0, "steps": 0, "accepted": 0,
             "faults": 0}
    while True:
        said, code = last_json(
            [context.build / "tests/simulation/simulate", "--clusters", 500,
             "--require-probes", "--seed",
             context.seed * 1_000_000 + total["value"]], context)
        total["value"] += said["clusters"]
        total["violations"] += said["violations"] + said["probes_missing"]
        for key in ("steps", "accepted", "faults"):
            total[key] += said[key]
        total["violations"] += code != 0 and said["violations"] == 0
        if time.monotonic() >= end:
            return total


def crash_states(context):
    """Rounds of states; those of one round differ from each other."""
    end = time.monotonic() + context.seconds
    total = {"value": 0, "violations": 0, "rounds": 0}
    while True:
        said, _ = last_json(
            [context.build / "tests/chaos/crash_states", "--states", 2500,
             "--steps", 12 + 8 * (total["rounds"] % 4), "--seed",
             context.seed * 1000 + total["rounds"]], context)
        for key in ("states", "violations"):
            total["value" if key == "states" else key] += said[key]
        total["rounds"] += 1
        # Each round records a run of another length: none repeats the last.
        if total["rounds"] >= 2 and time.monotonic() >= end:
            return total


@functools.cache
def process_faults(build, seconds, seed):
    """One bench of real processes: several rows."""
    context = Context(build, seconds, seed)
    said, _ = last_json(
        [ROOT / "tests/chaos/process_faults.py",
         build / "cli/operant", "--faults", 30, "--seconds", seconds,
         "--seed", seed], context, timeout=3 * seconds + 1200)
    return said


def faults(context):
    said = process_faults(context.build, context.seconds, context.seed)
    return {**said, "value": said["faults"]}


def part_of_faults(key, *others):
    """A row of what the row `faults` did: the seconds are its."""
    def row(context):
        said = process_faults(context.build, context.seconds, context.seed)
        return {"value": said[key], "violations": said["violations"],
                **{other: said[other] for other in others}}
    return row


def p95_of(key, limit):
    """Of seconds that the row `faults` took; a violation if over `limit`."""
    def row(context):
        said = process_faults(context.build, context.seconds, context.seed)
        seconds = sorted(said[key])
        if not seconds:
            raise Skipped("no such fault took anything away")
        p95 = seconds[math.ceil(0.95 * len(seconds)) - 1]
        return {"value": round(p95, 3), "violations": int(p95 > limit),
                "unit": "s", "limit": limit, "samples": len(seconds)}
    return row


def resumed(context, cycles):
    """What tests/integration/resume_test.py says of so many cycles; each time
    it also kills a run at every failpoint."""
    program = context.build / "tests/integration/operant_failpoints"
    if not program.exists():
        raise Skipped(f"{program} is not built")
    result = subprocess.run(
        [sys.executable, str(ROOT / "tests/integration/resume_test.py"),
         str(program), str(cycles), str(context.seed)],
        capture_output=True, text=True, timeout=4 * context.seconds + 1800)
    said = re.search(r"(\d+) cycles, (\d+) failpoints, (\d+) kills, "
                     r"(\d+) differ", result.stdout)
    if said is None:
        raise RuntimeError(f"resume_test.py: {result.stderr[-2000:]}")
    return [int(number) for number in said.groups()]


def resume_cycles(context):
    """Rounds until the time is up, and every failpoint in each of them."""
    end = time.monotonic() + context.seconds
    total = {"value": 0, "violations": 0, "kills": 0, "failpoints": 0,
             "failpoint_rounds": 0}
    while True:
        seed = context.seed * 1000 + total["failpoint_rounds"]
        cycles, sites, kills, differ = resumed(
            dataclasses.replace(context, seed=seed), CYCLES)
        total["value"] += cycles
        total["violations"] += differ
        total["kills"] += kills
        total["failpoints"] = sites
        total["failpoint_rounds"] += 1
        if time.monotonic() >= end:
            return total


@functools.cache
def resume_cycles_once(build, seconds, seed):
    return resume_cycles(Context(build, seconds, seed))


def failpoints(context):
    """Sites of the source, each hit once a round."""
    said = resume_cycles_once(context.build, context.seconds, context.seed)
    return {"value": said["failpoints"], "violations": said["violations"],
            "hits_each": said["failpoint_rounds"]}


def effective_time(context):
    """At least half an hour, or it is skipped: a fault a minute is rare."""
    if context.seconds < 1800:
        raise Skipped(f"its share is {context.seconds:.0f} s of the 1800 s that "
                      "it takes; try --rows effective-time --seconds 18000")
    said, _ = last_json(
        [ROOT / "tests/chaos/effective_time.py",
         context.build / "cli/operant", "--seconds", context.seconds,
         "--seed", context.seed], context)
    return {**said, "value": said["effective"], "violations":
            said["violations"] + int(said["effective"] < 0.9)}


def accept_rate(context):
    """Responses a second through a synced ledger, of 64 workers."""
    last = context.build / "bench/accept_bench"
    if not last.exists():
        raise Skipped(f"{last} is not built")
    subprocess.run([str(last)], cwd=ROOT, check=True, timeout=600,
                   capture_output=True)
    rows = {row["name"]: row for row in json.loads(
        (ROOT / "bench/out/accept.json").read_text())["rows"]}
    rate, p99 = rows["accept-rate"]["value"], rows["accept-latency-p99"]["value"]
    return {"value": round(rate), "violations": int(rate < 1500 or p99 > 300),
            "unit": "1/s", "p99_ms": round(p99, 1)}


def planted_bugs(context):
    said, _ = last_json(
        [ROOT / "tests/simulation/planted_bugs.py", "--build-dir",
         context.build], context, timeout=3600)
    return {"value": said["planted"],
            "violations": said["planted"] - said["caught"]}


# Cycles of a round of resume_test.py.
CYCLES = 5
# One row, one function. The order is that of the table. Rows with one share
# that stand together are of one bench and share its time.
ROWS = [
    Row("simulated-clusters", 0.2, simulated_clusters),
    Row("resume-cycles", 0.25, lambda c: resume_cycles_once(
        c.build, c.seconds, c.seed)),
    Row("failpoints", 0.25, failpoints),
    Row("crash-states", 0.1, crash_states),
    Row("faults", 0.3, faults),
    Row("trajectories", 0.3, part_of_faults("accepted")),
    Row("weight-pushes", 0.3, part_of_faults("pushes", "tampered")),
    Row("release-p95", 0.3, p95_of("release_seconds", 5)),
    # Its lease is the 1 s of heartbeats that it may miss (cluster.py).
    Row("paused-release-p95", 0.3, p95_of("paused_seconds", 1 + 1)),
    Row("back-p95", 0.3, p95_of("back_seconds", 15)),
    Row("effective-time", 0.1, effective_time),
    Row("accept-rate", 0, accept_rate),
    Row("planted-bugs", 0.1, planted_bugs),
]


def commit():
    described = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
        capture_output=True, text=True)
    return described.stdout.strip() or "unknown"


def run_row(row, args):
    context = Context(args.build_dir.resolve(), args.seconds * row.share,
                      args.seed)
    start = time.monotonic()
    try:
        said = row.run(context)
    except Skipped as why:
        said = {"value": 0, "violations": 0, "skipped": str(why)}
    except (RuntimeError, OSError, ValueError, KeyError,
            subprocess.SubprocessError) as error:
        said = {"value": 0, "violations": 1, "error": repr(error)[-2000:]}
    return {"name": row.name, **said,
            "seconds": round(time.monotonic() - start, 1)}


def print_table(rows):
    print(f"{'row':<20} {'value':>10} {'violations':>10} {'seconds':>9}")
    for row in rows:
        print(f"{row['name']:<20} {row['value']:>10} {row['violations']:>10} "
              f"{row['seconds']:>9}  {row.get('skipped', row.get('error', ''))}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", default="",
                        help="only these, separated by commas")
    args = parser.parse_args()
    wanted = set(filter(None, args.rows.split(",")))
    unknown = wanted - {row.name for row in ROWS}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    rows = [run_row(row, args) for row in ROWS
            if not wanted or row.name in wanted]
    out = ROOT / "bench/out/chaos.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"commit": commit(), "seed": args.seed,
                               "rows": rows}, indent=1) + "\n")
    print_table(rows)
    bad = any(row["violations"] or "skipped" in row for row in rows)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
