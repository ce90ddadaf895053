"""`make deploy-check`: renders runs for every target and checks the files with
the targets' own tools. Prints a table, a row as soon as it is known.

    deploy_check.py OPERANT [ROW ...]

All rows together also write bench/out/deploy_check.json, rows {name, outcome:
passed|failed|skipped, reason}.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import image_check
import manifest_test
import namespaces
import slurm_cluster
import tool_checks
from manifest_test import RENDERED, run_check
from tool_checks import Skip, tool

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parents[1] / "bench/out/deploy_check.json"
ON_KUBERNETES = tuple(c for c, target in RENDERED if target == "k8s")
STORY_SECONDS = 900  # of a check that trains

# What only the tools notice: (config, target, file, what is there, what a
# mistake makes of it).
PLANTED = [
    ("gpu", "k8s", "base/services.yaml", "clusterIP: None", "clusterIp: None"),
    ("gpu", "k8s", "base/pdb.yaml", "minAvailable:", "minAvailabel:"),
    ("gpu", "k8s", "base/pvc.yaml", "ReadWriteOnce", "[ReadWriteOnce]"),
    ("gpu", "k8s", "base/jobset.yaml", "restartPolicy: Never",
     "restartPolicies: Never"),
    ("gpu", "k8s", "base/jobset.yaml", "failureThreshold: 720",
     "failureThreshold: many"),
    ("gpu", "k8s", "overlays/elastic/hpa.yaml", "maxReplicas", "maxReplica"),
    ("gpu", "k8s", "overlays/multi-node-rdma/kustomization.yaml",
     "/resources/limits/rdma", "/resources/limit/rdma"),
    ("gpu", "k8s", "overlays/multi-node-rdma/kustomization.yaml",
     "name: NCCL_IB_HCA", "name: NCCL_HCA"),
    ("gpu", "k8s", "overlays/multi-node-rdma/kustomization.yaml",
     "[IPC_LOCK]", "[SYS_ADMIN]"),
    ("gpu", "k8s", "components/network-policy/network-policy.yaml",
     "podSelector:", "podSelectors:"),
    ("cpu", "slurm", "run.sbatch", 'kill -TERM "$learner"',
     "kill -TERM $leaner"),
    ("cpu", "systemd", "operant-math-learner.service", "ProtectClock=yes",
     "ProtectClok=yes"),
    ("cpu", "systemd", "operant-math-rollout@.service",
     "SystemCallFilter=@system-service", "SystemCallFilter=@everything"),
]


def render(operant, folder):
    """Runs for every target; kustomize builds those for Kubernetes."""
    faults = []
    for config, target in RENDERED:
        manifest_test.render(operant, config, target, folder / config / target)
    for config in ON_KUBERNETES:
        faults += tool_checks.build(folder / config / "k8s",
                                    folder / f"{config}.yaml")
    return faults


def of_built(check):
    def row(operant, folder):
        return [f"{config}: {fault}" for config in ON_KUBERNETES
                for fault in check(folder / f"{config}.yaml")]
    return row


def built(operant, folder):
    """What holds of the files holds of what kustomize builds of them."""
    faults = []
    for config in ON_KUBERNETES:
        whole = folder / "built" / config
        whole.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / f"{config}.yaml", whole / "all.yaml")
        for name in ("security", "policy_edges", "flags", "exit_codes",
                     "resources", "rdma"):
            faults += run_check(operant, name, whole)
    return faults


def of_manifests(*names):
    def check(operant, folder):
        faults = []
        for config in ON_KUBERNETES:
            for name in names:
                faults += run_check(operant, name, folder / config / "k8s")
        return faults
    return check


def slurm(operant, folder):
    faults = []
    for config in ("cpu", "ranks"):
        own = folder / config / "slurm"
        faults += run_check(operant, "slurm", own) + tool_checks.shellcheck(own)
    return faults


def compose(operant, folder):
    return run_check(operant, "compose", folder / "cpu/compose")


def systemd(operant, folder):
    own = folder / "cpu/systemd"
    return (run_check(operant, "systemd", own)
            + tool_checks.systemd(operant, own, folder / "units"))


def tools_say(operant, target, folder, scratch):
    if target == "slurm":
        return tool_checks.shellcheck(folder)
    if target == "systemd":
        return tool_checks.systemd(operant, folder, scratch)
    whole = scratch / "all.yaml"
    return (tool_checks.build(folder, whole) or tool_checks.schema(whole)
            + tool_checks.crd_and_jobs(whole)
            + run_check(operant, "rdma", scratch))


def planted(operant, folder):
    """The tools notice each of PLANTED, so the rows above could have failed."""
    faults = []
    for config, target, file, right, wrong in PLANTED:
        copy, scratch = folder / "planted", folder / "planted-scratch"
        for made in (copy, scratch):
            shutil.rmtree(made, ignore_errors=True)
        shutil.copytree(folder / config / target, copy)
        scratch.mkdir()
        text = (copy / file).read_text()
        if right not in text:
            faults.append(f"{file} has no {right!r} to plant {wrong!r}")
            continue
        (copy / file).write_text(text.replace(right, wrong, 1))
        if not tools_say(operant, target, copy, scratch):
            faults.append(f"{file}: {wrong!r} is not noticed")
    return faults


def image_cpu(operant, folder):
    if os.geteuid():
        raise Skip("makes a base system and mounts images: needs root")
    for name, package in image_check.TOOLS.items():
        tool(name, package)
    own = folder / "image-cpu"
    own.mkdir()
    return image_check.image(operant, own)


def in_namespaces(script, tools):
    """A check that needs machines: network namespaces of this one."""
    def check(operant, folder):
        if os.geteuid():
            raise Skip("makes network namespaces: needs root")
        for name, package in {**namespaces.TOOLS, **tools}.items():
            tool(name, package)
        done = tool_checks.run(*namespaces.enclosed([
            sys.executable, HERE / script, operant,
            tool_checks.TOOLS / "kubectl"]), timeout=STORY_SECONDS)
        faults = [line for line in done.stdout.splitlines()
                  if line.startswith("FAULT ")]
        if done.returncode and not faults:
            faults = [f"exit code {done.returncode}: {done.stderr[-1000:]}"]
        return faults
    return check


def needs(reason):
    def check(operant, folder):
        raise Skip(reason)
    return check


ROWS = [
    ("schema", of_built(tool_checks.schema)),
    ("crd-fields", of_built(tool_checks.crd_and_jobs)),
    ("built", built),
    ("cross-refs", of_manifests("shape", "cross_refs", "probes", "resources",
                                "ranks")),
    ("security", of_manifests("security", "exit_codes")),
    ("flags", of_manifests("flags", "configs")),
    ("policy-edges", of_manifests("policy_edges")),
    ("slurm", slurm),
    ("compose", compose),
    ("systemd", systemd),
    ("planted", planted),
    ("image-cpu", image_cpu),
    ("netns-exec", in_namespaces("netns_exec.py", {})),
    ("slurm-2-nodes", in_namespaces("slurm_nodes.py", slurm_cluster.TOOLS)),
    # What no machine of one's own can say.
    ("image-cuda", needs("the CUDA wheels and images are gigabytes from a "
                         "registry; nothing here runs them")),
    ("rdma", needs("needs InfiniBand or RoCE adapters and two nodes")),
    ("cluster-apply", needs("needs a Kubernetes cluster with JobSet")),
]


def outcome(check, operant, folder):
    try:
        faults = check(operant, folder)
    except Skip as reason:
        return "skipped", str(reason)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return "failed", str(error)
    return ("failed", "; ".join(faults)) if faults else ("passed", "")


def row_of(name, check, operant, folder):
    begun = time.monotonic()
    result, reason = outcome(check, operant, folder)
    seconds = time.monotonic() - begun
    print(f"{name:14} {result:8} {seconds:6.1f} s  {reason}", flush=True)
    return {"name": name, "outcome": result, "reason": reason}


def chosen(names):
    known = [name for name, _ in ROWS]
    if unknown := set(names) - set(known):
        sys.exit(f"no row {', '.join(sorted(unknown))}; there are "
                 f"{', '.join(known)}")
    return [row for row in ROWS if not names or row[0] in names]


def main():
    operant = pathlib.Path(sys.argv[1]).resolve()
    rows = chosen(sys.argv[2:])
    tool_checks.install()
    with tempfile.TemporaryDirectory() as temporary:
        done = [row_of(name, check, operant, pathlib.Path(temporary))
                for name, check in [("render", render), *rows]]
    if rows == ROWS:
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(done, indent=1) + "\n")
    sys.exit(any(row["outcome"] == "failed" for row in done))


if __name__ == "__main__":
    main()
