"""What 50 slow or hostile scrapers cost a run."""

import http.client
import socket
import statistics
import threading
import time

from run import Run

PEERS = 50
WINDOW_SECONDS = 10
ROUNDS = 3
LIMIT = 0.02


def greedy(address, stopping):
    while not stopping.is_set():
        try:
            connection = http.client.HTTPConnection(address, timeout=5)
            connection.request("GET", "/metrics")
            connection.getresponse().read()
            connection.close()
        except OSError:
            stopping.wait(0.1)


def slow(address, stopping):
    """Sends a request a byte at a time and never ends it."""
    host, port = address.split(":")
    while not stopping.is_set():
        try:
            with socket.create_connection((host, int(port)), 5) as peer:
                for byte in b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 1000:
                    peer.send(bytes([byte]))
                    if stopping.wait(1):
                        return
        except OSError:
            stopping.wait(0.1)


class Scrapers:
    """Half are greedy, half are slow; all ask the learner."""

    def __init__(self, address):
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=greedy if i % 2 else slow,
                             args=[address, self.stopping])
            for i in range(PEERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def throughput(run):
    """Response tokens a second that are trained on, over a window."""
    first, start = run.rows()[-1], time.monotonic()
    time.sleep(WINDOW_SECONDS)
    last = run.rows()[-1]
    return (last["tokens"] - first["tokens"]) / (time.monotonic() - start)


def check(operant, base, folder, report):
    alone, beset = [], []
    with Run(operant, base, folder) as run:
        run.wait_steps(5)
        address = run.announced("learner")["metrics"]
        for _ in range(ROUNDS):
            alone.append(throughput(run))
            with Scrapers(address):
                beset.append(throughput(run))
    lost = 1 - statistics.median(beset) / statistics.median(alone)
    noise = (max(alone) - min(alone)) / statistics.median(alone)
    name = "50 slow or hostile scrapers cost a run less than 2 %"
    figures = (f"{100 * lost:.1f} % of {statistics.median(alone):.0f} tokens/s; "
               f"without them it varies by {100 * noise:.1f} %")
    if lost >= LIMIT and noise > LIMIT:
        report(name, "skipped", "the machine is not quiet: " + figures)
    else:
        report(name, lost < LIMIT, figures)
