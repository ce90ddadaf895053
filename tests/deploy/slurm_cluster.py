"""A Slurm cluster of real daemons: a head and nodes, each with its own network
namespace, address and host name. For `namespaces.enclosed` processes.
"""

import os
import pathlib
import re
import subprocess
import time

import namespaces

PARTITION = "gpu"
NODES = ("node1", "node2")
CPUS = 6  # of each node; fewer may be there
MEMORY_MIB = 40000
TOOLS = {"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd",
         "sbatch": "slurm-client"}
START_SECONDS = 60
# Nothing waits longer than it must, and a node need not have what it says.
CONFIGURATION = """
ClusterName=check
SlurmctldHost=head({head})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
SlurmdParameters=config_overrides
"""


class SlurmCluster:
    """folder: of the daemons, root's alone."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.head = namespaces.Machine()
        self.nodes = {name: namespaces.Machine() for name in NODES}
        self.daemons = {}
        self.start_munge()
        self.configure()
        for name, machine in self.nodes.items():
            self.start(name, machine, ["slurmd", "-D", "-N", name])
        self.start("ctld", self.head, ["slurmctld", "-D"])

    def start_munge(self):
        munge = self.folder / "munge"
        munge.mkdir(parents=True)
        key = munge / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.daemons["munged"] = subprocess.Popen(
            ["munged", "--foreground", f"--socket={munge}/socket",
             f"--key-file={key}", f"--pid-file={munge}/pid",
             f"--log-file={munge}/log", f"--seed-file={munge}/seed"],
            stderr=subprocess.DEVNULL)

    def configure(self):
        """slurm.conf where every tool looks for it, and names of the nodes."""
        text = CONFIGURATION.format(head=self.head.address, folder=self.folder)
        hosts = f"127.0.0.1 localhost\n{self.head.address} head\n"
        for name, machine in self.nodes.items():
            text += (f"NodeName={name} NodeAddr={machine.address} CPUs={CPUS} "
                     f"RealMemory={MEMORY_MIB} State=UNKNOWN\n")
            hosts += f"{machine.address} {name}\n"
            (self.folder / f"spool-{name}").mkdir()
        text += (f"PartitionName={PARTITION} Nodes={','.join(NODES)} "
                 "Default=YES MaxTime=INFINITE State=UP\n")
        namespaces.do("mount", "-t", "tmpfs", "tmpfs", "/etc/slurm")
        pathlib.Path("/etc/slurm/slurm.conf").write_text(text)
        (self.folder / "hosts").write_text(hosts)
        namespaces.do("mount", "--bind", str(self.folder / "hosts"),
                      "/etc/hosts")
        (self.folder / "state").mkdir()

    def start(self, name, machine, command):
        host = "head" if name == "ctld" else name
        self.daemons[name] = subprocess.Popen(
            machine.within("unshare", "--uts", "sh", "-c",
                           'hostname "$1"; shift; exec "$@"', "-", host,
                           *command),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def tool(self, *command, user="root", folder="/"):
        """One of Slurm's commands, as `user` on the head."""
        done = subprocess.run(
            self.head.within("setpriv", f"--reuid={user}", f"--regid={user}",
                             "--init-groups", *command),
            capture_output=True, text=True, timeout=60, cwd=folder)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: "
                               f"{done.stderr.strip()}")
        return (done.stdout + done.stderr).strip()

    def wait_until_idle(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                states = self.tool("sinfo", "-h", "-N", "-o", "%T").split()
                if states == ["idle"] * len(NODES):
                    return
            except RuntimeError:  # the controller is not there yet
                states = []
            time.sleep(0.5)
        raise RuntimeError(f"nodes do not get idle: {states}; " + self.logs())

    def job(self, number):
        """What scontrol says of the leader of a job."""
        text = self.tool("scontrol", "show", "job", str(number))
        return dict(re.findall(r"(\w+)=(\S*)", text.split("\n\n")[0]))

    def placed(self, number):
        """The nodes of each component."""
        text = self.tool("scontrol", "show", "job", str(number))
        return re.findall(r"\bNodeList=(\S+)", text)

    def logs(self, lines=5):
        """What is known when something goes wrong."""
        queue = self.tool("squeue", "-h", "-o", "%i %T %r %N")
        return f"queue: {queue}; " + "; ".join(
            f"{path.name}: {path.read_text(errors='replace').splitlines()[-lines:]}"
            for path in sorted(self.folder.glob("*.log")))

    def stop(self):
        for machine in (*self.nodes.values(), self.head):
            machine.kill_all()
        self.daemons["munged"].kill()
        for daemon in self.daemons.values():
            daemon.wait(timeout=30)
