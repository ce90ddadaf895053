"""Checks of a run that is well, from its start to its end."""

import json
import subprocess
import sys
import time
import tomllib

from prometheus import ROOT, Prometheus
from run import Run, samples, scrape

sys.path.insert(0, str(ROOT / "common/base"))
from generate_metrics import Family  # noqa: E402

SCRAPE_LIMIT_SECONDS = 0.020


def families():
    with open(ROOT / "common/base/metrics.toml", "rb") as file:
        tables = tomllib.load(file)
    tables.pop("when")
    return [Family(name, table) for name, table in tables.items()]


def steady_page(run, seconds=60):
    """A learner's page that no step changed while it was read, and the rows of
    metrics.jsonl that it speaks of."""
    told = ("operant_learner_last_step_timestamp_seconds",
            "operant_learner_steps_total")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        # Looked at back to back: a step can take less than 50 ms.
        before, rows, after = run.page("learner"), run.rows(), run.page(
            "learner")
        found, later = samples(before), samples(after)
        if rows and all(found[name, frozenset()] == later[name, frozenset()]
                        for name in told) and (
                rows[-1]["step"] == found[told[1], frozenset()]):
            return found, rows
        time.sleep(0.01)
    raise RuntimeError(f"no two looks without a step between in {seconds} s")


def figure(rows, words):
    how, key = words.split()
    values = [row[key] for row in rows if key in row]
    return {"last": lambda: values[-1], "sum": lambda: sum(values),
            "count": lambda: len(values)}[how]()


def invariants(run):
    """(how many figures were compared, those that differ by over 1 %)."""
    page, rows = steady_page(run)
    compared, faults = 0, []
    for family in families():
        name = family.name + ("_sum" if family.type == "histogram" else "")
        for labels, words in family.equals.items():
            pairs = frozenset(tuple(p.split("=")) for p in labels.split(",")
                              if p)
            exported, told = page.get((name, pairs)), figure(rows, words)
            compared += 1
            if exported is None or abs(exported - told) > max(
                    0.01 * abs(told), 1e-9):
                faults.append(f"{name}{{{labels}}} is {exported}, "
                              f"{words} is {told}")
    return compared, faults


# What cannot hold in this run: it has no evaluation, names no components, has
# one rank, restarts no worker and loses no push.
ABSENT = {"eval", "worker_restart", "push_failed", "components", "ranks"}


def missing_families(run):
    """Families whose precondition holds and that no process exports."""
    exported = {role: {name for name, _ in samples(run.page(role))}
                for role in run.roles()}
    missing = []
    for family in families():
        if family.when in ABSENT:
            continue
        name = family.name + ("_count" if family.type == "histogram" else "")
        for role, names in exported.items():
            wanted = family.role in ("any", role.split("-")[0])
            if family.when == "client_call" and role == "reward":
                wanted = False  # it calls nobody
            if wanted and name not in names:
                missing.append(f"{family.name} of {role}")
    return missing


def foreign_families(run):
    """Exported families, or values of closed labels, that the catalogue does
    not name."""
    known = {f.name: f for f in families()}
    foreign = set()
    for role in run.roles():
        for name, labels in samples(run.page(role)):
            base = name
            for suffix in ("_bucket", "_sum", "_count"):
                if name.removesuffix(suffix) in known:
                    base = name.removesuffix(suffix)
            if base not in known:
                foreign.add(name)
                continue
            for label, value in labels:
                values = known[base].labels.get(label)
                if label != "le" and values is None or (
                        isinstance(values, list) and value not in values):
                    foreign.add(f"{name}{{{label}={value!r}}}")
    return sorted(foreign)


def lint(run):
    """What promtool says of each process's page."""
    faults = []
    for role in run.roles():
        done = subprocess.run(["promtool", "check", "metrics"],
                              input=run.page(role), capture_output=True,
                              text=True, timeout=30)
        if done.returncode or done.stdout or done.stderr:
            faults.append(f"{role}: {done.stdout}{done.stderr}")
    return faults


def scrape_cost(run):
    """Median seconds of a scrape of the learner while it trains."""
    address = run.announced("learner")["metrics"]
    times = []
    for _ in range(20):
        start = time.monotonic()
        scrape(address)
        times.append(time.monotonic() - start)
        time.sleep(0.05)
    return sorted(times)[len(times) // 2]


def bad_rules(prometheus):
    return [f"{rule['name']}: {rule.get('lastError')}"
            for group in prometheus.get("rules")["groups"]
            for rule in group["rules"] if rule["health"] != "ok"]


def check(operant, base, folder, report):
    """Runs a healthy run to its end and reports a row for each claim."""
    steps = 400
    with Run(operant, base, folder,
             [f"learner.steps={steps}", "checkpoint.every_steps=10"]) as run, \
            Prometheus(folder / "prometheus",
                       run.path / "targets.json") as prometheus:
        run.wait_steps(12)
        down, up = prometheus.wait_for_targets(len(run.roles()))
        report("all targets are up", not down and len(up) == 4,
               f"{len(up)} up, {len(down)} down")
        faults = lint(run)
        report("promtool check metrics is clean on every process",
               not faults, "; ".join(faults) or f"{len(run.roles())} pages")
        foreign = foreign_families(run)
        report("nothing is exported beside the catalogue", not foreign,
               ", ".join(foreign) or "")
        missing = missing_families(run)
        report("every family whose precondition holds is present",
               not missing, ", ".join(missing))
        compared, faults = invariants(run)
        report("exported figures equal metrics.jsonl within 1 %", not faults,
               "; ".join(faults) or f"{compared} figures")
        faults = bad_rules(prometheus)
        report("every rule evaluates", not faults, "; ".join(faults))
        median = scrape_cost(run)
        report("a scrape takes at most 20 ms", median <= SCRAPE_LIMIT_SECONDS,
               f"median {1000 * median:.1f} ms")
        code = run.process.wait(timeout=600)
        time.sleep(8)  # 4 minutes of an undivided rule
        report("no alert fires from start through end",
               code == 0 and not prometheus.fired,
               f"exit code {code}; " + json.dumps(prometheus.fired))
        report("a finished run has no targets",
               not prometheus.query("up"),
               (run.path / "targets.json").read_text().strip())
