#!/usr/bin/env python3
"""Real processes under faults: nothing is lost, nothing counts twice.

    process_faults.py OPERANT [--faults 30] [--seconds N] [--seed 1]
                      [--keep DIR]

Sessions of one run each, of a tiny model in deterministic mode, as separate
processes behind fault_proxy.py. Faults come one after the other, in rounds of
all kinds, in an order from the seed. A session ends when its run is
done; its weights, ledger and metrics must then be, bit for bit, those of a run
without faults; its ledger must pass check_ledger.py; every process that ended by
itself must have said why. A fault counts once what it did was seen (bytes held,
connections reset, bits flipped, a process in state T). Every other session is
under mutual TLS, where bits flip on every hop; in plaintext they flip in pushed
weights only, whose digests must notice. Prints one JSON object.
"""
import argparse
import collections
import itertools
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
for folder in ("bench/watch", "tests/integration", "tests/chaos"):
    sys.path.insert(0, str(ROOT / folder))
import check_ledger  # noqa: E402
import cluster as clusters  # noqa: E402
import fault_kinds  # noqa: E402
import fault_proxy  # noqa: E402
import resume_test  # noqa: E402
import tiny_model  # noqa: E402

resume_test.STEPS = clusters.STEPS
FAULTY_SECONDS = 60  # of a session; the rest of its run is left alone
STALL_SECONDS = 60  # without a step: it does not go on
QUIET_SECONDS = (0.3, 1.0)  # between faults
MOST_VIOLATIONS = 20  # then it is clear enough


def certificates(operant, folder):
    subprocess.run([operant, "certs", "create", folder / "certs", "--run",
                    "run"], check=True, stdout=subprocess.DEVNULL)
    return [f"security.certs={folder}/certs"]


def through(operant, base, folder, settings):
    """A run without faults: what each session must end like."""
    with fault_proxy.Proxies() as proxies:
        cluster = clusters.Cluster(operant, base, folder, proxies, settings,
                                   [])
        try:
            progress = Progress(cluster)
            while not cluster.tend():
                failed = [e for e in cluster.ends if e[1] != 0]
                if failed or progress.stalled():
                    raise RuntimeError("the run without faults failed: "
                                       + cluster.log("learner")[-2000:])
                time.sleep(0.05)
        finally:
            cluster.end()
    return resume_test.outcome(folder)


class Progress:
    """When a run last committed a step, or took steps back to go on."""

    def __init__(self, cluster):
        self._cluster, self._seen, self._at = cluster, None, time.monotonic()

    def stalled(self):
        steps = fault_kinds.ask_ledger(self._cluster,
                                       "SELECT count(*) FROM steps")
        if steps != self._seen:
            self._seen, self._at = steps, time.monotonic()
        return time.monotonic() - self._at > STALL_SECONDS


def play(session, names, wanted, tally):
    """Faults until `wanted` have fired; then the run is left to end."""
    cluster = session.cluster
    progress = Progress(cluster)
    last_fault = time.monotonic() + FAULTY_SECONDS
    while not cluster.tend() and not progress.stalled():
        session.pause(session.rng.uniform(*QUIET_SECONDS))
        if sum(tally["fired"].values()) >= wanted or \
                time.monotonic() > last_fault:
            continue
        if cluster.steps() < 1 or cluster.processes["learner"].poll() == 0:
            continue
        name = names.next(session.tls)
        fired = fault_kinds.FAULTS[name](session)
        kind = "skipped" if fired is None else "fired" if fired else "unfired"
        tally[kind][name] += 1


def violations_of(session, expected, staleness):
    cluster = session.cluster
    if cluster.processes["learner"].poll() != 0:
        return [f"I11 no step for {STALL_SECONDS} s: "
                + cluster.log("learner")[-800:]]
    found = cluster.untyped_ends()
    found += check_ledger.violations(cluster.folder / "run/ledger.sqlite",
                                     staleness)
    differ = resume_test.differences(expected,
                                     resume_test.outcome(cluster.folder))
    return found + [f"I3 differs from the run without faults: {name}"
                    for name in differ]


