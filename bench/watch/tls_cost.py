"""What mutual TLS costs a run's throughput: the same run with and without it,
in turns."""

import json
import statistics
import subprocess

from prometheus import ROOT
from rows import judge, rate

PAIRS = 8
STEPS = 10
WARM_UP_STEPS = 2
LIMIT = 0.15
SETTINGS = [
    f"learner.steps={STEPS}", "learner.max_seconds=0", "data.eval_prompts=",
    "data.sft=", "data.sft_eval=", "eval.every_steps=0",
    "checkpoint.every_steps=0", "run.name=run",
]


def train(operant, base, folder, settings):
    """Rows of the steps of one run of the demo's configuration."""
    subprocess.run(
        [operant, "train", "-c", ROOT / "deploy/configs/demo.yaml",
         f"run.root={folder}", *SETTINGS, *base, *settings], cwd=ROOT,
        check=True, capture_output=True, timeout=300)
    lines = (folder / "run/metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if "step_seconds" in row]


def check(operant, base, folder, report):
    certs = folder / "certs"
    folder.mkdir(parents=True)
    subprocess.run([operant, "certs", "create", certs, "--run", "run"],
                   check=True, stdout=subprocess.DEVNULL)
    lost, plain_rates = [], []
    for i in range(PAIRS):
        plain = train(operant, base, folder / f"plain{i}", [])
        tls = train(operant, base, folder / f"tls{i}",
                    [f"security.certs={certs}"])
        plain_rates.append(rate(plain[WARM_UP_STEPS:]))
        lost.append(1 - rate(tls[WARM_UP_STEPS:]) / plain_rates[-1])
    outcome, figures = judge(lost, LIMIT)
    report("mutual TLS costs a run at most 15 % of its throughput", outcome,
           f"{figures}, of {statistics.median(plain_rates):.0f} tokens/s")
