"""Greedy continuations and log-probs of the binary against transformers.

    python tests/oracle/generation_oracle.py --build-dir build/release

Folders that transformers wrote, of several architectures and stored types, and
one that `operant sft` wrote, are opened by both. Each continues the same texts
greedily: prompt ids and response ids must be equal token for token, and the
log-probs of every response, by `operant generate` and by `operant logprobs`,
within 1e-4 in fp32. RoPE scaling and a model of another family must be refused
by name.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (AutoModelForCausalLM, AutoTokenizer, GPT2Config,
                          GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM,
                          PreTrainedTokenizerFast)

TOLERANCE = 1e-4
MAX_TOKENS = 24
WORDS = ("a small cat sat on the mat and looked at the dog; the dog, being old, "
         "slept (as dogs do) near a warm fire in the room").split()
TEXTS = [" ".join(WORDS[i:i + 1 + i % 5]) for i in range(len(WORDS))]

CASES = {
    "plain f32": ({}, torch.float32),
    "grouped-query f32": ({"num_key_value_heads": 1}, torch.float32),
    "tied f32": ({"tie_word_embeddings": True}, torch.float32),
    "head-dim-apart f32": ({"head_dim": 24}, torch.float32),
    "biases f32": ({"attention_bias": True, "mlp_bias": True}, torch.float32),
    "rope-theta f32": ({"rope_theta": 500000.0}, torch.float32),
    "plain f16": ({}, torch.float16),
    "plain bf16": ({}, torch.bfloat16),
}


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|end|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer,
                                   eos_token="<|end|>")


def write_model(folder, changes, dtype):
    tokenizer = make_tokenizer()
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32,
             "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 4,
             "max_position_embeddings": 64, "tie_word_embeddings": False,
             "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(11)
    model = LlamaForCausalLM(LlamaConfig(**{**sizes, **changes}))
    for parameter in model.parameters():  # far from ties
        parameter.data += 0.2 * torch.randn_like(parameter)
    model.to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def run(operant, *arguments):
    done = subprocess.run([str(operant), *map(str, arguments)],
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return [json.loads(line) for line in done.stdout.splitlines()]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def expected_row(model, tokenizer, text):
    """Prompt ids, greedy response ids and their log-probs, by transformers."""
    prompt = tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        ids = model.generate(torch.tensor([prompt]), do_sample=False,
                             max_new_tokens=MAX_TOKENS,
                             pad_token_id=tokenizer.eos_token_id)[0].tolist()
        logits = model(torch.tensor([ids])).logits[0]
    logprobs = torch.log_softmax(logits.double(), -1)
    response = ids[len(prompt):]
    return prompt, response, [
        logprobs[len(prompt) - 1 + i, token].item()
        for i, token in enumerate(response)]


def compare(operant, name, folder, scratch):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    expected = [expected_row(model, tokenizer, text) for text in TEXTS]
    texts = write_rows(scratch / "texts.jsonl", [{"prompt": t} for t in TEXTS])
    ids = write_rows(scratch / "ids.jsonl", [
        {"prompt_token_ids": p, "response_token_ids": r}
        for p, r, _ in expected])
    generated = run(operant, "generate", "--model", folder, "--data", texts,
                    "--greedy", "--max-tokens", MAX_TOKENS)
    scored = run(operant, "logprobs", "--model", folder, "--data", ids)
    equal = sum(row["prompt_token_ids"] == p and row["response_token_ids"] == r
                for row, (p, r, _) in zip(generated, expected, strict=True))
    difference = max(
        abs(a - b) for rows in (generated, scored)
        for row, (_, _, logprobs) in zip(rows, expected, strict=True)
        for a, b in zip(row["response_logprobs"], logprobs))
    good = equal == len(TEXTS) and difference <= TOLERANCE
    print(f"{'PASS' if good else 'FAIL'}  {name:22} {equal} of {len(TEXTS)} "
          f"continuations equal, max |difference| of log-probs "
          f"{difference:.1e}", flush=True)
    return good


def write_own(operant, root):
    """A folder that `operant sft` trained from nothing."""
    rows = [{"prompt": " ".join(WORDS[i:i + 3]),
             "response": " " + " ".join(WORDS[i + 3:i + 9])}
            for i in range(len(WORDS) - 9)]
    data = write_rows(root / "rows.jsonl", rows)
    folder = root / "own"
    subprocess.run(
        [str(operant), "sft", "model.init=random", f"data.sft={data}",
         f"sft.out={folder}", "sft.epochs=20", "sft.learning_rate=0.01",
         "sft.batch_tokens=64", "tokenizer.train_vocab_size=330",
         "tokenizer.train_whole_words=12", "model.hidden_size=32",
         "model.intermediate_size=48", "model.num_hidden_layers=2",
         "model.num_attention_heads=4", "model.max_position_embeddings=64"],
        check=True, capture_output=True)
    return folder


def is_refused(operant, name, folder, scratch, word):
    texts = write_rows(scratch / "one.jsonl", [{"prompt": "a cat"}])
    done = subprocess.run(
        [str(operant), "generate", "--model", str(folder), "--data", str(texts),
         "--greedy", "--max-tokens", "2"], capture_output=True, text=True)
    good = done.returncode == 78 and word in done.stderr
    print(f"{'PASS' if good else 'FAIL'}  {name:22} refused: exit "
          f"{done.returncode}, {done.stderr.strip()[-160:]}", flush=True)
    return good


def write_scaled(folder):
    write_model(folder, {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}},
                torch.float32)


def write_gpt2(folder):
    tokenizer = make_tokenizer()
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1,
                               n_head=2, n_positions=32)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    operant = parser.parse_args().build_dir / "cli/operant"
    results = []
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for case, (changes, dtype) in CASES.items():
            folder = root / case.replace(" ", "-")
            write_model(folder, changes, dtype)
            results.append(compare(operant, case, folder, root))
        results.append(
            compare(operant, "written by operant", write_own(operant, root),
                    root))
        for case, write, word in [("rope scaling", write_scaled, "yarn"),
                                  ("another family", write_gpt2, "gpt2")]:
            folder = root / case.replace(" ", "-")
            write(folder)
            results.append(is_refused(operant, case, folder, root, word))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
