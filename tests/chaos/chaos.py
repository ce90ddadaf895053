#!/usr/bin/env python3
"""Proves what docs/ledger.md promises, and prints one table.

  chaos.py --build-dir build/release [--seconds 600] [--seed 1] [--rows a,b]

Each row is a program that prints one JSON object on its last line of standard
output; the chosen rows share the seconds. The table goes to
bench/out/chaos.json: for each row `value` (how much was tried), `violations`, and
what it said. A row whose program is not built, or that ran out of time, is
`skipped`, never passed.

Runs of one source tree add up: the file keeps what each seed gave (`runs`), and
the table sums those of different seeds. A tree with changes that are not
committed adds to nothing.
"""
import argparse
import dataclasses
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time
from typing import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/chaos"))
import chaos_sums  # noqa: E402
from chaos_programs import (  # noqa: E402
    Context, Skipped, last_json, once, output_of)

# What a result depends on.
SOURCES = ("CMakeLists.txt", "bench", "cli", "cmake", "common", "learner",
           "proto", "reward", "rollout", "tests")
RESULTS = "bench/results"


@dataclasses.dataclass
class Row:
    name: str
    bench: str  # rows of one bench are of one run of it
    share: float  # of all seconds, beside the other benches
    run: Callable[[Context], dict]  # -> {"value", "violations", ...}


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


@once
def process_faults(context):
    """One bench of real processes: several rows."""
    said, _ = last_json(
        [ROOT / "tests/chaos/process_faults.py",
         context.build / "cli/operant", "--faults", 30, "--seconds",
         context.seconds, "--seed", context.seed], context,
        timeout=3 * context.seconds + 1200)
    return said


def faults(context):
    said = process_faults(context)
    return {"value": said["faults"],
            **{key: said[key] for key in ("violations", "unfired", "kinds",
                                          "skipped_kinds", "examples",
                                          "sessions", "restarts")}}


def part_of_faults(key, *others):
    """A row of what the row `faults` did: the seconds are its."""
    def row(context):
        said = process_faults(context)
        return {"value": said[key], "violations": said["violations"],
                **{other: said[other] for other in others}}
    return row


def p95_of(key, limit):
    """Of seconds that the row `faults` took; a violation if over `limit`."""
    def row(context):
        seconds = process_faults(context)[key]
        if not seconds:
            raise Skipped("no such fault took anything away")
        return chaos_sums.p95_row(seconds, limit)
    return row


def resumed(context, cycles):
    """What tests/integration/resume_test.py says of so many cycles; each time
    it also kills a run at every failpoint."""
    program = context.build / "tests/integration/operant_failpoints"
    if not program.exists():
        raise Skipped(f"{program} is not built")
    output, _ = output_of(
        [sys.executable, ROOT / "tests/integration/resume_test.py", program,
         cycles, context.seed], 4 * context.seconds + 1800)
    said = re.search(r"(\d+) cycles, (\d+) failpoints, (\d+) kills, "
                     r"(\d+) differ", output)
    if said is None:
        raise RuntimeError(f"resume_test.py said no sum: {output[-2000:]}")
    return [int(number) for number in said.groups()]


@once
def resume_rounds(context):
    """Rounds until the time is up, and every failpoint in each of them."""
    end = time.monotonic() + context.seconds
    total = {"value": 0, "violations": 0, "kills": 0, "failpoints": 0,
             "rounds": 0}
    while True:
        seed = context.seed * 1000 + total["rounds"]
        cycles, sites, kills, differ = resumed(
            dataclasses.replace(context, seed=seed), CYCLES)
        total["value"] += cycles
        total["violations"] += differ
        total["kills"] += kills
        total["failpoints"] = sites
        total["rounds"] += 1
        if time.monotonic() >= end:
            return total


def resume_cycles(context):
    said = resume_rounds(context)
    return {key: said[key] for key in ("value", "violations", "kills")}


def failpoints(context):
    """Sites of the source, each hit once a round."""
    said = resume_rounds(context)
    return {"value": said["failpoints"], "violations": said["violations"],
            "hits_each": said["rounds"]}


def effective_time(context):
    """The bar is for half an hour at a fault a minute; what is shorter is a
    value without a verdict on it."""
    said, _ = last_json(
        [ROOT / "tests/chaos/effective_time.py",
         context.build / "cli/operant", "--seconds",
         max(context.seconds, SHORTEST_EFFECTIVE_SECONDS),
         "--seed", context.seed], context)
    return chaos_sums.effective_row([said])


def accept_rate(context):
    """Responses a second through a synced ledger, of 64 workers."""
    _, code = output_of([context.build / "bench/accept_bench"], 600)
    if code:
        raise RuntimeError(f"accept_bench ended with exit code {code}")
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
SHORTEST_EFFECTIVE_SECONDS = 120
# The order is that of the table.
ROWS = [
    Row("simulated-clusters", "simulation", 0.2, simulated_clusters),
    Row("resume-cycles", "resume", 0.25, resume_cycles),
    Row("failpoints", "resume", 0.25, failpoints),
    Row("crash-states", "crash", 0.1, crash_states),
    Row("faults", "faults", 0.3, faults),
    Row("trajectories", "faults", 0.3, part_of_faults("accepted")),
    Row("weight-pushes", "faults", 0.3, part_of_faults("pushes", "tampered")),
    Row("release-p95", "faults", 0.3, p95_of("release_seconds", 5)),
    # Its lease is the 1 s of heartbeats that it may miss (cluster.py).
    Row("paused-release-p95", "faults", 0.3, p95_of("paused_seconds", 1 + 1)),
    Row("back-p95", "faults", 0.3, p95_of("back_seconds", 15)),
    Row("effective-time", "effective", 0.15, effective_time),
    # They take as long as they take.
    Row("accept-rate", "accept", 0, accept_rate),
    Row("planted-bugs", "planted", 0, planted_bugs),
]


def git(*arguments):
    return subprocess.run(["git", "-C", str(ROOT), *arguments],
                          capture_output=True, text=True).stdout.strip()


def source_tree():
    """Of SOURCES; None if they have changes, which no name stands for."""
    if git("status", "--porcelain", "--", *SOURCES, f":(exclude){RESULTS}"):
        return None
    listed = [line for line in git("ls-tree", "-r", "HEAD", "--",
                                   *SOURCES).splitlines()
              if RESULTS not in line]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()[:16]


def run_row(row, context):
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


def run_rows(chosen, args):
    shares = {row.bench: row.share for row in chosen}
    whole = sum(shares.values()) or 1
    for row in chosen:
        said = run_row(row, Context(args.build_dir.resolve(),
                                    args.seconds * row.share / whole,
                                    args.seed))
        print(json.dumps(said), file=sys.stderr, flush=True)
        yield said


def earlier_runs(out, tree):
    """What other runs of this source tree left there."""
    try:
        said = json.loads(out.read_text())
    except (OSError, ValueError):
        return []
    return said.get("runs", []) if tree and said.get("tree") == tree else []


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
    rows = list(run_rows([row for row in ROWS
                          if not wanted or row.name in wanted], args))
    out = ROOT / "bench/out/chaos.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    tree = source_tree()
    runs = chaos_sums.add_run(earlier_runs(out, tree), args.seed, rows)
    table = chaos_sums.table(runs, [row.name for row in ROWS])
    out.write_text(json.dumps(
        {"commit": git("describe", "--always", "--dirty") or "unknown",
         "tree": tree, "seeds": [run["seed"] for run in runs],
         "rows": table, "runs": runs}, indent=1) + "\n")
    print_table(table)
    bad = any(row["violations"] or "skipped" in row for row in table)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
