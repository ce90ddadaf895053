"""Runs a rendered Kubernetes folder without Kubernetes: each Pod in a network
namespace that obeys the rendered NetworkPolicy, with DNS and probes.

    netns_exec.py OPERANT KUBECTL

As root. It trains, loses a worker with its namespace, gets one back, loses its
learner and goes on from the checkpoint until the run is done. Prints each fault
on a line; the exit code says whether there are any.
"""

import concurrent.futures
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

import edge_checks
import manifests
import namespaces
import yaml
from fake_cluster import Cluster

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "bench/watch"))
import tiny_model  # noqa: E402

RUN = "math"
STEPS = 120  # so many that it is not done before the story is told
USER = 65532
DEADLINE_SECONDS = 240  # of each wait; a busy machine takes its time
SETTINGS = [
    f"learner.steps={STEPS}", "learner.prompts_per_step=16",
    "learner.samples_per_prompt=4", "learner.minibatch_samples=64",
    "rollout.max_response_tokens=24", "rollout.slots=16",
    "checkpoint.every_steps=1", "eval.final_samples=100", "run.max_failures=100",
    "learner.worker_wait_ms=60000",
]
# Ports that are tried between all Pods.
DIALLED = sorted({port for _, _, port in edge_checks.EDGES})


class Fault(Exception):
    """The story does not go on."""


def say(text):
    print(f"# {time.strftime('%H:%M:%S')} {text}", flush=True)


def prepare(operant, kubectl, folder):
    """Model, data, certificates; the objects that kubectl would apply."""
    data = folder / "data"
    tiny_model.make(operant, data)
    (data / "runs").mkdir()
    # The how-to's advice for a folder of the node: the containers' user owns it.
    subprocess.run(["chown", "-R", f"{USER}:{USER}", data], check=True)
    subprocess.run([operant, "certs", "create", folder / "certs", "--run", RUN],
                   check=True, capture_output=True, timeout=60)
    volume = f"{{name: data, mount_path: /data, host_path: {data}}}"
    subprocess.run(
        [operant, "deploy", "render", "k8s", "-c", HERE / "cpu.yaml", "-o",
         folder / "k8s", f"deploy.volumes=[{volume}]", *SETTINGS],
        check=True, capture_output=True, timeout=60)
    built = subprocess.run([kubectl, "kustomize", folder / "k8s"], check=True,
                           capture_output=True, text=True, timeout=60)
    return list(yaml.load_all(built.stdout, manifests.LOADER))


def steps_done(folder):
    """The steps of metrics.jsonl, in its order."""
    path = folder / f"data/runs/{RUN}/metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["step"] for line in lines if line.endswith("}")]


def resumed_at(folder):
    """The step at which each of the run's learners began."""
    path = folder / f"data/runs/{RUN}/ledger.sqlite"
    with sqlite3.connect(path) as ledger:
        return [row[0] for row in ledger.execute(
            "SELECT resumed_step FROM epochs ORDER BY epoch")]


def wait_for(what, holds, cluster, to_the_end=False):
    end = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        cluster.tend()
        if cluster.faults:
            raise Fault(f"in vain: {what}")
        if not to_the_end and cluster.code("learner", 0) == 0:
            raise Fault(f"the run was done before: {what}")
        if time.monotonic() > end:
            raise Fault(f"waited {DEADLINE_SECONDS} s for {what}; "
                        + cluster.said())
        time.sleep(0.2)
    say(what)


def wait_for_steps(count, folder, cluster):
    wait_for(f"{count} steps are done",
             lambda: len(steps_done(folder)) >= count, cluster)


def reached(cluster):
    """Who reaches whom on which port, by roles; a refusal counts."""
    pods = cluster.running()
    roles = {pod.machine.address: pod.role for pod in pods}

    def from_pod(pod):
        targets = [(address, port) for address in roles for port in DIALLED
                   if address != pod.machine.address]
        return {(pod.role, roles[address], port) for (address, port), yes
                in pod.machine.reaches(targets).items() if yes}

    with concurrent.futures.ThreadPoolExecutor() as threads:
        return set().union(*threads.map(from_pod, pods))


def check_edges(cluster):
    """Between the Pods there are the edges of the design and no others, and it
    is the policies that keep the others out."""
    faults = []
    found = reached(cluster)
    if found != edge_checks.EDGES:
        faults.append("edges differ: "
                      f"{sorted(found ^ edge_checks.EDGES, key=str)}")
    cluster.without_policies()
    open_network = reached(cluster)
    cluster.sync()
    pods = {pod.role for pod in cluster.running()}
    everything = {(a, b, port) for a in pods for b in pods
                  for port in DIALLED if a != b}
    if not everything <= open_network:
        faults.append("control: without policies these are not reached: "
                      f"{sorted(everything - open_network, key=str)}")
    say(f"{len(found)} edges with the policies, {len(open_network)} without")
    return faults


def story(cluster, folder):
    cluster.start_all()
    wait_for("every container is started, live and ready",
             cluster.all_ready, cluster)
    wait_for_steps(3, folder, cluster)
    faults = check_edges(cluster)

    cluster.lose("rollout", 1)
    gone = len(steps_done(folder))
    say(f"worker 1 and its namespace are gone after step {gone}")
    wait_for_steps(gone + 3, folder, cluster)
    cluster.start("rollout", 1)
    wait_for("a worker in a new namespace is ready", cluster.all_ready, cluster)
    joined = len(steps_done(folder))
    wait_for("it samples", lambda: cluster.samples("rollout", 1) > 0, cluster)
    wait_for_steps(joined + 3, folder, cluster)

    cluster.lose("learner", 0)
    killed = len(steps_done(folder))
    say(f"the learner is killed after step {killed}")
    cluster.start("learner", 0)
    wait_for("the learner ends", lambda: cluster.code("learner", 0) is not None,
             cluster, to_the_end=True)
    if cluster.code("learner", 0) != 0:
        raise Fault(f"learner: exit code {cluster.code('learner', 0)}; "
                    + cluster.said())
    steps = steps_done(folder)
    if steps != list(range(steps[0], steps[0] + STEPS)):
        faults.append(f"steps are lost or done again: {steps}")
    starts = resumed_at(folder)
    if len(starts) != 2 or not killed - 1 <= starts[1] <= killed + 1:
        faults.append(f"learners started at steps {starts}, killed at {killed}")
    if not (folder / f"data/runs/{RUN}/result.json").exists():
        faults.append("the run has no result.json")
    wait_for("the workers leave", lambda: all(
        cluster.code("rollout", i) == 0 for i in (0, 1)), cluster, to_the_end=True)
    return faults + cluster.faults


def main():
    operant, kubectl = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
    namespaces.make_bridge()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        folder.chmod(0o755)
        objects = prepare(operant, kubectl, folder)
        cluster = Cluster(objects, operant, folder)
        try:
            faults = story(cluster, folder)
        except Fault as fault:
            faults = [str(fault), *cluster.faults]
        finally:
            cluster.stop()
    for fault in faults:
        print(f"FAULT {fault}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
