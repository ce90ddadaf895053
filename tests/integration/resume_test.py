"""A deterministic run that is killed and resumed is the run that was not: same
weights, optimiser, manifests, ledger rows and metrics, bit for bit.

    resume_test.py OPERANT_FAILPOINTS [CYCLES [SEED]]

One run goes through; then, CYCLES times, another is killed with SIGKILL after a
random time (a rank of its learner, or the whole of it) and resumed until it is
done. At last runs are killed once at every failpoint of the source, a few in
each run. Staleness is 0 or 1, and the learner has 1, 2 or 4 ranks.
"""

import hashlib
import json
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/watch"))
import tiny_model  # noqa: E402

STEPS = 12
SITES_PER_RUN = 7
DEADLINE_SECONDS = 120
SETTINGS = [
    "run.deterministic=true", f"learner.steps={STEPS}",
    "learner.prompts_per_step=8", "learner.samples_per_prompt=4",
    "learner.minibatch_samples=32", "rollout.workers=2", "rollout.slots=16",
    "rollout.max_response_tokens=12", "checkpoint.every_steps=3",
    "data.eval_prompts=", "eval.every_steps=0", "learner.max_seconds=0",
    "ppo.train_fraction=1", "ppo.warmup_steps=0", "run.max_failures=1000",
]
# What may differ: times, rates and what is counted again by a second start.
VOLATILE = ("_seconds", "_per_second")
KEY = "step, prompt_cursor, sample_index"
LEDGER_ROWS = {
    "accepted": f"SELECT {KEY}, trajectory_id, hex(digest), oldest_version, "
                f"newest_version FROM accepted WHERE step < {STEPS} "
                f"ORDER BY {KEY}",
    "scored": f"SELECT {KEY}, hex(digest), outcome, score FROM scored "
              f"WHERE step < {STEPS} ORDER BY {KEY}",
    "manifests": "SELECT step, policy_version, next_cursor, samples, "
                 "hex(sha256) FROM manifests ORDER BY step",
    "steps": "SELECT step, hex(manifest_sha256), skipped FROM steps "
             "ORDER BY step",
    "published": "SELECT policy_version, hex(weights_sha256) FROM published "
                 "ORDER BY policy_version",
}


# Staleness and ranks of the learner.
KINDS = [(0, 1), (1, 1), (0, 2), (1, 2), (0, 4)]
RANKED = (1, 2)  # where the sites of ranks other than 0 are


def start(operant, base, folder, kind, *flags, failpoints=""):
    staleness, ranks = kind
    return subprocess.Popen(
        [operant, "train", "-c", ROOT / "deploy/configs/demo.yaml",
         f"run.root={folder}", "run.name=run", *base, *SETTINGS,
         f"learner.staleness={staleness}", f"learner.ranks={ranks}",
         "learner.shard=" + ("optimizer" if ranks == 4 else "none"), *flags],
        cwd=ROOT,
        stdout=open(folder / "log", "a"), stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "OPERANT_FAILPOINTS": failpoints})


def finish(process, folder):
    code = process.wait(timeout=DEADLINE_SECONDS)
    if code:
        raise RuntimeError(f"exit code {code}: "
                           + (folder / "log").read_text()[-2000:])


def kill_somewhere(process, folder, rng):
    """SIGKILL to all of the run, or to a rank of its learner alone."""
    if rng.random() < 0.5:
        os.killpg(process.pid, signal.SIGKILL)
        for address in (folder / "run/logs").glob("*.address"):
            kill(json.loads(address.read_text() or "{}").get("pid"))
        process.wait()
        return False
    ranks = sorted((folder / "run/logs").glob("learner*.address"))
    if ranks:
        kill(json.loads(rng.choice(ranks).read_text() or "{}").get("pid"))
    return True


def kill(pid):
    try:
        if pid:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def interrupted(operant, base, folder, kind, rng):
    """A run that is killed, up to three times, and goes on. How often it was."""
    kills = 0
    process = start(operant, base, folder, kind)
    for _ in range(rng.randint(1, 3)):
        time.sleep(rng.uniform(0.3, 2.5))
        if process.poll() is not None:
            break
        alive = kill_somewhere(process, folder, rng)
        kills += 1
        if not alive:
            process = start(operant, base, folder, kind, "--resume")
    finish(process, folder)
    return kills


