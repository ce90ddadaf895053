"""Logits of random models against transformers' LlamaForCausalLM.

    python tests/oracle/transformers_oracle.py --build-dir build/release

For each architecture and stored type: transformers writes a folder, our
training module reads it and computes logits; they may differ by at most 1e-4 in
fp32. Then the folder that we write again is opened by transformers and must
give its own logits back.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

TOLERANCE = 1e-4
SEQUENCES = [[3, 1, 4, 1, 5, 9, 2, 6], [2, 7], [1, 8, 2, 8, 1], [10]]

# name: what differs from the plain model.
CASES = {
    "plain": {},
    "grouped-query": {"num_key_value_heads": 1},
    "tied": {"tie_word_embeddings": True},
    "head-dim-apart": {"head_dim": 24},
    "odd-sizes": {"vocab_size": 37, "hidden_size": 20, "num_attention_heads": 2,
                  "num_key_value_heads": 2, "head_dim": 10,
                  "intermediate_size": 51, "num_hidden_layers": 3},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "rope-theta": {"rope_theta": 500000.0},
}
TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def make_model(changes):
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
             "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 4, "max_position_embeddings": 64,
             "tie_word_embeddings": False, "bos_token_id": 1,
             "eos_token_id": 2}
    torch.manual_seed(7)
    model = LlamaForCausalLM(LlamaConfig(**{**sizes, **changes}))
    for parameter in model.parameters():  # biases and norms are trivial else
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval()


def expected_logits(folder):
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        return np.concatenate([
            model(torch.tensor([ids])).logits[0].numpy() for ids in SEQUENCES])


def our_logits(tool, folder, save_to=None, kind=None):
    text = "\n".join(" ".join(map(str, ids)) for ids in SEQUENCES) + "\n"
    command = [str(tool), str(folder)] + ([str(save_to), kind] if save_to else [])
    done = subprocess.run(command, input=text.encode(), capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-500:])
    rows = sum(map(len, SEQUENCES))
    return np.frombuffer(done.stdout, np.float32).reshape(rows, -1)


def compare(tool, name, changes, kind, shards, root):
    folder, again = root / "in", root / "out"
    model = make_model(changes).to(TYPES[kind])
    size = "20KB" if shards else "5GB"
    model.save_pretrained(folder, max_shard_size=size)
    ours = our_logits(tool, folder, again, kind)
    difference = float(np.abs(ours - expected_logits(folder)).max())
    back = float(np.abs(expected_logits(again) - expected_logits(folder)).max())
    label = f"{name} {kind}{' sharded' if shards else ''}"
    # Equal weights; alignment may pick another kernel, hence not 0.
    good = difference <= TOLERANCE and back <= 1e-6
    print(f"{'PASS' if good else 'FAIL'}  {label:28} max |difference| "
          f"{difference:.2e}, written again {back:.1e}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    build = parser.parse_args().build_dir
    tool = build / "tests/common/nn/logits_tool"
    cases = [(name, changes, kind, False)
             for name, changes in CASES.items() for kind in TYPES]
    cases.append(("plain", {}, "f32", True))
    failed = 0
    for name, changes, kind, shards in cases:
        with tempfile.TemporaryDirectory() as root:
            failed += not compare(tool, name, changes, kind, shards,
                                  pathlib.Path(root))
    print(f"{len(cases) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
