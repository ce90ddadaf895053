"""Faults planted in a run, each with the alert that must name it."""

import os
import pathlib
import signal
import subprocess
import time

from prometheus import Prometheus
from run import RewardProcess, Run

HERE = pathlib.Path(__file__).resolve().parent
# Debian's: python3-grpcio belongs to it.
PYTHON = "/usr/bin/python3"
WAIT_SECONDS = 90


class Skip(Exception):
    """The fault cannot be planted here; says why."""


def odd_reward(check, fault):
    trigger = check.folder / "trigger"
    server = RewardProcess(
        [PYTHON, HERE / "odd_reward.py", check.stubs, "$ANNOUNCE", trigger,
         fault], check.folder / "odd")
    return server, trigger


class Check:
    """What a fault is planted with."""

    def __init__(self, operant, base, folder, stubs):
        self.operant, self.base = operant, base
        self.folder, self.stubs = folder, stubs

    def run(self, *settings):
        return Run(self.operant, self.base, self.folder / "run", settings)

    def watch(self, run, alert, plant, related=()):
        """(holds, reason): `alert` fires after `plant`, and not before, and no
        critical alert but it and `related` does."""
        with Prometheus(self.folder / "prometheus",
                        run.path / "targets.json") as prometheus:
            run.wait_steps(4)
            prometheus.wait_for_targets(len(run.roles()))
            time.sleep(3)
            before = dict(prometheus.fired)
            if before:
                return False, f"fired before the fault: {sorted(before)}"
            planted = time.monotonic()
            plant()
            fired = prometheus.wait_for(alert, WAIT_SECONDS)
            took = time.monotonic() - planted
            time.sleep(5)  # what else it sets off
            critical = {name for name, a in prometheus.fired.items()
                        if a["severity"] == "critical"}
            unrelated = critical - {alert, *related}
            return fired and not unrelated, (
                f"fired after {took:.1f} s" if fired else
                f"did not fire within {WAIT_SECONDS} s; the run says: "
                f"{run.tail()[-300:]}") + (
                    f"; all that fired: {sorted(prometheus.fired)}")


def reward_server_killed(check):
    server = RewardProcess([check.operant, "reward", "--listen", "127.0.0.1:0",
                            "--announce", "$ANNOUNCE",
                            "security.plaintext=true", *check.base],
                           check.folder / "server")
    with server, check.run(server.endpoint()) as run:
        return check.watch(run, "OperantRewardDown", server.process.kill)


def reward_server_wrong(check):
    server, trigger = odd_reward(check, "invalid")
    with server, check.run(server.endpoint(), "reward.on_error=drop",
                           "reward.drop_limit=1") as run:
        return check.watch(run, "OperantRewardInvalid", trigger.touch)


def nan_planted(check):
    server, trigger = odd_reward(check, "huge")
    with server, check.run(server.endpoint(), "reward.max_abs_score=1e38",
                           "ppo.score_clip=1e38",
                           "stop.max_skipped_steps=1000000") as run:
        return check.watch(run, "OperantNonFiniteStep", trigger.touch,
                           related=["OperantReferenceKlExplosion"])


def worker_stopped(check):
    with check.run() as run:
        return check.watch(run, "OperantWorkerLost",
                           lambda: run.signal("rollout-1", signal.SIGSTOP))


def worker_on_old_weights(check):
    with check.run("rollout.push_deadline_ms=1000",
                   "alert.weight_lag_versions=3") as run:
        workers = []

        def plant():
            workers.append(subprocess.Popen(
                [PYTHON, HERE / "old_weights_worker.py", check.stubs,
                 run.announced("learner")["address"]],
                stderr=open(check.folder / "worker.log", "w")))

        try:
            return check.watch(run, "OperantStaleWeights", plant,
                               related=["OperantWeightSyncFailing"])
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()


def kl_blown_up(check):
    # The penalty is next to nothing and the steps are two orders too large.
    with check.run("ppo.learning_rate=0.01", "ppo.kl_coefficient=1e-9",
                   "alert.reference_kl=2", "ppo.schedule=linear",
                   "ppo.warmup_steps=400") as run:
        return check.watch(run, "OperantReferenceKlExplosion", lambda: None)


def checkpoint_directory_full(check):
    with check.run("checkpoint.every_steps=4", "checkpoint.keep=2") as run:
        folder = run.path / "checkpoints"

        def plant():
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k",
                                   "tmpfs", folder], capture_output=True)
            if done.returncode:
                raise Skip("mounting a small tmpfs needs root: " +
                           done.stderr.decode().strip())

        try:
            return check.watch(run, "OperantCheckpointFailing", plant)
        finally:
            if os.path.ismount(folder):
                run.process.kill()
                run.process.wait()
                time.sleep(1)
                subprocess.run(["umount", folder], check=True)


def learner_paused(check):
    with check.run("alert.step_stall_seconds=15") as run:
        return check.watch(run, "OperantLearnerStalled",
                           lambda: run.signal("learner", signal.SIGSTOP))


FAULTS = [reward_server_killed, reward_server_wrong, worker_stopped,
          worker_on_old_weights, nan_planted, kl_blown_up,
          checkpoint_directory_full, learner_paused]
