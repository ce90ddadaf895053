"""Machines of a cluster as network namespaces behind one bridge.

Everything is made inside namespaces of the calling process, so that nothing is
left behind when it ends: start it by `enclosed`.

    namespaces.py dial SECONDS HOST:PORT ...   what a machine can reach, as JSON
"""

import errno
import json
import os
import pathlib
import selectors
import signal
import socket
import subprocess
import sys
import time

NODE = "10.77.0.1"  # the bridge: where kubelet and controllers are
PREFIX = 16
TOOLS = {"ip": "iproute2", "nft": "nftables", "bwrap": "bubblewrap",
         "nsenter": "util-linux", "unshare": "util-linux"}


def enclosed(command):
    """`command` with a network, mounts and processes of its own."""
    return ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
            "--mount-proc", *command]


def make_bridge():
    """Once, in the enclosed process: where `Machine`s are plugged in."""
    do("mount", "-t", "tmpfs", "tmpfs", "/run")
    pathlib.Path("/run/netns").mkdir()
    do("ip", "link", "set", "lo", "up")
    do("ip", "link", "add", "nodes", "type", "bridge")
    do("ip", "addr", "add", f"{NODE}/{PREFIX}", "dev", "nodes")
    do("ip", "link", "set", "nodes", "up")


def do(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True,
                          timeout=60)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Machine:
    """One network namespace with one address on the bridge."""

    number = 1  # of the last one; no address is given twice

    def __init__(self):
        Machine.number += 1
        number = Machine.number
        self.space = f"m{number}"
        self.address = f"10.77.{number // 256}.{number % 256}"
        do("ip", "netns", "add", self.space)
        self.port = f"p{number}"
        do("ip", "link", "add", self.port, "type", "veth", "peer", "name",
           "eth0", "netns", self.space)
        do("ip", "link", "set", self.port, "master", "nodes", "up")
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "addr", "add", f"{self.address}/{PREFIX}", "dev",
                    "eth0")
        self.inside("ip", "link", "set", "eth0", "up")

    def within(self, *command):
        """The command line that runs `command` in this namespace."""
        return ["nsenter", f"--net=/run/netns/{self.space}", *command]

    def inside(self, *command, text=None):
        return do(*self.within(*command), text=text)

    def kill_all(self, seconds=30):
        """SIGKILL to every process in it, until there is none."""
        end = time.monotonic() + seconds
        while found := do("ip", "netns", "pids", self.space).split():
            for pid in found:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if time.monotonic() > end:
                raise RuntimeError(f"{self.space}: {found} do not end")
            time.sleep(0.05)

    def reaches(self, targets, seconds=2):
        """{(address, port): whether an answer came, were it a refusal}."""
        if not targets:
            return {}
        said = self.inside(sys.executable, os.path.abspath(__file__), "dial",
                           str(seconds), *[f"{a}:{p}" for a, p in targets])
        return dict(zip(targets, json.loads(said)))

    def unplug(self):
        do("ip", "link", "del", self.port)

    def remove(self):
        do("ip", "netns", "del", self.space)


def dial(seconds, targets):
    """All at once: True for each that accepts or refuses, False for silence."""
    answered = {}
    with selectors.DefaultSelector() as selector:
        for target in targets:
            host, port = target.rsplit(":", 1)
            caller = socket.socket()
            caller.setblocking(False)
            code = caller.connect_ex((host, int(port)))
            answered[target] = code in (0, errno.ECONNREFUSED)
            if code == errno.EINPROGRESS:
                selector.register(caller, selectors.EVENT_WRITE, target)
        end = time.monotonic() + seconds
        while selector.get_map() and time.monotonic() < end:
            for key, _ in selector.select(end - time.monotonic()):
                code = key.fileobj.getsockopt(socket.SOL_SOCKET,
                                              socket.SO_ERROR)
                answered[key.data] = code in (0, errno.ECONNREFUSED)
                selector.unregister(key.fileobj)
    return [answered[target] for target in targets]


if __name__ == "__main__":
    print(json.dumps(dial(float(sys.argv[2]), sys.argv[3:])))
