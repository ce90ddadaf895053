"""The quick demo, as a newcomer runs it: the failure rate clearly falls.

    demo_quick_test.py OPERANT

Runs `operant demo --quick` (real processes over gRPC) into a folder of its own
and reads what it left behind.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))
import check_ledger  # noqa: E402


def check(claim, holds, detail):
    print(f"{'ok  ' if holds else 'FAIL'} {claim}: {detail}", flush=True)
    return holds


def main():
    operant = sys.argv[1]
    with tempfile.TemporaryDirectory() as root:
        done = subprocess.run(
            [operant, "demo", "--quick", f"run.root={root}"], timeout=400)
        run = pathlib.Path(root) / "demo-quick"
        if not check("it ends with 0", done.returncode == 0, done.returncode):
            for log in sorted((run / "logs").glob("*.log")):
                print(f"== {log.name}\n{log.read_text()[-2000:]}")
            sys.exit(1)
        result = json.loads((run / "result.json").read_text())
        raw, trained = result["raw"], result["trained"]
        rows = [json.loads(line) for line in
                (run / "metrics.jsonl").read_text().splitlines()]
        steps = [row for row in rows if "score_mean" in row]
        violations = check_ledger.violations(run / "ledger.sqlite",
                                             staleness=1)
        shown = subprocess.run([operant, "runs", "show", run],
                               capture_output=True, text=True).stdout
        held = [
            check("the ledger holds each response of each step once",
                  not violations, violations[:3]),
            check("`operant runs show` tells of every step",
                  f"steps committed     {len(steps)} " in shown,
                  shown.splitlines()[:1]),
            check("the trained rate lies below the raw one, intervals apart",
                  trained["high"] < raw["low"],
                  f"raw {raw['rate']:.4f}, trained {trained['rate']:.4f}"),
            check("the detector passes real definitions",
                  result["detector_false_positive"] <= 0.005,
                  result["detector_false_positive"]),
            check("sampler and learner agree on the first step",
                  steps[0]["sampler_gap_mean"] <= 1e-3,
                  steps[0]["sampler_gap_mean"]),
            check("the ratio is 1 before the first optimiser step",
                  max(row["initial_ratio_deviation"] for row in steps) <= 1e-4,
                  max(row["initial_ratio_deviation"] for row in steps)),
            check("nothing was skipped",
                  sum(row["skipped_steps"] for row in steps) == 0, "0 steps"),
            check("the model was written",
                  (run / "model" / "model.safetensors").is_file(),
                  "model.safetensors"),
            check("the plot was written",
                  (run / "plots" / "run.svg").read_text().startswith("<"),
                  "run.svg"),
        ]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
