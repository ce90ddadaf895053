"""python -m operant_reward FILE.py:FUNCTION | MODULE:FUNCTION | --openrlhf URL"""
import argparse
import importlib
import importlib.util
import sys

from operant_reward.openrlhf import remote
from operant_reward.server import serve


def load(target):
    """The function that `FILE.py:NAME` or `MODULE:NAME` names."""
    place, _, name = target.rpartition(":")
    if not place:
        sys.exit(f"{target}: expected FILE.py:FUNCTION or MODULE:FUNCTION")
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location("reward_functions", place)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    if not hasattr(module, name):
        sys.exit(f"{place} has no function {name}")
    return getattr(module, name)


def main():
    parser = argparse.ArgumentParser(prog="python -m operant_reward",
                                     description=__doc__)
    parser.add_argument("function", nargs="?")
    parser.add_argument("--openrlhf", metavar="URL")
    parser.add_argument("--listen", metavar="HOST:PORT")
    parser.add_argument("--name")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--components", nargs="*", default=())
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--token-file")
    flags = parser.parse_args()
    if (flags.function is None) == (flags.openrlhf is None):
        parser.error("name a function or --openrlhf URL, one of the two")
    function = (load(flags.function) if flags.function else
                remote(flags.openrlhf))
    serve(function, flags.listen, name=flags.name, workers=flags.workers,
          components=flags.components, deterministic=flags.deterministic,
          token_file=flags.token_file)


if __name__ == "__main__":
    main()
