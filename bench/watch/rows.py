"""What the programs of this folder find out, and the model they watch."""

import json
import statistics
import traceback

from prometheus import ROOT


class Rows:
    """Rows {name, outcome: passed|failed|skipped, reason}, printed as they come
    and written to bench/out/NAME.json."""

    def __init__(self, name):
        self.path, self.rows = ROOT / f"bench/out/{name}.json", []

    def report(self, name, outcome, reason):
        if isinstance(outcome, bool):
            outcome = "passed" if outcome else "failed"
        self.rows.append({"name": name, "outcome": outcome, "reason": reason})
        print(f"{outcome:8}{name}: {reason}", flush=True)

    def attempt(self, name, check, *arguments):
        """Runs `check`; that it broke is a row, so that others are run all the
        same."""
        try:
            check(*arguments, self.report)
        except Exception as error:
            traceback.print_exc()
            self.report(name, False, f"{type(error).__name__}: {error}")

    def write(self):
        """The exit code: 1 if a row failed."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.rows, indent=1) + "\n")
        print(f"wrote {self.path.relative_to(ROOT)}")
        return int(any(row["outcome"] == "failed" for row in self.rows))


def demo_inputs(data=None, model=None):
    """Overrides that name the demo's model, where `make demo` left it; None if
    it is not there."""
    data = data or ROOT / ".cache/demo/data"
    model = model or ROOT / ".cache/demo/model"
    if not (model / "config.json").exists():
        return None
    return [f"model.path={model}", f"data.prompts={data}/prompts.jsonl",
            f"reward.lexicon={data}/lexicon.txt"]


def rate(rows):
    """Response tokens a second that were trained on, over whole steps."""
    first, last = rows[0], rows[-1]
    return (last["tokens"] - first["tokens"]) / (
        last["train_seconds"] - first["train_seconds"])


def judge(lost, limit):
    """(outcome, figures) of a claim that less than `limit` of the throughput is
    lost, from shares that pairs of windows or runs lost. Noise that could hide
    the answer is no answer."""
    mean = statistics.mean(lost)
    error = 2 * statistics.stdev(lost) / len(lost) ** 0.5
    figures = (f"{100 * mean:.1f} ± {100 * error:.1f} % lost (mean of "
               f"{len(lost)} pairs, two standard errors)")
    if mean - error < limit <= mean + error:
        return "skipped", "the machine is not quiet: " + figures
    return mean < limit, figures
