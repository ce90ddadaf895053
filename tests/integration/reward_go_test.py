"""The Go example is built with Debian's packages and keeps the contract.

    reward_go_test.py OPERANT FOLDER

FOLDER keeps what was compiled, so that the next time is short.
"""

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/custom-reward-go"
LIBRARIES = ("grpc", "protobuf")  # as Debian installs them
BUILD_SECONDS = 480
CHECK_SECONDS = 90


def missing():
    tools = [tool for tool in
             ("go", "protoc", "protoc-gen-go", "protoc-gen-go-grpc")
             if shutil.which(tool) is None]
    source = pathlib.Path("/usr/share/gocode/src/google.golang.org")
    return tools + [str(source / name) for name in LIBRARIES
                    if not (source / name).is_dir()]


def main():
    operant, folder = sys.argv[1:]
    lacking = missing()
    if lacking:
        print(f"SKIPPED: {', '.join(lacking)} missing: deploy/setup.sh --go")
        return
    subprocess.run([EXAMPLE / "build.sh", folder], check=True,
                   timeout=BUILD_SECONDS)
    with subprocess.Popen([f"{folder}/reward_server", "127.0.0.1:0"],
                          stdout=subprocess.PIPE, text=True) as server:
        try:
            said = server.stdout.readline()
            port = re.fullmatch(r"reward server on port (\d+)\n", said)
            if not port:
                sys.exit(f"the server said '{said}', expected its port")
            address = f"127.0.0.1:{port[1]}"
            subprocess.run([operant, "reward", "check", address], check=True,
                           timeout=CHECK_SECONDS)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
