"""What `operant deploy render` writes holds together, and the checks that say so
notice each of a list of planted mistakes.

    manifest_test.py OPERANT
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77

try:
    import yaml  # noqa: F401
except ImportError:
    DEBIANS = "/usr/bin/python3"  # sees python3-yaml where another does not
    if sys.executable != DEBIANS and os.path.exists(DEBIANS):
        os.execv(DEBIANS, [DEBIANS, *sys.argv])
    print("SKIPPED: no PyYAML: apt-get install python3-yaml")
    sys.exit(SKIPPED)

import edge_checks  # noqa: E402
import machine_files  # noqa: E402
import manifests  # noqa: E402
import process_checks  # noqa: E402

MODULES = (manifests, edge_checks, machine_files, process_checks)
HERE = pathlib.Path(__file__).resolve().parent
# What gpu.yaml asks for, only Kubernetes has; the volume of ranks.yaml, too.
RENDERED = [("cpu", "k8s"), ("cpu", "slurm"), ("cpu", "compose"),
            ("cpu", "systemd"), ("gpu", "k8s"), ("ranks", "k8s"),
            ("ranks", "slurm")]
CHECKS = {
    "k8s": ("shape", "crds", "cross_refs", "probes", "security", "exit_codes",
            "policy_edges", "flags", "resources", "ranks"),
    "slurm": ("slurm",),
    "compose": ("compose",),
    "systemd": ("systemd",),
}
# Starts the binary for each file, half a second each; deploy_checks_test loads
# the files of all targets in one process.
CONFIGS_OF = [("cpu", "k8s")]
WITH_BINARY = ("flags", "configs", "slurm", "compose", "systemd")
JOBSET = "base/jobset.yaml"
POLICY = "components/network-policy/network-policy.yaml"

# (config, target, file, what is there, what a mistake makes of it, the check
# that must notice; only the first occurrence is changed)
PLANTED = [
    ("cpu", "k8s", JOBSET, 'kind: JobSet', 'knd: JobSet', "shape"),
    ("cpu", "k8s", "base/services.yaml", "name: math-learner",
     "name: Math_Learner", "shape"),
    ("cpu", "k8s", JOBSET, "maxRestarts: 3", "maxRestart: 3", "crds"),
    ("cpu", "k8s", JOBSET, "operator: All", "operator: Every", "crds"),
    ("cpu", "k8s", JOBSET, "x-k8s.io/v1alpha2", "x-k8s.io/v1", "crds"),
    ("cpu", "k8s", "components/monitoring/podmonitor.yaml",
     "podMetricsEndpoints", "podMetricEndpoints", "crds"),
    ("gpu", "k8s", "components/certificates/certificates.yaml", "issuerRef",
     "issuer", "crds"),
    ("gpu", "k8s", "overlays/kueue/queue.yaml", "clusterQueue: ",
     "cluster_queue: ", "crds"),
    ("cpu", "k8s", JOBSET, "name: math-config", "name: math-cfg", "cross_refs"),
    ("cpu", "k8s", JOBSET, "- key: learner.yaml", "- key: learn.yaml",
     "cross_refs"),
    ("cpu", "k8s", JOBSET, "- name: shm\n                      mountPath",
     "- name: shn\n                      mountPath", "cross_refs"),
    ("cpu", "k8s", JOBSET, "targetReplicatedJobs: [learner]",
     "targetReplicatedJobs: [trainer]", "cross_refs"),
    ("cpu", "k8s", JOBSET, "operant.dev/role: learner",
     "operant.dev/role: trainer", "cross_refs"),
    ("cpu", "k8s", JOBSET, "--coordinator=math-learner:7070",
     "--coordinator=math-learner:7071", "cross_refs"),
    ("cpu", "k8s", JOBSET, "--coordinator=math-learner:7070",
     "--coordinator=math-leaner:7070", "cross_refs"),
    ("cpu", "k8s", JOBSET, "--listen=0.0.0.0:7070", "--listen=0.0.0.0:7080",
     "cross_refs"),
    ("cpu", "k8s", "base/config/learner.yaml", "dns:///math-reward:50061",
     "dns:///math-rewards:50061", "cross_refs"),
    ("cpu", "k8s", "base/services.yaml", "clusterIP: None", "clusterIP: ''",
     "cross_refs"),
    ("cpu", "k8s", "base/services.yaml", "port: 50061", "port: 50062",
     "cross_refs"),
    ("cpu", "k8s", "base/services.yaml", "operant.dev/role: reward",
     "operant.dev/role: rewards", "cross_refs"),
    ("cpu", "k8s", "base/kustomization.yaml", "- pdb.yaml", "- pdbs.yaml",
     "cross_refs"),
    ("cpu", "k8s", "components/monitoring/podmonitor.yaml", "port: http",
     "port: metrics", "cross_refs"),
    ("gpu", "k8s", "base/pvc.yaml", 'name: "big-data"', 'name: "big-dat"',
     "cross_refs"),
    ("gpu", "k8s", "overlays/elastic/hpa.yaml",
     "kind: Deployment\n    name: big-rollout",
     "kind: Deployment\n    name: big-rollouts", "cross_refs"),
    ("gpu", "k8s", "components/certificates/certificates.yaml",
     "secretName: big-tls-reward", "secretName: big-tls-rewards",
     "cross_refs"),
    ("cpu", "k8s", JOBSET, "path: /healthz/ready", "path: /healthz",
     "probes"),
    ("cpu", "k8s", JOBSET, "path: /healthz/live\n                      port: "
     "http", "path: /healthz/live\n                      port: metrics",
     "probes"),
    ("cpu", "k8s", JOBSET, "--http=0.0.0.0:9464", "--http=127.0.0.1:9464",
     "probes"),
    ("cpu", "k8s", JOBSET, "runAsNonRoot: true", "runAsNonRoot: false",
     "security"),
    ("cpu", "k8s", JOBSET, "drop: [ALL]", "drop: [NET_RAW]", "security"),
    ("cpu", "k8s", JOBSET, "readOnlyRootFilesystem: true",
     "readOnlyRootFilesystem: false", "security"),
    ("cpu", "k8s", JOBSET, "allowPrivilegeEscalation: false",
     "allowPrivilegeEscalation: true", "security"),
    ("cpu", "k8s", JOBSET, "automountServiceAccountToken: false",
     "automountServiceAccountToken: true", "security"),
    ("cpu", "k8s", JOBSET, "type: RuntimeDefault", "type: Unconfined",
     "security"),
    ("cpu", "k8s", JOBSET, "operant:1", "operant:latest", "security"),
    ("cpu", "k8s", JOBSET, "values: [64, 65, 76, 78]",
     "values: [64, 65, 75, 78]", "exit_codes"),
    ("cpu", "k8s", JOBSET, "containerName: learner", "containerName: trainer",
     "exit_codes"),
    ("cpu", "k8s", JOBSET, '- "--resume"', '- "--rank=0"', "exit_codes"),
    ("cpu", "k8s", POLICY, "port: 7071", "port: 7070", "policy_edges"),
    ("cpu", "k8s", POLICY, "policyTypes: [Ingress, Egress]",
     "policyTypes: [Ingress]", "policy_edges"),
    ("cpu", "k8s", POLICY, "operant.dev/role: rollout\n      ports",
     "operant.dev/role: reward\n      ports", "policy_edges"),
    ("cpu", "k8s", POLICY, "  egress:\n    []", "  egress:\n    - {}",
     "policy_edges"),
    ("ranks", "k8s", POLICY, "        - podSelector:\n            matchLabels:\n"
     "              operant.dev/run: \"wide\"\n"
     "              operant.dev/role: learner\n",
     "        - podSelector: {}\n", "policy_edges"),
    ("cpu", "k8s", JOBSET, "medium: Memory", "medium: ''", "resources"),
    ("cpu", "k8s", JOBSET, "mountPath: /dev/shm", "mountPath: /dev/shmem",
     "resources"),
    ("cpu", "k8s", JOBSET, "memory: \"8Gi\"", "memory: \"4Gi\"", "resources"),
    ("gpu", "k8s", JOBSET, "nvidia.com/gpu: \"1\"", "nvidia.com/gpus: \"1\"",
     "resources"),
    ("gpu", "k8s", JOBSET, "- key: nvidia.com/gpu", "- key: nvidia.com/gpus",
     "resources"),
    ("ranks", "k8s", JOBSET, "--world-size=4", "--world-size=2", "ranks"),
    ("ranks", "k8s", JOBSET, "--rank=$(JOB_COMPLETION_INDEX)", "--rank=0",
     "ranks"),
    ("ranks", "k8s", JOBSET, "completions: 4", "completions: 3", "ranks"),
    ("ranks", "k8s", JOBSET, "--coordinator=wide-learner-0-0.wide:7070",
     "--coordinator=wide-learner-0-0:7070", "ranks"),
    ("ranks", "k8s", JOBSET, "enableDNSHostnames: true",
     "enableDNSHostnames: false", "ranks"),
    ("ranks", "k8s", "base/services.yaml", 'job-completion-index: "0"',
     'job-completion-index: "1"', "ranks"),
    ("ranks", "slurm", "run.sbatch", "--ntasks=4", "--ntasks=2", "slurm"),
    ("ranks", "slurm", "run.sbatch", '--rank="$SLURM_PROCID"',
     '--rank="$SLURM_LOCALID"', "slurm"),
    ("cpu", "k8s", JOBSET, "--drain-seconds=60", "--drain-secs=60", "flags"),
    ("cpu", "k8s", "base/config/learner.yaml", "learner:\n", "learnr:\n",
     "configs"),
    ("cpu", "slurm", "run.sbatch", "#SBATCH --requeue", "#SBATCH --no-requeue",
     "slurm"),
    ("cpu", "slurm", "run.sbatch", "#SBATCH --signal=B:TERM@300",
     "#SBATCH --signal=KILL@300", "slurm"),
    ("cpu", "slurm", "run.sbatch", "--het-group=1", "--het-group=2", "slurm"),
    ("cpu", "slurm", "run.sbatch", "--job-name=learner", "--job-name=trainer",
     "slurm"),
    ("cpu", "slurm", "run.sbatch", "--job-name=learner --cpus-per-task=2",
     "--job-name=learner", "slurm"),
    ("cpu", "slurm", "run.sbatch", "done\n", "don\n", "slurm"),
    ("cpu", "slurm", "run.sbatch", "--drain-seconds", "--drain-second",
     "slurm"),
    ("cpu", "slurm", "run.sbatch", '"$code" = 75', '"$code" = 76', "slurm"),
    ("cpu", "compose", "compose.yaml", 'user: "65532:65532"', 'user: "0:0"',
     "compose"),
    ("cpu", "compose", "compose.yaml", "76 | 78)", "76)", "compose"),
    ("cpu", "compose", "compose.yaml", 'restart: "no"',
     'restart: "on-failure"', "compose"),
    ("cpu", "compose", "compose.yaml", "internal: true", "internal: false",
     "compose"),
    ("cpu", "compose", "compose.yaml", "read_only: true\n    cap_drop",
     "read_only: false\n    cap_drop", "compose"),
    ("cpu", "compose", "compose.yaml", "./config/learner.yaml",
     "./config/lerner.yaml", "compose"),
    ("cpu", "compose", "compose.yaml", "--coordinator=learner:7070",
     "--coordinator=localhost:7070", "compose"),
    ("cpu", "systemd", "operant-math-learner.service",
     "RestartPreventExitStatus=64 65 76 78", "RestartPreventExitStatus=64",
     "systemd"),
    ("cpu", "systemd", "operant-math-learner.service", "User=operant",
     "User=root", "systemd"),
    ("cpu", "systemd", "operant-math-learner.service",
     "ProtectSystem=strict", "ProtectSystem=no", "systemd"),
    ("cpu", "systemd", "operant-math-learner.service", '"--resume"',
     '"--resum"', "systemd"),
]


def run_check(operant, name, folder):
    check = next(getattr(module, name) for module in MODULES
                 if hasattr(module, name))
    try:
        return check(operant, folder) if name in WITH_BINARY else check(folder)
    except (KeyError, AttributeError, TypeError, IndexError) as error:
        return [f"cannot be read: {error!r}"]


def render(operant, config, target, folder):
    done = subprocess.run(
        [operant, "deploy", "render", target, "-c", HERE / f"{config}.yaml",
         "-o", folder], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"render {target} of {config}.yaml: {done.stderr}")


def main():
    operant = pathlib.Path(sys.argv[1]).resolve()
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for config, target in RENDERED:
            render(operant, config, target, folder / config / target)
            names = CHECKS[target]
            if (config, target) in CONFIGS_OF:
                names += ("configs",)
            for name in names:
                faults = run_check(operant, name, folder / config / target)
                if faults:
                    failed.append(f"{config} {target} {name}: {faults}")
        for config, target, file, right, wrong, name in PLANTED:
            copy = folder / "planted"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder / config / target, copy)
            text = (copy / file).read_text()
            if right not in text:
                failed.append(f"{file} has no {right!r} to plant {wrong!r}")
                continue
            (copy / file).write_text(text.replace(right, wrong, 1))
            if not run_check(operant, name, copy):
                failed.append(f"{file}: {wrong!r} is not noticed by {name}")
    print(f"{len(PLANTED)} planted mistakes, {len(failed)} failures")
    for failure in failed:
        print("FAIL", failure)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
