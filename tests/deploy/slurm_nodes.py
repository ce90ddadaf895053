"""Runs the rendered Slurm job on two nodes of a cluster of real daemons.

    slurm_nodes.py OPERANT KUBECTL

As root. The job trains; it is told to stop so that it can go on, saves, is
queued again, and goes on until the run is done. Prints each fault on a line.
"""

import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

import namespaces
import pod_sandbox
from slurm_cluster import PARTITION, SlurmCluster

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "bench/watch"))
import tiny_model  # noqa: E402

RUN = "math"
STEPS = 60  # so many that it is not done before it is told to stop
USER = "daemon"  # an account that every Debian has
DEADLINE_SECONDS = 240
SETTINGS = [
    f"learner.steps={STEPS}", "learner.prompts_per_step=16",
    "learner.samples_per_prompt=4", "learner.minibatch_samples=64",
    "rollout.max_response_tokens=24", "rollout.slots=16",
    "checkpoint.every_steps=5", "eval.final_samples=100",
    "deploy.slurm.time_limit=01:00:00", f"deploy.slurm.partition={PARTITION}",
]


class Fault(Exception):
    """The story does not go on."""


def say(text):
    print(f"# {time.strftime('%H:%M:%S')} {text}", flush=True)


def prepare(operant, folder):
    """What the how-to wants on all nodes under one path; the job's folder."""
    image = pod_sandbox.unpack_image(operant, folder / "image")
    shared = folder / "shared"
    tiny_model.make(operant, shared)
    (shared / "runs").mkdir()
    subprocess.run([operant, "certs", "create", shared / "certs", "--run", RUN],
                   check=True, capture_output=True, timeout=60)
    program = image / "usr/local/bin/operant"
    subprocess.run(
        [operant, "deploy", "render", "slurm", "-c", HERE / "cpu.yaml", "-o",
         shared / "job", f"deploy.program={program}", *SETTINGS,
         f"run.root={shared}/runs", f"model.path={shared}/model",
         f"data.prompts={shared}/prompts.jsonl",
         f"security.certs={shared}/certs",
         "deploy.volumes=[{name: shared, mount_path: " + str(shared)
         + ", host_path: " + str(shared) + "}]"],
        check=True, capture_output=True, timeout=60)
    subprocess.run(["chown", "-R", USER, shared], check=True)
    return shared


def steps_done(shared):
    path = shared / f"runs/{RUN}/metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["step"] for line in lines if line.endswith("}")]


def output(shared):
    return "; ".join(json.dumps(path.read_text().splitlines()[-12:])
                     for path in (shared / "runs").glob("*-slurm-*.log"))


def wait_for(what, holds, shared, cluster):
    end = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise Fault(f"waited {DEADLINE_SECONDS} s for {what}; "
                        f"{output(shared)}; {cluster.logs()}")
        time.sleep(0.5)
    say(what)


def submit(cluster, shared):
    """As the README of the rendered folder says."""
    files = {"folder": shared / "job", "user": USER}
    say(cluster.tool("sbatch", "--test-only", "run.sbatch", **files))
    said = cluster.tool("sbatch", "--parsable", "run.sbatch", **files)
    return int(said.split(";")[0])


def story(cluster, shared):
    faults = []
    cluster.wait_until_idle()
    job = submit(cluster, shared)
    wait_for("3 steps are done", lambda: len(steps_done(shared)) >= 3, shared,
             cluster)
    nodes = set(cluster.placed(job))
    if nodes != set(cluster.nodes):
        faults.append(f"the job has {sorted(nodes)} alone")
    cluster.tool("scancel", "--batch", "--signal=TERM", str(job), user=USER)
    wait_for("it is queued again",
             lambda: cluster.job(job).get("Restarts") == "1", shared, cluster)
    stopped = len(steps_done(shared))
    wait_for("it runs again", lambda: cluster.job(job)["JobState"]
             in ("RUNNING", "COMPLETED"), shared, cluster)
    wait_for("it ends", lambda: cluster.job(job)["JobState"] not in
             ("RUNNING", "COMPLETING", "PENDING"), shared, cluster)
    said = "".join(path.read_text()
                   for path in (shared / "runs").glob("*-slurm-*.log"))
    for name in cluster.nodes:
        if f"{name}  peer" not in said:
            faults.append(f"doctor --cluster says nothing of {name}: "
                          f"{said[:2000]}")
    ended = cluster.job(job)
    if (ended["JobState"], ended["ExitCode"]) != ("COMPLETED", "0:0"):
        faults.append(f"the job ended {ended['JobState']} {ended['ExitCode']}: "
                      + output(shared))
    steps = steps_done(shared)
    if steps != list(range(steps[0], steps[0] + STEPS)):
        faults.append(f"steps are lost or done again: {steps}")
    with sqlite3.connect(shared / f"runs/{RUN}/ledger.sqlite") as ledger:
        starts = [row[0] for row in ledger.execute(
            "SELECT resumed_step FROM epochs ORDER BY epoch")]
    if len(starts) != 2 or starts[1] != stopped:
        faults.append(f"learners started at steps {starts}; the first was told "
                      f"to save and had done {stopped}")
    return faults


def main():
    operant = pathlib.Path(sys.argv[1]).resolve()
    namespaces.make_bridge()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = pathlib.Path(temporary)
        folder.chmod(0o755)
        shared = prepare(operant, folder)
        cluster = SlurmCluster("/run/slurm")
        try:
            faults = story(cluster, shared)
        except (Fault, RuntimeError) as fault:
            faults = [str(fault)]
        finally:
            cluster.stop()
    for fault in faults:
        print(f"FAULT {fault}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
