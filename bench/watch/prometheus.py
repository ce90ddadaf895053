"""A real Prometheus on a run, with every duration divided by SCALE."""

import json
import pathlib
import re
import socket
import subprocess
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules"
SCALE = 30
SCRAPE_SECONDS = 15 / SCALE
# Prometheus reads the list of targets each second and takes over a change at most
# every 5 s, whatever is configured: that a target is gone cannot be told sooner.
DISCOVERY_MILLISECONDS = 8000
MILLISECONDS = {"s": 1e3, "m": 6e4, "h": 3.6e6, "d": 8.64e7}


def scaled(rules):
    """The rules with their durations divided: 5m becomes 10000ms."""
    divided = re.sub(
        r"(?<![\w.])(\d+)([smhd])(?!\w)",
        lambda m: f"{int(int(m[1]) * MILLISECONDS[m[2]] / SCALE)}ms", rules)
    return re.sub(r"(expr: up\S* == 0\n\s*for: )\d+ms",
                  rf"\g<1>{DISCOVERY_MILLISECONDS}ms", divided)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """Scrapes what `targets` lists and remembers which alerts fired when."""

    def __init__(self, folder, targets):
        folder.mkdir(parents=True)
        self.folder, self.address = folder, f"127.0.0.1:{free_port()}"
        for name in ("recording.yaml", "alerts.yaml"):
            (folder / name).write_text(scaled((RULES / name).read_text()))
        (folder / "prometheus.yml").write_text(f"""
global:
  scrape_interval: {int(1000 * SCRAPE_SECONDS)}ms
  scrape_timeout: {int(1000 * SCRAPE_SECONDS)}ms
  evaluation_interval: {int(1000 * SCRAPE_SECONDS)}ms
rule_files: [recording.yaml, alerts.yaml]
scrape_configs:
  - job_name: operant
    file_sd_configs:
      - files: ['{targets}']
        refresh_interval: 1s
""")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/data", "--log.level=warn",
             f"--web.listen-address={self.address}"],
            stderr=open(folder / "log", "w"))
        self.fired = {}  # alert name -> seconds since the start
        self.start = time.monotonic()
        self.stopping = threading.Event()
        self.watcher = threading.Thread(target=self._watch)
        self.watcher.start()

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}",
                                    timeout=5) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """{labels as a frozenset: value} of an instant query."""
        quoted = urllib.parse.quote(expression)
        return [(r["metric"], float(r["value"][1]))
                for r in self.get(f"query?query={quoted}")["result"]]

    def wait_for_targets(self, count, seconds=15):
        """(down, up) once `count` targets answer, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            up = self.query("up == 1")
            if len(up) == count or time.monotonic() > deadline:
                return self.query("up == 0"), up
            time.sleep(SCRAPE_SECONDS)

    def _watch(self):
        while not self.stopping.wait(SCRAPE_SECONDS / 2):
            try:
                alerts = self.get("alerts")["alerts"]
            except OSError:
                continue  # not up yet
            for alert in alerts:
                if alert["state"] == "firing":
                    self.fired.setdefault(alert["labels"]["alertname"], {
                        "seconds": time.monotonic() - self.start,
                        "severity": alert["labels"]["severity"],
                        "summary": alert["annotations"]["summary"]})

    def wait_for(self, alert, seconds):
        """Whether `alert` fires within `seconds`."""
        deadline = time.monotonic() + seconds
        while alert not in self.fired and time.monotonic() < deadline:
            time.sleep(0.1)
        return alert in self.fired

    def stop(self):
        self.stopping.set()
        self.watcher.join()
        self.process.terminate()
        self.process.wait(timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
