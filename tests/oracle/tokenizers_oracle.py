#!/usr/bin/env python3
"""Compares our byte-level BPE with PyPI `tokenizers`.

Both load the same tokenizer.json files (one trained by us, the others trained
here by `tokenizers` with the pre-tokenizers, normalizers, added tokens and
merge forms that models use) and encode WordNet's whole text and adversarial
Unicode. Ids and decoded text must be equal. Prints a table; exit status 1 on
any difference, 2 if something needed is missing.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        normalizers, pre_tokenizers, trainers)

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
        r"|\s+(?!\S)|\s+")

SPECIAL = ["<|endoftext|>", "<|pad|>"]
VOCAB_SIZE = 4000
SEED = 20240229
# Each pattern once: the text is large and has little Unicode.
ON_WORDNET = ("trained by us", "llama3", "qwen2, nfc")

# Pieces that random texts are made of.
PIECES = (
    "a b z A Z é ß ſ 's 'S 'ſ 't 'RE 'Ve 'll 'LL 'd 'm ' '' \" the The 1 12 123 "
    "1234567 ² ½ Ⅷ ٣ ৪ 一 二 漢字 かな 한글 ᄒ ᅡ ᆫ ́ ̀ ̣ ़ ्  ं "
    "ֹ ּ א ع 👩 👩‍👩‍👧 🏽 🇫🇷 ™ ∑ € ½ … — ( ) ; , . / - _ <| |> "
    "<|endoftext|> <|pad|> <tag> [mask] café cafe").split() + [
        " ", "  ", "   ", "\n", "\r", "\r\n", "\n\n", "\t", "\v", "\f", "\0",
        "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u3000",
        "\u200b", "\u200d", "\ufeff", "\u180e", "\ue000", "\U0010ffff",
        "\u0344", "\u0958", "\u2126", "\uac00\u11a8", "\u1112\u1161\u11ab",
        "e\u0301", "\u1e9b\u0323", "q\u0307\u0323", "a\u0315\u0300\u05ae",
        "\u07fd\u0300", "\U00011935\U00011930", "\U00011935\U00011938",
        "\u0f71\u0f72\u0f74"
    ]


def wordnet_texts(folder):
    texts = []
    for pos in ("noun", "verb", "adj", "adv"):
        path = pathlib.Path(folder) / f"data.{pos}"
        for line in path.read_text(encoding="utf-8").splitlines():
            texts.append(line.rsplit("| ", 1)[-1] if line[0] != " " else line)
            if line[0] != " ":
                texts.append(line.split(" ")[4].replace("_", " "))
    return texts


def code_point_texts():
    texts = []
    for c in range(0x110000):
        if 0xd800 <= c < 0xe000:
            continue
        x = chr(c)
        texts.append(f"a{x}b 1{x}2 {x}{x}\n{x} '{x}s. {x}\u0300\u0323e")
    return ["\u2060".join(texts[i:i + 64]) for i in range(0, len(texts), 64)]


def random_texts(count):
    rng = random.Random(SEED)
    texts = ["".join(rng.choices(PIECES, k=rng.randint(1, 40)))
             for _ in range(count)]
    for _ in range(count):
        texts.append("".join(
            chr(c) for c in (rng.randrange(1, 0x3400) for _ in range(30))))
    return texts


def long_texts():
    return ["a" * 20000, " " * 20000 + "a", "\n " * 10000, "'" * 20000,
            "e" + "\u0300\u0323" * 2000, "1" * 20000, "\u3000" * 20000 + "x",
            "abcdefghij" * 2000, "é" * 10000, "👩‍" * 5000, ""]


def pair_merges(tokenizer, path):
    tokenizer.save(str(path))
    merges = json.loads(path.read_text())["model"]["merges"]
    assert all(isinstance(merge, list) for merge in merges)


def string_merges(tokenizer, path):
    document = json.loads(tokenizer.to_str())
    model = document["model"]
    model["merges"] = [m if isinstance(m, str) else " ".join(m)
                       for m in model["merges"]]
    path.write_text(json.dumps(document, ensure_ascii=False))


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior, invert=invert),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def trained(corpus, pre_tokenizer, normalizer=None, alphabet=True, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    special = SPECIAL + ([model["unk_token"]] if "unk_token" in model else [])
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet
        else []))
    return tokenizer


def with_added_tokens(tokenizer):
    tokenizer.add_tokens([
        AddedToken("<tag>", lstrip=True, rstrip=True, normalized=False),
        AddedToken("the", single_word=True),
        AddedToken("[mask]", lstrip=True, special=True),
        AddedToken("cafe\u0301", normalized=True),
        AddedToken("12", rstrip=True, normalized=False),
        AddedToken("123", normalized=False)])
    return tokenizer


def byte_level(prefix_space=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)


def digits_then_byte_level(individual, prefix_space):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=individual),
        byte_level(prefix_space)])


def write_tokenizers(corpus, folder):
    """Name to path of each tokenizer.json that `tokenizers` makes."""
    nfc = normalizers.NFC()
    unknown = {"unk_token": "<unk>", "fuse_unk": True}
    cases = {
        "gpt2": (trained(corpus, byte_level()), pair_merges),
        "gpt2, strings, prefix space, added tokens": (
            with_added_tokens(trained(corpus, byte_level(True))),
            string_merges),
        "gpt2 as Split": (trained(corpus, split(GPT2)), pair_merges),
        "llama3": (trained(corpus, split(LLAMA3), ignore_merges=True),
                   string_merges),
        "llama3, removed inverted, added tokens": (
            with_added_tokens(
                trained(corpus, split(LLAMA3, "removed", True))),
            pair_merges),
        "qwen2, nfc": (trained(corpus, split(QWEN2), nfc), string_merges),
        "qwen2, nfc, added tokens": (
            with_added_tokens(trained(corpus, split(QWEN2), nfc)),
            pair_merges),
        "each digit": (trained(corpus, digits_then_byte_level(True, False)),
                       pair_merges),
        "runs of digits, prefix space": (
            trained(corpus, digits_then_byte_level(False, True)),
            string_merges),
        "some bytes without a token": (
            trained(corpus, byte_level(), alphabet=False), pair_merges),
        "unknown token": (
            trained(corpus, byte_level(), alphabet=False, **unknown),
            pair_merges),
    }
    paths = {}
    for i, (name, (tokenizer, save)) in enumerate(cases.items()):
        paths[name] = pathlib.Path(folder) / f"tokenizer{i}.json"
        save(tokenizer, paths[name])
    return paths


def run_tool(tool, arguments, texts):
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    return subprocess.run([tool, *map(str, arguments)], input=lines.encode(),
                          stdout=subprocess.PIPE, check=True).stdout.decode()


def compare(tool, path, texts):
    """Number of texts that differ, and the first of them."""
    theirs = Tokenizer.from_file(str(path))
    ours = run_tool(tool, ["encode", path], texts).split("\n")[:-1]
    assert len(ours) == len(texts)
    encodings = theirs.encode_batch(texts, add_special_tokens=False)
    decoded = theirs.decode_batch([e.ids for e in encodings],
                                  skip_special_tokens=False)
    differing = []
    for text, line, encoding, their_text in zip(texts, ours, encodings,
                                                decoded):
        our = json.loads(line)
        if our["ids"] != encoding.ids or our["text"] != their_text:
            differing.append((text, our["ids"], encoding.tokens))
    return len(differing), differing[0] if differing else None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build-dir", default="build/release",
                        help="build folder that holds the target tokenize_tool")
    parser.add_argument("--wordnet", default="/usr/share/wordnet",
                        help="folder of WordNet 3.0 (package wordnet-base)")
    parser.add_argument("--verbose", action="store_true",
                        help="print the first difference of each row")
    args = parser.parse_args()
    tool = pathlib.Path(args.build_dir) / "tests/common/text/tokenize_tool"
    for path, hint in ((tool, "build the target tokenize_tool"),
                       (pathlib.Path(args.wordnet) / "data.noun",
                        "apt-get install wordnet-base")):
        if not path.exists():
            print(f"not found: {path}; {hint}", file=sys.stderr)
            return 2

    wordnet = wordnet_texts(args.wordnet)
    corpora = {"wordnet": wordnet, "code points": code_point_texts(),
               "random": random_texts(5000), "long": long_texts()}
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        own = pathlib.Path(folder) / "own.json"
        own.write_text(run_tool(tool, ["train", 2048], wordnet))
        sample = random.Random(SEED).sample(wordnet, 20000)
        sample += random_texts(2000)
        paths = {"trained by us": own, **write_tokenizers(sample, folder)}
        print(f"{'tokenizer':44}{'texts':14}{'count':>8}{'differ':>8}")
        for name, path in paths.items():
            for corpus, texts in corpora.items():
                if corpus == "wordnet" and name not in ON_WORDNET:
                    continue
                differ, first = compare(tool, path, texts)
                failures += differ > 0
                print(f"{name:44}{corpus:14}{len(texts):8}{differ:8}  "
                      f"{'FAIL' if differ else 'PASS'}", flush=True)
                if first is not None and args.verbose:
                    text, ids, tokens = first
                    print(f"  text {text[:200]!r}\n  ours {ids[:40]}\n"
                          f"  theirs {tokens[:40]}")
    print("FAIL" if failures else "PASS")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
