"""Scores of random reward models against transformers'
...ForSequenceClassification.

    python tests/oracle/classifier_oracle.py --build-dir build/release

transformers writes a folder with one label, our engine scores sequences of
different lengths together; scores may differ by at most 1e-4 in fp32. Then
`operant rm` trains a model, and transformers opens what it wrote.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from transformers import (AutoModelForSequenceClassification, AutoTokenizer,
                          LlamaConfig, LlamaForSequenceClassification)

TOLERANCE = 1e-4
SEQUENCES = [[3, 1, 4, 1, 5, 9, 2, 6], [2, 7], [1, 8, 2, 8, 1], [10],
             list(range(3, 60))]
CASES = {
    "plain": {},
    "grouped-query": {"num_key_value_heads": 1},
    "tied": {"tie_word_embeddings": True},
    "head-dim-apart": {"head_dim": 24},
    "biases": {"attention_bias": True, "mlp_bias": True},
}


def theirs(folder, sequences):
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        return np.array([model(torch.tensor([ids])).logits[0, 0].item()
                         for ids in sequences])


def ours(tool, folder, sequences):
    text = "\n".join(" ".join(map(str, ids)) for ids in sequences) + "\n"
    done = subprocess.run([str(tool), str(folder), "2", "1"],
                          input=text.encode(), capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-500:])
    return np.frombuffer(done.stdout, np.float32)


def report(name, folder, tool, sequences):
    difference = float(np.abs(theirs(folder, sequences)
                              - ours(tool, folder, sequences)).max())
    good = difference <= TOLERANCE
    print(f"{'PASS' if good else 'FAIL'}  {name:20} max |difference| "
          f"{difference:.2e}", flush=True)
    return good


def random_model(changes, folder):
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
             "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 4, "max_position_embeddings": 64,
             "num_labels": 1, "eos_token_id": 2, "pad_token_id": None}
    torch.manual_seed(7)
    model = LlamaForSequenceClassification(LlamaConfig(**{**sizes, **changes}))
    for parameter in model.parameters():  # biases and norms are trivial else
        parameter.data += 0.05 * torch.randn_like(parameter)
    model.save_pretrained(folder)


def trained_here(operant, root):
    """A folder of `operant rm`, and what its tokenizer makes of two rows."""
    rows = [{"prompt": "say", "response": f" {a} {b}"}
            for a in "abcdefgh" for b in "abcdefgh"]
    pairs = [{"prompt": "say", "chosen": r["response"],
              "rejected": r["response"] + " x"} for r in rows]
    for name, data in (("sft", rows), ("pairs", pairs)):
        (root / f"{name}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in data))
    for arguments in (
            ["sft", "model.init=random", "model.hidden_size=32",
             "model.intermediate_size=48", "model.num_hidden_layers=2",
             "model.num_attention_heads=4", "model.max_position_embeddings=64",
             "tokenizer.train_vocab_size=270", f"data.sft={root}/sft.jsonl",
             f"sft.out={root}/start", "sft.epochs=1"],
            ["rm", f"model.path={root}/start", f"rm.out={root}/rm",
             f"data.preferences={root}/pairs.jsonl", "rm.epochs=2"]):
        subprocess.run([operant, *arguments], check=True, capture_output=True)
    tokenizer = AutoTokenizer.from_pretrained(root / "rm")
    return root / "rm", [tokenizer.encode(text) for text in ("say a", "say b x")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    build = parser.parse_args().build_dir
    tool = build / "tests/common/nn/classifier_tool"
    results = []
    for name, changes in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            random_model(changes, folder)
            results.append(report(name, folder, tool, SEQUENCES))
    with tempfile.TemporaryDirectory() as root:
        folder, sequences = trained_here(build / "cli/operant",
                                         pathlib.Path(root))
        results.append(report("operant rm", folder, tool, sequences))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