def accepted(cluster):
    return check_ledger.read(cluster.folder / "run/ledger.sqlite",
                             "SELECT count(*) FROM accepted JOIN steps "
                             "USING (step)")[0][0]


def pushed(cluster):
    """Versions that workers took over, and pushes that were refused."""
    return (sum(len(re.findall("weights active", cluster.log(worker)))
                for worker in clusters.WORKERS)
            + len(re.findall("weight push failed", cluster.log("learner"))))


class Bench:
    """Sessions one after the other, and their sums."""

    def __init__(self, operant, folder, seed):
        self.operant, self.folder, self.seed = operant, folder, seed
        self.base = tiny_model.make(operant, folder / "model")
        self.security = certificates(operant, folder)
        self.expected = {}
        self.tally = {"fired": collections.Counter(),
                      "unfired": collections.Counter(),
                      "skipped": collections.Counter()}
        self.violations, self.sums = [], collections.Counter()
        self.seconds = collections.defaultdict(list)

    def expectation(self, staleness):
        if staleness not in self.expected:
            self.expected[staleness] = through(
                self.operant, self.base, self.folder / f"through{staleness}",
                [f"learner.staleness={staleness}"])
        return self.expected[staleness]

    def session(self, number, names, wanted):
        staleness, tls = number // 2 % 2, number % 2 == 0
        expected = self.expectation(staleness)
        with fault_proxy.Proxies() as proxies:
            cluster = clusters.Cluster(
                self.operant, self.base, self.folder / f"session{number}",
                proxies, [f"learner.staleness={staleness}"],
                self.security if tls else [], small_disk=True)
            session = fault_kinds.Session(cluster, random.Random(
                self.seed * 1000 + number), tls)
            try:
                play(session, names, wanted, self.tally)
                found = violations_of(session, expected, staleness)
            finally:
                cluster.end()
        for line in found:
            print(f"session {number}: {line}", file=sys.stderr, flush=True)
        self.violations += found
        self.sums["sessions"] += 1
        self.sums["restarts"] += len(cluster.ends)
        self.sums["accepted"] += accepted(cluster)
        self.sums["pushes"] += pushed(cluster)
        self.sums["tampered"] += session.tampered_pushes
        for name, seconds in session.seconds.items():
            self.seconds[name] += seconds

    def run(self, wanted, seconds):
        """Until so many faults have fired and so much time is over."""
        names = fault_kinds.Order(self.seed)
        end = time.monotonic() + seconds
        for number in itertools.count():
            enough = sum(self.tally["fired"].values()) >= wanted
            late = time.monotonic() >= end
            if (enough and late) or len(self.violations) > MOST_VIOLATIONS:
                return
            self.session(number, names, wanted if late else 10**9)

    def result(self):
        return {"faults": sum(self.tally["fired"].values()),
                "unfired": sum(self.tally["unfired"].values()),
                "skipped_kinds": dict(self.tally["skipped"]),
                "kinds": dict(sorted(self.tally["fired"].items())),
                "violations": len(self.violations),
                "examples": self.violations[:5], "seed": self.seed,
                **{f"{name}_seconds": [round(s, 3) for s in self.seconds[name]]
                   for name in ("release", "paused", "back")}, **self.sums}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("operant", type=pathlib.Path)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=0,
                        help="go on as long as this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path,
                        help="leave what the sessions wrote there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="process-faults-") as temporary:
        folder = args.keep or pathlib.Path(temporary)
        bench = Bench(args.operant.resolve(), folder.resolve(), args.seed)
        bench.run(args.faults, args.seconds)
    print(json.dumps(bench.result()))
    sys.exit(bool(bench.violations))


if __name__ == "__main__":
    main()
