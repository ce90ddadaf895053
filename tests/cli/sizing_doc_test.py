"""docs/sizing.md shows what `operant doctor --plan` prints.

    sizing_doc_test.py OPERANT
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def lines(text):
    return [line.rstrip() for line in text.strip().splitlines()]


def main():
    said = subprocess.run([sys.argv[1], "doctor", "--plan"], check=True,
                          capture_output=True, text=True, timeout=60).stdout
    page = (ROOT / "docs/sizing.md").read_text()
    shown = page.split("```")[1]
    if lines(shown) != lines(said):
        sys.exit("docs/sizing.md shows another table; this is the one:\n"
                 + said)


if __name__ == "__main__":
    main()
