"""A run of `operant train` that a check watches, and its processes."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

from prometheus import ROOT

# Small, so that a fault shows within seconds; limits in seconds are divided like
# the rules' durations.
SETTINGS = [
    "data.eval_prompts=", "learner.steps=1000000", "learner.max_seconds=0",
    "learner.prompts_per_step=16", "learner.samples_per_prompt=4",
    "learner.minibatch_samples=64", "ppo.train_fraction=1", "ppo.warmup_steps=0",
    "rollout.workers=2", "rollout.slots=32",
    "rollout.max_response_tokens=16", "rollout.heartbeat_interval_ms=200",
    "rollout.heartbeat_timeout_ms=2000", "checkpoint.every_steps=0",
    "eval.every_steps=0", "alert.step_stall_seconds=60",
    "alert.checkpoint_age_seconds=240", "reward.unavailable_wait_ms=120000",
    # A tiny policy soon says the same again and again: remembered scores would
    # hide a server that is gone.
    "reward.no_cache=true",
]


class Run:
    """`operant train` in a folder of its own; killed with all its children."""

    def __init__(self, operant, base, folder, settings=()):
        self.operant, self.folder = operant, folder
        self.path = folder / "run"
        folder.mkdir(parents=True, exist_ok=True)
        self.log = open(folder / "train.log", "w")
        self.process = subprocess.Popen(
            [operant, "train", "-c", ROOT / "deploy/configs/demo.yaml",
             f"run.root={folder}", "run.name=run", *base, *SETTINGS,
             *settings], cwd=ROOT, stdout=self.log, stderr=self.log)

    def announced(self, role):
        """{address, metrics, pid} of a process."""
        file = self.path / f"logs/{role}.address"
        return json.loads(file.read_text())

    def signal(self, role, number):
        os.kill(self.announced(role)["pid"], number)

    def rows(self):
        file = self.path / "metrics.jsonl"
        text = file.read_text() if file.exists() else ""
        return [json.loads(line) for line in text.splitlines()
                if line.endswith("}")]

    def wait_steps(self, steps, seconds=120):
        deadline = time.monotonic() + seconds
        while len(self.rows()) < steps:
            if self.process.poll() is not None:
                raise RuntimeError(f"the run ended: {self.tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"no {steps} steps in {seconds} s")
            time.sleep(0.2)

    def tail(self):
        self.log.flush()
        return (self.folder / "train.log").read_text()[-1500:]

    def page(self, role):
        return scrape(self.announced(role)["metrics"])

    def roles(self):
        return sorted(f.stem for f in (self.path / "logs").glob("*.address"))

    def stop(self, seconds=60):
        """Ends it as Ctrl-C does; kills what is left. Its exit code."""
        for role in self.roles():
            try:
                self.signal(role, signal.SIGCONT)
            except (OSError, ValueError):
                pass  # it has ended
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its children die with it
            return self.process.wait(timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        self.log.close()


def scrape(address):
    with urllib.request.urlopen(f"http://{address}/metrics",
                                timeout=5) as answer:
        return answer.read().decode()


def samples(page):
    """{(name, frozenset of labels): value}."""
    found = {}
    for line in page.splitlines():
        match = re.match(r"([a-z]\w*)(?:\{(.*)\})? (\S+)$", line)
        if match:
            labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")
            found[match[1], frozenset(labels)] = float(match[3])
    return found


class RewardProcess:
    """A reward server that the run does not start again."""

    def __init__(self, command, folder, environment=None):
        self.announce = folder / "reward.address"
        folder.mkdir(parents=True, exist_ok=True)
        self.log = open(folder / "reward.log", "w")
        self.process = subprocess.Popen(
            [part.replace("$ANNOUNCE", str(self.announce))
             for part in map(str, command)],
            cwd=ROOT, stdout=self.log, stderr=self.log,
            env=environment and {**os.environ, **environment})
        deadline = time.monotonic() + 60
        while not self.announce.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the reward server did not start: " +
                                   (folder / "reward.log").read_text()[-500:])
            time.sleep(0.1)
        self.address = json.loads(self.announce.read_text())["address"]

    def endpoint(self):
        return f"reward.endpoints=[{{name: mine, address: '{self.address}'}}]"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
