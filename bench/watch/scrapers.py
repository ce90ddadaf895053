"""What 50 slow or hostile scrapers cost a run: of its throughput, and of the
machine's cores, which bounds that where the throughput itself varies more.

    scrapers.py HOST:PORT     be those scrapers, until killed
"""

import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

from rows import judge, rate
from run import Run
from scrape_cpu import cpu_seconds

PEERS = 50
WINDOW_SECONDS = 10
PAIRS = 15
SHARES = 5
LIMIT = 0.02
# The demo's own steps: small ones wait for each other more than they compute,
# and vary by more than the limit.
SETTINGS = ["learner.prompts_per_step=512", "learner.minibatch_samples=2048",
            "ppo.train_fraction=0.125", "rollout.workers=1", "rollout.slots=256",
            "rollout.heartbeat_timeout_ms=600000",
            "rollout.generate_deadline_ms=600000"]


def greedy(address):
    while True:
        try:
            connection = http.client.HTTPConnection(address, timeout=5)
            connection.request("GET", "/metrics")
            connection.getresponse().read()
            connection.close()
        except OSError:
            time.sleep(0.1)


def slow(address):
    """Sends a request a byte at a time and never ends it."""
    host, port = address.split(":")
    while True:
        try:
            with socket.create_connection((host, int(port)), 5) as peer:
                for byte in b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 1000:
                    peer.send(bytes([byte]))
                    time.sleep(1)
        except OSError:
            time.sleep(0.1)


def pester(address):
    """Half of them are greedy, half slow. At the lowest priority: what they do
    themselves would be done on another machine."""
    os.nice(19)
    for i in range(PEERS):
        threading.Thread(target=greedy if i % 2 else slow, args=[address],
                         daemon=True).start()
    threading.Event().wait()


class Scrapers:
    def __init__(self, address):
        self.command = [sys.executable, __file__, address]

    def __enter__(self):
        self.process = subprocess.Popen(self.command)
        time.sleep(1)  # until all are at it

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def throughput(run):
    """Of the steps that ended within a window."""
    before = len(run.rows())
    time.sleep(WINDOW_SECONDS)
    rows = run.rows()[before:]
    if len(rows) < 2:
        raise RuntimeError(f"no two steps in {WINDOW_SECONDS} s")
    return rate(rows)


def share_of_cores(run, address):
    """What answering the scrapers takes of all cores, from a learner that has
    nothing else to do: its workers are stopped."""
    pid = run.announced("learner")["pid"]
    workers = [role for role in run.roles() if role.startswith("rollout")]
    for role in workers:
        run.signal(role, signal.SIGSTOP)
    time.sleep(3)
    shares = []
    for _ in range(SHARES):
        with Scrapers(address):
            begun = cpu_seconds(pid), time.monotonic()
            time.sleep(WINDOW_SECONDS)
            cpu, wall = cpu_seconds(pid) - begun[0], time.monotonic() - begun[1]
        shares.append(cpu / wall / os.cpu_count())
    for role in workers:
        run.signal(role, signal.SIGCONT)
    return shares


def check(operant, base, folder, report):
    alone, beset = [], []
    with Run(operant, base, folder, SETTINGS) as run:
        run.wait_steps(5)
        address = run.announced("learner")["metrics"]
        shares = share_of_cores(run, address)
        report("50 slow or hostile scrapers take less than 2 % of the cores",
               max(shares) < LIMIT,
               f"{100 * statistics.median(shares):.2f} % of {os.cpu_count()}, "
               f"at most {100 * max(shares):.2f} % (of {SHARES} windows)")
        for _ in range(PAIRS):
            alone.append(throughput(run))
            with Scrapers(address):
                beset.append(throughput(run))
    outcome, figures = judge([1 - b / a for a, b in zip(alone, beset)], LIMIT)
    report("50 slow or hostile scrapers cost a run less than 2 %", outcome,
           f"{figures}, of {statistics.median(alone):.0f} tokens/s")


if __name__ == "__main__":
    pester(sys.argv[1])
