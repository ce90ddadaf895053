"""A model of 20,000 parameters and its data, made in seconds: enough for a run
whose processes are watched, not its responses."""

import json
import subprocess

WORDS = "one two three four five six seven eight nine ten".split()


def make(operant, folder, hidden_size=32):
    """Overrides of deploy/configs/demo.yaml that name it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"prompt": f"{a} {b}:", "response": f" {b} {a}"}
            for a in WORDS for b in WORDS]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    for name in ("sft.jsonl", "prompts.jsonl"):
        (folder / name).write_text(text)
    model = folder / "model"
    subprocess.run(
        [operant, "sft", "model.init=random", f"model.hidden_size={hidden_size}",
         "model.intermediate_size=64", "model.num_hidden_layers=1",
         "model.num_attention_heads=2", "model.max_position_embeddings=48",
         "tokenizer.train_vocab_size=300", f"data.sft={folder}/sft.jsonl",
         f"sft.out={model}", "sft.epochs=60", "sft.max_seconds=10",
         "sft.learning_rate=0.01", "sft.warmup_steps=5"],
        check=True, stdout=subprocess.DEVNULL, timeout=120)
    return [f"model.path={model}", f"data.prompts={folder}/prompts.jsonl",
            "data.sft=", "data.sft_eval=", "reward.scorer=length",
            "reward.lexicon="]
