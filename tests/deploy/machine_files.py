"""As manifests.py, for Slurm, compose and systemd."""

import functools
import pathlib
import re
import shlex
import subprocess
import tempfile

from manifests import (FINAL_CODES, HTTP_PORT, RESUMABLE_CODE, ROLES, load,
                       wrong_flags)


def slurm_ranks(text, config):
    """As many tasks as ranks, each told its own."""
    ranks = config["learner"]["ranks"]
    tasks = re.search(r"^#SBATCH --ntasks=(\d+)$", text, re.M)
    faults = []
    if int(tasks[1]) != ranks:
        faults.append(f"{ranks} ranks, but {tasks[1]} tasks")
    if ranks > 1:
        for words in (f"export RANKS={ranks} ", '--rank="$SLURM_PROCID"',
                      '--world-size="$RANKS"', "--kill-on-bad-exit=1"):
            if words not in text:
                faults.append(f"{ranks} ranks, but no {words}")
    return faults


def slurm(operant, folder):
    """The batch script: its syntax, its requests, its flags."""
    path = folder / "run.sbatch"
    text = path.read_text()
    done = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
    faults = [done.stderr] if done.returncode else []
    for line in ("#SBATCH --requeue", "#SBATCH --signal=B:TERM@",
                 "#SBATCH --open-mode=append"):
        if line not in text:
            faults.append(f"no line {line}")
    groups = text.count("#SBATCH hetjob") + 1
    used = {int(n) for n in re.findall(r"--het-group=(\d+)", text)}
    if used != set(range(groups)):
        faults.append(f"{groups} groups are asked for, {sorted(used)} used")
    if f'= {RESUMABLE_CODE} ]' not in text or "scontrol requeue" not in text:
        faults.append(f"exit code {RESUMABLE_CODE} is not requeued")
    joined = text.replace("\\\n", " ")
    # What srun is told nothing of, it does not take from the job.
    for call in re.findall(r"^srun [^\n]*", joined, re.M):
        if "--cpus-per-task=" not in call and " doctor " not in call:
            faults.append(f"a step without its CPUs: {call[:60]}")
    # srun itself ends its step on SIGTERM; the script signals it by name.
    if not re.search(r"^srun [^\n]*--job-name=learner .*learner ", joined,
                     re.M) or '$2 == "learner"' not in text:
        faults.append("the learner's step cannot be told to save")
    faults += slurm_ranks(text, load(folder / "config/learner.yaml"))
    for verb in ROLES:
        calls = re.findall(rf'"\$OPERANT" {verb} ([^\n]*)', joined)
        if len(calls) != 1:
            faults.append(f"{verb} is started {len(calls)} times")
        for call in calls:
            given = re.findall(r"(--[a-z][-a-z]*)", call)
            faults += wrong_flags(operant, [verb, *given])
            if verb == "learner" and "--resume" not in given:
                faults.append("learner: a restart does not resume")
    return faults


# Exit codes of one start after the other -> starts, exit code of the container.
RESTARTS = [([0, 0], (1, 0)), ([75, 0], (2, 0)), ([70, 75, 0], (3, 0)),
            ([137, 76, 0], (2, 76)), *(([c, 0], (1, c)) for c in FINAL_CODES)]


@functools.cache
def run_entrypoint(script, codes):
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "program")
        program.write_text(
            "#!/bin/sh\necho >> starts\nset -- $(wc -l < starts) "
            + " ".join(map(str, codes)) + '\nshift "$1"\nexit "$1"\n')
        program.chmod(0o755)
        # As compose reads it, and without the pause.
        text = script.replace("$$", "$").replace("sleep 5", "sleep 0")
        text = re.sub(r"^( *)/\S+/operant ", rf"\1{program} ", text, flags=re.M)
        done = subprocess.run(["/bin/sh", "-c", text, "operant"], cwd=folder,
                              capture_output=True, timeout=30)
        starts = pathlib.Path(folder, "starts")
        count = len(starts.read_text()) if starts.exists() else 0
        return count, done.returncode


def restarted(entrypoint, codes):
    """What the containers' entry point makes of a program with these codes."""
    return run_entrypoint(entrypoint[2], tuple(codes))


def compose(operant, folder):
    """Non-root, read-only, on networks that are the edges, flags known."""
    data = load(folder / "compose.yaml")
    faults = []
    members = {}
    for name, service in data["services"].items():
        role = re.sub(r"-\d+$", "", name)
        for network in service["networks"]:
            members.setdefault(network, set()).add(role)
        if service.get("user", "0").split(":")[0] == "0":
            faults.append(f"{name}: root")
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
            faults.append(f"{name}: can write to its root or keeps capabilities")
        if service.get("ports"):
            faults.append(f"{name}: publishes {service['ports']}")
        for volume in service["volumes"]:
            source = volume["source"]
            if source.startswith("./") and not (folder / source).exists():
                faults.append(f"{name}: no file {source}")
        faults += wrong_flags(operant, service["command"])
        if service.get("restart") != "no":
            faults.append(f"{name}: compose restarts it whatever it says")
        for codes, wanted in RESTARTS:
            done = restarted(service["entrypoint"], codes)
            if done != wanted:
                faults.append(f"{name}: exit codes {codes} make {done[0]} "
                              f"starts and exit code {done[1]}")
        probe = service["healthcheck"]["test"]
        if f"127.0.0.1:{HTTP_PORT}" not in probe:
            faults.append(f"{name}: health check asks {probe}")
        coordinator = [a for a in service["command"]
                       if a.startswith("--coordinator=")]
        if role == "rollout" and coordinator != ["--coordinator=learner:7070"]:
            faults.append(f"{name}: coordinator {coordinator}")
    for network, settings in data["networks"].items():
        if not (settings or {}).get("internal"):
            faults.append(f"network {network} reaches outside")
        if {"rollout", "reward"} <= members.get(network, set()):
            faults.append("workers and reward servers share a network")
    return faults


def systemd(operant, folder):
    """Hardened units whose restarts follow the exit codes."""
    faults = []
    for path in sorted(folder.glob("*.service")):
        text = path.read_text()
        for line in ("NoNewPrivileges=yes", "ProtectSystem=strict",
                     "PrivateTmp=yes", "CapabilityBoundingSet=\n",
                     "RestartPreventExitStatus=64 65 76 78", "User="):
            if line not in text:
                faults.append(f"{path.name}: no {line.strip()}")
        if "User=root" in text:
            faults.append(f"{path.name}: root")
        command = shlex.split(re.search(r"^ExecStart=(.*)$", text, re.M)[1])
        faults += wrong_flags(operant, command[1:])
        if command[1] == "learner" and "--resume" not in command:
            faults.append("learner: a restart does not resume")
    return faults
