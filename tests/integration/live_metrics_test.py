"""Every process of a real run, scraped: promtool finds no fault, the families
whose precondition holds are there and equal metrics.jsonl, nothing else is.

    live_metrics_test.py OPERANT

A tiny model is made here; the run takes a few steps with the built-in length
scorer. The same checks on a longer run, with a Prometheus: make watch-check.
"""

import json
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/watch"))
import healthy  # noqa: E402
import tiny_model  # noqa: E402
from run import Run  # noqa: E402


def main():
    operant = pathlib.Path(sys.argv[1]).resolve()
    failed = 0

    def report(claim, faults):
        nonlocal failed
        failed += bool(faults)
        print("FAIL" if faults else "ok  ", claim, *faults, sep="\n     ")

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        base = tiny_model.make(operant, folder / "model")
        with Run(operant, base, folder / "live",
                 ["checkpoint.every_steps=3"]) as run:
            run.wait_steps(6)
            if shutil.which("promtool") is None:
                print("not checked by promtool, which is missing: apt-get "
                      "install prometheus")
            else:
                report("promtool check metrics", healthy.lint(run))
            report("exported beside the catalogue",
                   healthy.foreign_families(run))
            report("missing", healthy.missing_families(run))
            report("different from metrics.jsonl", healthy.invariants(run)[1])
            run.stop()
            left = json.loads((run.path / "targets.json").read_text())
            report("targets of a run that is over", left)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