def failpoint_sites():
    """The names in the source."""
    names = set()
    for folder in ("common", "learner", "rollout", "reward"):
        for path in (ROOT / folder).rglob("*.cc"):
            names |= set(re.findall(r'Failpoint\("([a-z._]+)"\)',
                                    path.read_text()))
    return sorted(names)


def site_groups(rng):
    """(kind, sites): a few sites for each run."""
    sites = failpoint_sites()
    ranked = [site for site in sites if site.startswith("rank.")]
    others = [site for site in sites if site not in ranked]
    rng.shuffle(others)
    groups = [(KINDS[(first // SITES_PER_RUN) % 2],
               others[first:first + SITES_PER_RUN])
              for first in range(0, len(others), SITES_PER_RUN)]
    return groups + [(RANKED, ranked)]


def killed_at(operant, base, folder, kind, sites):
    """A run that is killed at each of `sites` and goes on. Those it never hit."""
    trace = folder / "trace"
    # At the second hit of the process, which is in the middle of a step; of a
    # checkpoint's sites some are hit once only.
    rules = ";".join([f"trace={trace}", *(
        f"{s}=kill@{1 if s.startswith('checkpoint.') else 2}" for s in sites)])
    flags = []
    for _ in range(len(sites) + 1):  # a rule may kill the supervisor
        process = start(operant, base, folder, kind, *flags,
                        failpoints=rules)
        if process.wait(timeout=DEADLINE_SECONDS) != -signal.SIGKILL:
            break
        flags = ["--resume"]
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: "
                           + (folder / "log").read_text()[-2000:])
    fired = set(re.findall(r"^fired ([a-z._]+)=", trace.read_text(), re.M))
    return sorted(set(sites) - fired)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def figures(folder):
    """Rows of metrics.jsonl without what is a time or a rate."""
    rows = []
    for line in (folder / "run/metrics.jsonl").read_text().splitlines():
        rows.append({k: v for k, v in json.loads(line).items()
                     if not k.endswith(VOLATILE)})
    return rows


def ledger(folder):
    """What counted, in the order of ids; tables that it does not have fail."""
    with sqlite3.connect(folder / "run/ledger.sqlite") as database:
        return {name: database.execute(query).fetchall()
                for name, query in LEDGER_ROWS.items()}


def outcome(folder):
    last = folder / f"run/checkpoints/step_{STEPS}"
    return {
        "model": digest(last / "model.safetensors"),
        "optimizer": digest(last / "trainer_state/optimizer.safetensors"),
        "value head": digest(last / "trainer_state/value_head.safetensors"),
        "metrics": figures(folder),
        **ledger(folder),
    }


def differences(one, other):
    return [name for name in one if one[name] != other[name]]


def main():
    operant = pathlib.Path(sys.argv[1]).resolve()
    cycles = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    rng = random.Random(seed)
    failed, kills, sites = 0, 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        top = pathlib.Path(temporary)
        base = tiny_model.make(operant, top / "model")
        expected = {}

        def expectation(kind):
            if kind not in expected:
                folder = top / "through{}-{}".format(*kind)
                folder.mkdir()
                finish(start(operant, base, folder, kind), folder)
                expected[kind] = outcome(folder)
            return expected[kind]

        for cycle in range(cycles):
            kind = KINDS[(seed + cycle) % len(KINDS)]
            folder = top / f"cycle{cycle}"
            folder.mkdir()
            killed = interrupted(operant, base, folder, kind, rng)
            kills += killed
            differ = differences(expectation(kind), outcome(folder))
            failed += bool(differ)
            print("FAIL" if differ else "ok  ", "staleness {}, ranks {},"
                  .format(*kind), f"killed {killed} times", *differ,
                  flush=True)
        for number, (kind, group) in enumerate(site_groups(rng)):
            folder = top / f"sites{number}"
            folder.mkdir()
            missed = killed_at(operant, base, folder, kind, group)
            differ = differences(expectation(kind), outcome(folder))
            sites += len(group)
            kills += len(group) - len(missed)
            failed += bool(differ or missed)
            print("FAIL" if differ or missed else "ok  ",
                  "staleness {}, ranks {}, killed at".format(*kind), *group,
                  *(f"NEVER HIT {site}" for site in missed), *differ,
                  flush=True)
    print(f"{cycles} cycles, {sites} failpoints, {kills} kills, "
          f"{failed} differ; seed {seed}")
    sys.exit(failed > 0 or kills == 0)


if __name__ == "__main__":
    main()
