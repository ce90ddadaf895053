"""What befalls a run of real processes: functions of a Session that return
whether the fault was seen to have its effect, or None where it is impossible."""
import collections
import pathlib
import random
import signal
import sqlite3
import time

import check_ledger
import cluster as clusters

PUSH_PIECE = 8192  # no other message of a tiny run is as long
LONGEST_HOLD = 2.5
LOOK_FOR_WORK_SECONDS = 5
RELEASED = "samples go to another worker"  # in the learner's log


class Session:
    """A cluster, its source of chance, and what was pushed wrongly into it."""

    def __init__(self, cluster, rng, tls):
        self.cluster, self.rng, self.tls = cluster, rng, tls
        self.tampered_pushes = 0
        self.seconds = collections.defaultdict(list)  # of what came back

    def pause(self, seconds, until=lambda: False, look=0.02):
        """Tends the cluster meanwhile. Whether `until` became true, asked every
        `look` seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if until():
                return True
            if self.cluster.tend():
                return until()
            time.sleep(look)
        return until()

    def worker(self):
        return self.rng.choice(clusters.WORKERS)

    def wait_serving(self, role):
        return self.pause(20, lambda: self.cluster.serving(role))


def ask_ledger(cluster, sql, *values):
    """One number; 0 while the ledger cannot be read."""
    try:
        return check_ledger.read(cluster.folder / "run/ledger.sqlite", sql,
                                 *values)[0][0] or 0
    except sqlite3.Error:
        return 0


def newest_epoch(cluster):
    return ask_ledger(cluster, "SELECT max(epoch) FROM epochs")


def commits_after(cluster, epoch):
    return ask_ledger(cluster, "SELECT count(*) FROM steps WHERE epoch > ?",
                      epoch)


def kill(role):
    def fault(session):
        name = role or session.worker()
        if not session.wait_serving(name):
            return False
        process = session.cluster.processes[name]
        session.cluster.signal(name, signal.SIGKILL)
        return session.pause(
            5, lambda: process.poll() == -signal.SIGKILL)
    return fault


def time_release(session, what, said, start):
    """Seconds from `start` until what the worker owed is given to another, by
    the learner's log after `said` characters."""
    if session.pause(4, lambda: RELEASED in session.cluster.log(
            "learner")[said:]):
        session.seconds[what].append(time.monotonic() - start)


def owed(cluster, worker):
    """Samples that were lent to it, in this life of the learner and for a step
    under way, and that have not come."""
    return ask_ledger(cluster, """
      SELECT sum(l.samples - (SELECT count(*) FROM accepted a WHERE
        a.step = l.step AND a.epoch = l.epoch AND a.lease_id = l.lease_id))
      FROM leases l WHERE l.worker_id = ?
        AND l.epoch = (SELECT max(epoch) FROM epochs)
        AND l.step >= (SELECT count(*) FROM steps)""", worker)


def stop_with_work(session):
    """Stops a worker at a moment when it owes something, if there is one soon:
    most of its time a worker of a tiny run has nothing to lose. Who, and when;
    (None, _) if none serves."""
    end = time.monotonic() + LOOK_FOR_WORK_SECONDS
    while True:
        name = with_work(session, end - time.monotonic())
        if not session.wait_serving(name):
            return None, end
        start = time.monotonic()
        session.cluster.signal(name, signal.SIGSTOP)
        # What it had sent is on its way to the ledger.
        session.pause(0.1)
        if owed(session.cluster, name) or time.monotonic() > end:
            return name, start
        session.cluster.signal(name, signal.SIGCONT)


def with_work(session, seconds):
    """A worker that owes something within `seconds`, or else any."""
    owing = []

    def look():
        owing[:] = [name for name in clusters.WORKERS
                    if owed(session.cluster, name)]
        return bool(owing)

    session.pause(seconds, look, look=0.001)
    return session.rng.choice(owing or clusters.WORKERS)


def kill_worker(session):
    """While it owes something; stopped first, for less than its lease."""
    name, _ = stop_with_work(session)
    if name is None:
        return False
    said, start = len(session.cluster.log("learner")), time.monotonic()
    session.cluster.signal(name, signal.SIGKILL)
    time_release(session, "release", said, start)
    return True


def stop_worker(session):
    """Past its lease; it wakes up with what it held."""
    said = len(session.cluster.log("learner"))
    name, start = stop_with_work(session)
    if name is None:
        return False
    process = session.cluster.processes[name]
    time_release(session, "paused", said, start)
    stopped = state_of(process.pid) == "T"
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
    return stopped


def kill_learner(session):
    """Times how long the run takes to commit a step again."""
    before = newest_epoch(session.cluster)
    start = time.monotonic()
    if not kill("learner")(session):
        return False
    if session.pause(30, lambda: commits_after(session.cluster, before)):
        session.seconds["back"].append(time.monotonic() - start)
    return True


