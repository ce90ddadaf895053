"""`operant top` as a person sees it: in a terminal (tmux) on a run that trains.

    top_test.py OPERANT [--save FILE]

Every pane is there with figures in it, and they move. --save writes the last
screen to a file (docs/howto/prometheus.md shows one).
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/watch"))
import tiny_model  # noqa: E402
from run import Run  # noqa: E402

COLUMNS, LINES = 132, 24
DEADLINE_SECONDS = 60
BAR = "[▁▂▃▄▅▆▇█]"
PROCESS = r"127\.0\.0\.1:\d+ +up \d+ s +cpu +\d+%  rss +\d+ MiB"
# What the screen shows, by pane.
PANES = {
    "the step": r"^step \d+  version \d+  last step \d+ s ago",
    "the score and its sparkline": rf"^  score +-?[\d.]+ ± [\d.]+ +{BAR}{{5,}}",
    "KL and its sparkline": rf"^  KL ref +-?[\d.]+ nats +{BAR}{{5,}}",
    "the rate of faulty responses": rf"^  faulty +[\d.]+ +{BAR}{{5,}}",
    "entropy and its sparkline": rf"^  entropy +[\d.]+ nats +{BAR}{{5,}}",
    "the stage bar": r"^  stages .*\bupdate █+ \d+%",
    "throughput and buffers":
        r"^  tokens +[1-9]\d*/s trained on; samples \d+ at workers, \d+ "
        r"awaiting reward, \d+ ready",
    "the learner": rf"^  learner +{PROCESS}",
    "the reward server": rf"^  reward +{PROCESS}",
    "a worker and its version":
        rf"^  rollout-0 +{PROCESS}  version \d+  running \d+ waiting \d+  "
        r"\d+ tokens/s",
    "another worker": rf"^  rollout-1 +{PROCESS}  version \d+",
}


class Terminal:
    """A tmux server of its own with one command in it."""

    def __init__(self, folder, *command):
        # A socket that no earlier server may still be about to close.
        self.sockets = tempfile.TemporaryDirectory()
        self.tmux = ["tmux", "-u", "-S",
                     pathlib.Path(self.sockets.name) / "tmux"]
        subprocess.run([*self.tmux, "-f", "/dev/null", "new-session", "-d",
                        "-c", folder, "-x", str(COLUMNS), "-y", str(LINES),
                        *command], check=True, timeout=20)

    def screen(self):
        return subprocess.run([*self.tmux, "capture-pane", "-p"], check=True,
                              capture_output=True, text=True,
                              timeout=20).stdout

    def wait_for(self, holds):
        """The first screen for which `holds`, else the last one."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            screen = self.screen()
            if holds(screen) or time.monotonic() > deadline:
                return screen
            time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([*self.tmux, "kill-server"], timeout=20)
        self.sockets.cleanup()


def absent(screen):
    return [pane for pane, pattern in PANES.items()
            if not re.search(pattern, screen, re.M)]


def step_of(screen):
    found = re.search(r"^step (\d+)", screen, re.M)
    return int(found[1]) if found else -1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("operant", type=pathlib.Path)
    parser.add_argument("--save", type=pathlib.Path)
    arguments = parser.parse_args()
    operant = arguments.operant.resolve()
    if shutil.which("tmux") is None:
        print("SKIPPED: tmux is missing: deploy/setup.sh --watch")
        return
    failed = 0

    def report(claim, holds, screen):
        nonlocal failed
        failed += not holds
        print("ok  " if holds else f"FAIL\n{screen}\n", claim, flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        base = tiny_model.make(operant, folder / "model")
        with Run(operant, base, folder / "runs") as run:
            run.wait_steps(2)
            with Terminal(folder, operant, "top", "runs/run") as terminal:
                screen = terminal.wait_for(lambda s: not absent(s))
                for pane in PANES:
                    report(pane, pane not in absent(screen), screen)
                before = step_of(screen)
                screen = terminal.wait_for(lambda s: step_of(s) > before)
                report("it goes on to the next steps",
                       step_of(screen) > before, screen)
                if arguments.save:
                    arguments.save.write_text(screen.rstrip() + "\n")
            learner = run.announced("learner")["metrics"]
            with Terminal(folder, operant, "top", learner) as terminal:
                screen = terminal.wait_for(
                    lambda s: len(re.findall(r"version \d+  running", s)) == 2)
                report("a learner's address alone shows it and its workers",
                       len(re.findall(r"version \d+  running", screen)) == 2
                       and step_of(screen) > 0, screen)
            run.process.kill()  # its children die with it
            with Terminal(folder, operant, "top", "runs/run") as terminal:
                screen = terminal.wait_for(
                    lambda s: "no learner answers" in s)
                report("it says so when nobody answers",
                       "no learner answers" in screen, screen)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
