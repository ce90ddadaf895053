"""A run as separate processes, each behind a faulty link, and what starts them
again when they end, as a cluster would."""
import json
import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKERS = ("rollout-0", "rollout-1")
STEPS = 60
SETTINGS = [
    "run.deterministic=true", f"learner.steps={STEPS}",
    "learner.prompts_per_step=8", "learner.samples_per_prompt=4",
    "learner.minibatch_samples=32", "rollout.slots=16",
    "rollout.max_response_tokens=12", "checkpoint.every_steps=5",
    "data.eval_prompts=", "eval.every_steps=0", "learner.max_seconds=0",
    "ppo.train_fraction=1", "ppo.warmup_steps=0", "reward.no_cache=true",
    "rollout.heartbeat_interval_ms=200", "rollout.heartbeat_timeout_ms=1000",
    "rollout.generate_deadline_ms=5000", "rollout.push_deadline_ms=3000",
    "reward.deadline_ms=2000", "reward.unavailable_wait_ms=60000",
    "log.samples_every_steps=10", "learner.threads=1", "rollout.threads=1",
]
# Exit codes that say what stopped a process; 70 says that it is a bug.
TYPED = {0, 64, 65, 69, 75, 76, 78, 130}
RESTART_SECONDS = 0.3
DISK_BYTES = 64 << 20


class Cluster:
    """Call tend() often. `security`: settings of certificates, or none."""

    def __init__(self, operant, base, folder, proxies, settings, security,
                 small_disk=False):
        self.operant, self.folder = operant, folder
        self.settings = [*base, *SETTINGS, *settings]
        self.security = security or ["security.plaintext=true"]
        self.processes, self.again_at = {}, {}
        self.killed = set()  # pids that a fault ended
        self.ends = []  # (role, exit code, whether a fault killed it)
        (folder / "run").mkdir(parents=True, exist_ok=True)
        # A disk of its own, which can be filled.
        self.small_disk = small_disk and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs",
             folder / "run"], capture_output=True).returncode == 0
        self.links = {role: proxies.link(lambda role=role: self.address(role))
                      for role in ("learner", "reward", *WORKERS)}
        self.started = {role: 0 for role in self.links}
        for role in ("reward", "learner", *WORKERS):
            self.start(role)

    def command(self, role):
        common = ["--listen", "127.0.0.1:0", "--announce",
                  self.folder / f"{role}.address", *self.security]
        if role == "reward":
            return ["reward", *common,
                    *(s for s in self.settings if s.startswith("reward."))]
        if role == "learner":
            resume = ["--resume"] if self.started[role] else []
            reward = f"127.0.0.1:{self.links['reward'].port}"
            return ["learner", "-c", ROOT / "deploy/configs/demo.yaml",
                    *common, *resume, *self.settings,
                    f"run.root={self.folder}", "run.name=run",
                    f"reward.endpoints=[{reward}]"]
        return ["rollout", *common, "--id", role, "--coordinator",
                f"127.0.0.1:{self.links['learner'].port}", "--advertise",
                f"127.0.0.1:{self.links[role].port}", "--drain-seconds", "1",
                "rollout.slots=16", "rollout.threads=1"]

    def start(self, role):
        (self.folder / f"{role}.address").unlink(missing_ok=True)
        with open(self.folder / f"{role}.log", "a") as log:
            self.processes[role] = subprocess.Popen(
                [self.operant, *self.command(role)], cwd=ROOT, stdout=log,
                stderr=subprocess.STDOUT)
        self.started[role] += 1

    def address(self, role):
        """(host, port) where it serves; None while it does not."""
        try:
            said = json.loads((self.folder / f"{role}.address").read_text())
        except (OSError, ValueError):
            return None
        host, port = said["address"].rsplit(":", 1)
        return host, int(port)

    def serving(self, role):
        return (self.processes[role].poll() is None
                and self.address(role) is not None)

    def tend(self):
        """Starts again what ended. Whether the run is done."""
        for role, process in self.processes.items():
            code = process.poll()
            if code is None or (role == "learner" and code == 0):
                continue
            if role not in self.again_at:
                self.ends.append((role, code, process.pid in self.killed))
                self.again_at[role] = time.monotonic() + RESTART_SECONDS
            elif time.monotonic() >= self.again_at[role]:
                del self.again_at[role]
                self.start(role)
        return self.processes["learner"].poll() == 0

    def signal(self, role, number):
        process = self.processes[role]
        if process.poll() is None:
            if number == signal.SIGKILL:
                self.killed.add(process.pid)
            os.kill(process.pid, number)

    def steps(self):
        file = self.folder / "run/metrics.jsonl"
        return file.read_text().count("\n") if file.exists() else 0

    def log(self, role):
        file = self.folder / f"{role}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def fill_disk(self):
        """Until not a byte more fits; the file that did it."""
        filler = self.folder / "run/filler"
        try:
            with open(filler, "wb", buffering=0) as file:
                for size in (1 << 20, 4096, 1):
                    self._fill(file, size)
        except OSError:
            pass  # of the close
        return filler

    @staticmethod
    def _fill(file, size):
        try:
            while file.write(bytes(size)):
                pass
        except OSError:
            pass

    def untyped_ends(self):
        """Processes that ended by themselves without saying why."""
        return [f"I12 {role} ended with exit code {code}"
                for role, code, killed in self.ends
                if not killed and code not in TYPED]

    def end(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.send_signal(signal.SIGCONT)
            process.wait()
        if self.small_disk:
            # Kept where --keep looks for it.
            kept = self.folder / "kept"
            subprocess.run(["cp", "-r", self.folder / "run", kept], check=True)
            subprocess.run(["umount", "--lazy", self.folder / "run"], check=True)
            (self.folder / "run").rmdir()
            kept.rename(self.folder / "run")
            self.small_disk = False
