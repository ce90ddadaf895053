"""What a scrape costs a process in CPU time, and what share of a core that is
at the interval of the shipped Prometheus configuration."""

import re
import signal
import time

from prometheus import ROOT
from run import Run, scrape

LIMIT = 0.01
SCRAPES = 200
# The server keeps whoever asks more often waiting; it is to be busy, not paced.
BETWEEN_SECONDS = 0.03


def default_interval():
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    return int(re.search(r"scrape_interval: (\d+)s", text)[1])


def cpu_seconds(pid):
    """Of all threads of a process, those that have ended too."""
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3)


def spent(pid, act):
    """CPU seconds of `pid` for `act`, SCRAPES times."""
    begun = cpu_seconds(pid)
    for _ in range(SCRAPES):
        act()
        time.sleep(BETWEEN_SECONDS)
    return cpu_seconds(pid) - begun


def cost(run, role):
    """CPU seconds of one scrape; what the process does besides is taken off."""
    pid, address = (run.announced(role)[key] for key in ("pid", "metrics"))
    scrape(address)
    return (spent(pid, lambda: scrape(address)) - spent(pid, lambda: None)
            ) / SCRAPES


def check(operant, base, folder, report):
    interval = default_interval()
    with Run(operant, base, folder,
             ["rollout.heartbeat_timeout_ms=600000",
              "rollout.generate_deadline_ms=600000"]) as run:
        run.wait_steps(5)
        workers = [r for r in run.roles() if r.startswith("rollout")]
        # Who is measured has nothing else to do: its peers are stopped.
        for idle, stopped in ((["learner"], workers),
                              (["reward", workers[0]], ["learner"])):
            for role in stopped:
                run.signal(role, signal.SIGSTOP)
            time.sleep(2)
            for role in idle:
                seconds = cost(run, role)
                share = seconds / interval
                report(f"scrapes cost {role} at most 1 % CPU every "
                       f"{interval} s", share <= LIMIT,
                       f"{1e3 * seconds:.2f} ms of CPU each, "
                       f"{100 * share:.4f} % of a core")
            for role in stopped:
                run.signal(role, signal.SIGCONT)
