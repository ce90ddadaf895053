#!/usr/bin/env python3
"""Sequences a second through a reward model, against transformers.

    make bench BENCH=reward_model      (after deploy/setup.sh --oracle)

The same random weights, the same ids, fp32, as many threads: our engine as
`operant reward --scorer preference-model` calls it, batches of 64 packed
without padding, and transformers' LlamaForSequenceClassification, one batch of
64 padded on the right with an attention mask. Neither sorts; neither time
includes tokenization. One after the other in turns; a row is the median ratio
of the turns. The scores have to agree.

    preference-model        log-normal lengths: the 99th percentile 8 medians
    preference-model-equal  every sequence of one length

Writes bench/out/reward_model_bench.json.
"""

import json
import math
import os
import pathlib
import platform
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(__file__).resolve().parent.parent
ORACLE = pathlib.Path(".deps/oracle")  # of deploy/setup.sh --oracle
TOOL = BUILD / "tests/common/nn/classifier_tool"

THREADS = 2
BATCH = 64
TURNS = 7
MEDIAN_LENGTH = 64
LONGEST = 8 * MEDIAN_LENGTH
SIGMA = math.log(8) / 2.326  # of the logarithm; 2.326: the normal's 99 %
EQUAL_LENGTH = 96
PAD = 0
SIZES = {"vocab_size": 8192, "hidden_size": 384, "intermediate_size": 1024,
         "num_hidden_layers": 8, "num_attention_heads": 6,
         "num_key_value_heads": 6, "max_position_embeddings": LONGEST + 1,
         "num_labels": 1, "pad_token_id": PAD}
TOLERANCE = 1e-4  # between two fp32 implementations
# In order: the peaks of memory are those of all rows so far.
BARS = {"preference-model-equal": 1.0, "preference-model": 2.0}


def run_where_transformers_is():
    """Starts again in the oracles' environment, which lies beside the build."""
    python, stubs = ORACLE / "bin/python", ORACLE / "stubs"
    here = pathlib.Path(sys.prefix).resolve()
    if not python.exists() or here == ORACLE.resolve():
        return
    libraries = [str(stubs.resolve()), os.environ.get("LD_LIBRARY_PATH", "")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1",
                   "TRANSFORMERS_VERBOSITY": "error",
                   "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
                   "OMP_NUM_THREADS": str(THREADS)}
    os.execve(python, [str(python), *sys.argv], environment)


def sequences(name):
    chance = random.Random(11)

    def length():
        if name == "preference-model-equal":
            return EQUAL_LENGTH
        drawn = round(MEDIAN_LENGTH * math.exp(chance.gauss(0, SIGMA)))
        return min(max(drawn, 4), LONGEST)

    return [[chance.randrange(1, SIZES["vocab_size"]) for _ in range(length())]
            for _ in range(BATCH)]


def write_model(folder):
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification
    torch.manual_seed(7)
    LlamaForSequenceClassification(LlamaConfig(**SIZES)).save_pretrained(folder)


class Transformers:
    """Scores one padded batch as its users do."""

    def __init__(self, folder):
        import torch
        from transformers import AutoModelForSequenceClassification
        torch.set_num_threads(THREADS)
        self.torch = torch
        self.model = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32).eval()

    def score(self, batch):
        """Returns (seconds, scores)."""
        torch = self.torch
        start = time.perf_counter()
        longest = max(map(len, batch))
        ids = torch.full((len(batch), longest), PAD)
        mask = torch.zeros((len(batch), longest), dtype=torch.long)
        for row, tokens in enumerate(batch):
            ids[row, :len(tokens)] = torch.tensor(tokens)
            mask[row, :len(tokens)] = 1
        with torch.inference_mode():
            logits = self.model(input_ids=ids, attention_mask=mask,
                                use_cache=False).logits
        scores = logits[:, 0].tolist()
        return time.perf_counter() - start, scores

    @staticmethod
    def peak_mib():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class Ours:
    """Scores the batch in a process of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.peaks = []

    def score(self, batch):
        """Returns (seconds, scores) of the second pass: the first, as
        Transformers' first turn, touches the memory."""
        text = "\n".join(" ".join(map(str, ids)) for ids in batch) + "\n"
        done = subprocess.run([TOOL, self.folder, str(THREADS), "2"],
                              input=text.encode(), capture_output=True)
        if done.returncode:
            sys.exit(f"classifier_tool: {done.stderr.decode()[-500:]}")
        *seconds, peak = done.stderr.split()
        self.peaks.append(int(peak) // 1024)
        scores = memoryview(done.stdout).cast("f").tolist()
        return float(seconds[-1]), scores

    def peak_mib(self):
        return max(self.peaks)


def check_scores(name, theirs, ours):
    difference = max(abs(a - b) for a, b in zip(theirs, ours, strict=True))
    print(f"{name}: max |difference| of the scores {difference:.1e}",
          flush=True)
    if not difference <= TOLERANCE:
        sys.exit(f"{name}: the scores differ by {difference}, expected at most "
                 f"{TOLERANCE}: not the same computation")


def measure(name, theirs, ours):
    batch = sequences(name)
    lengths = sorted(map(len, batch))
    tokens = sum(lengths)
    print(f"{name}: lengths {lengths[0]} to {lengths[-1]}, median "
          f"{lengths[BATCH // 2]}, {tokens} tokens, "
          f"{BATCH * lengths[-1]} with padding", flush=True)
    check_scores(name, theirs.score(batch)[1], ours.score(batch)[1])
    turns = [(theirs.score(batch)[0], ours.score(batch)[0])
             for _ in range(TURNS)]
    ratios = [a / b for a, b in turns]
    their_seconds, our_seconds = map(statistics.median, zip(*turns))
    note = (f"{tokens / our_seconds:.0f} against "
            f"{tokens / their_seconds:.0f} tokens/s; peak memory "
            f"{ours.peak_mib()} against {theirs.peak_mib()} MiB")
    return {"name": name, "value": statistics.median(ratios), "unit": "x",
            "low": min(ratios), "high": max(ratios),
            "against": f"transformers {theirs_version()}", "note": note}


def theirs_version():
    import transformers
    return transformers.__version__


def cpu_name():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def write(rows):
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True,
                            text=True).stdout.strip() or "unknown"
    out = pathlib.Path("bench/out/reward_model_bench.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"commit": commit, "cpu": cpu_name(),
                               "gpu": "none used", "model": SIZES,
                               "rows": rows}, indent=2) + "\n")


def main():
    run_where_transformers_is()
    try:
        import transformers  # noqa: F401: only whether it is there
    except ImportError:
        print("preference-model, preference-model-equal: NOT MEASURED: no "
              "Python with transformers; run deploy/setup.sh --oracle")
        return
    print(f"reward model: {SIZES}\n{THREADS} threads, batches of {BATCH}, "
          f"fp32, {TURNS} turns", flush=True)
    with tempfile.TemporaryDirectory(prefix="reward-model-") as folder:
        write_model(folder)
        theirs, ours = Transformers(folder), Ours(folder)
        rows = [measure(name, theirs, ours) for name in BARS]
    print(f"{'name':24} {'median':>12} {'unit':6} {'low':>12} {'high':>12}  "
          "note")
    for row in rows:
        bar = BARS[row["name"]]
        verdict = "reached" if row["value"] >= bar else "MISSED"
        print(f"{row['name']:24} {row['value']:12.3g} {row['unit']:6} "
              f"{row['low']:12.3g} {row['high']:12.3g}  {row['note']}; at "
              f"least {bar:g}: {verdict}")
    write(rows)


if __name__ == "__main__":
    main()