def term(role):
    def fault(session):
        name = role or session.worker()
        if not session.wait_serving(name):
            return False
        process = session.cluster.processes[name]
        session.cluster.signal(name, signal.SIGTERM)
        return session.pause(15, lambda: process.poll() is not None)
    return fault


def state_of(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rsplit(")", 1)[1].split()[0]


def stop(role, seconds):
    """SIGSTOP, and later SIGCONT: it wakes up with what it held."""
    def fault(session):
        name = role or session.worker()
        if not session.wait_serving(name):
            return False
        process = session.cluster.processes[name]
        session.cluster.signal(name, signal.SIGSTOP)
        stopped = session.pause(1, lambda: state_of(process.pid) == "T")
        session.pause(seconds)
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
        return stopped
    return fault


def on_link(role, act, seconds, seen, undo=True):
    """Does `act` to the link of `role`, for so long, or (undo false) until it
    is seen to have had its effect."""
    def fault(session):
        name = role or session.worker()
        if not session.wait_serving(name):
            return False
        link = session.cluster.links[name]
        before = dict(vars(link.counts))

        def fired():
            return seen(before, vars(link.counts))

        act(link)
        session.pause(seconds, fired if not undo else lambda: False)
        link.heal()
        return fired()
    return fault


def grew(name):
    return lambda before, after: after[name] > before[name]


def slow(link):
    link.delay(0.03)
    link.limit(300_000)


def tampers(fault):
    """Of weights on their way: counted by itself too."""
    def counted(session):
        fired = fault(session)
        session.tampered_pushes += fired
        return fired
    return counted


def push_flip(session):
    return tampers(on_link(None, lambda link: link.flip("up", PUSH_PIECE), 8,
                           grew("flipped"), undo=False))(session)


def push_snap(session):
    return tampers(on_link(None, lambda link: link.snap("up", PUSH_PIECE), 8,
                           grew("snapped"), undo=False))(session)


def flip_anywhere(role, direction):
    """Any bit of a hop; only TLS notices them all."""
    return on_link(role, lambda link: link.flip(direction, 40), 8,
                   grew("flipped"), undo=False)


def disk_full(session):
    """Until the learner has noticed, in its log or by its end."""
    cluster = session.cluster
    if not cluster.small_disk:
        return None
    if not session.wait_serving("learner"):
        return False
    said, ends = len(cluster.log("learner")), len(cluster.ends)
    filler = cluster.fill_disk()
    noticed = session.pause(
        5, lambda: "RESOURCE_EXHAUSTED" in cluster.log("learner")[said:]
        or len(cluster.ends) > ends)
    session.pause(0.5)  # a start on a full disk, too
    filler.unlink(missing_ok=True)
    return noticed


FAULTS = {
    "worker killed": kill_worker,
    "worker stopped past its lease": stop_worker,
    "worker told to end": term(None),
    "learner killed": kill_learner,
    "learner stopped": stop("learner", 1.2),
    "learner told to end": term("learner"),
    "reward server killed": kill("reward"),
    "reward server stopped": stop("reward", 1.5),
    "worker's connections reset": on_link(
        None, lambda link: link.cut(), 2, grew("cut"), undo=False),
    "learner's connections reset": on_link(
        "learner", lambda link: link.cut(), 2, grew("cut"), undo=False),
    "reward's connections reset": on_link(
        "reward", lambda link: link.cut(), 2, grew("cut"), undo=False),
    "worker's link half-open": on_link(
        None, lambda link: link.hold(), LONGEST_HOLD, grew("held")),
    "learner's link half-open": on_link(
        "learner", lambda link: link.hold(), LONGEST_HOLD, grew("held")),
    "reward's link half-open": on_link(
        "reward", lambda link: link.hold(), LONGEST_HOLD, grew("held")),
    "worker's link slow": on_link(None, slow, 1.5, grew("slowed")),
    "reward's link slow": on_link("reward", slow, 1.5, grew("slowed")),
    "push with a flipped bit": push_flip,
    "push cut in the middle": push_snap,
    "reward's answer with a flipped bit": flip_anywhere("reward", "down"),
    "response with a flipped bit": flip_anywhere(None, "down"),
    "disk full": disk_full,
}
# What needs TLS, and what comes so often in a round instead of once.
TLS_ONLY = {"reward's answer with a flipped bit",
            "response with a flipped bit"}
OFTEN = {"push with a flipped bit": 5, "push cut in the middle": 5}


class Order:
    """Names of faults without end, in rounds of all of them."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._waiting = []

    def next(self, tls):
        """Those that need TLS wait for a session that has it."""
        possible = [name for name in self._waiting
                    if tls or name not in TLS_ONLY]
        if not possible:
            more = [name for name in FAULTS
                    for _ in range(OFTEN.get(name, 1))]
            self._random.shuffle(more)
            self._waiting += more
            return self.next(tls)
        self._waiting.remove(possible[0])
        return possible[0]
