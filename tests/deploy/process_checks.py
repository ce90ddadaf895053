"""As manifests.py, of the processes: what each one is given, and how the ranks
of one learner find each other."""

from manifests import (PORTS, ROLES, containers, jobset_name, load, of_kind,
                       pods)

GPU = "nvidia.com/gpu"
RANK = "$(JOB_COMPLETION_INDEX)"  # Kubernetes sets it in Pods of indexed Jobs
# What NCCL is told where there are RDMA adapters, and only there.
RDMA_VARIABLES = {"NCCL_SOCKET_IFNAME", "NCCL_IB_HCA", "NCCL_IB_GID_INDEX",
                  "NCCL_NET_GDR_LEVEL"}


def resources(folder):
    """Memory is what is asked for and no more; shared memory is memory; who has
    a GPU is let onto nodes with GPUs."""
    faults = []
    for role, pod in pods(folder):
        if role not in ROLES:
            continue
        spec = pod["spec"]
        container = spec["containers"][0]
        given = container["resources"]
        if given["requests"].get("memory") != given["limits"].get("memory"):
            faults.append(f"{role}: asks for {given['requests']} and is "
                          f"limited to {given['limits']}")
        shared = {m["name"] for m in container["volumeMounts"]
                  if m["mountPath"] == "/dev/shm"}
        backed = {v["name"] for v in spec["volumes"]
                  if v.get("emptyDir", {}).get("medium") == "Memory"}
        if not shared or not shared <= backed:
            faults.append(f"{role}: /dev/shm is no memory")
        tolerated = {t.get("key") for t in spec.get("tolerations", [])}
        if (GPU in given["limits"]) != (GPU in tolerated):
            faults.append(f"{role}: {GPU}: limit {given['limits'].get(GPU)}, "
                          f"tolerates {tolerated}")
    return faults


def rdma(folder):
    """Of built files: who has an RDMA adapter may use it, and NCCL knows it."""
    faults = []
    for role, container in containers(folder):
        variables = {v["name"] for v in container["env"]}
        adds = container["securityContext"]["capabilities"].get("add", [])
        has = any("rdma" in name for name in container["resources"]["limits"])
        wanted = RDMA_VARIABLES if has else set()
        if variables & RDMA_VARIABLES != wanted:
            faults.append(f"{role}: RDMA {has}, but {sorted(variables)}")
        if adds != (["IPC_LOCK"] if has else []):
            faults.append(f"{role}: RDMA {has}, but capabilities {adds}")
    return faults


def ranks(folder):
    """As many Pods as ranks; each knows its own, and all of them the first."""
    faults = []
    wanted = load(folder / "base/config/learner.yaml")["learner"]["ranks"]
    run = jobset_name(folder)
    jobset = of_kind(folder, "JobSet")[0]["spec"]
    if not jobset["network"].get("enableDNSHostnames"):
        faults.append("Pods have no names of their own")
    first = f"{run}-learner-0-0.{jobset['network'].get('subdomain')}"
    for job in jobset["replicatedJobs"]:
        if job["name"] != "learner":
            continue
        spec = job["template"]["spec"]
        shape = (job["replicas"], spec["completionMode"], spec["completions"],
                 spec["parallelism"])
        if shape != (1, "Indexed", wanted, wanted):
            faults.append(f"{wanted} ranks, but Pods: {shape}")
    for role, container in containers(folder):
        if role != "learner":
            continue
        told = {a for a in container["args"]
                if a.startswith(("--rank=", "--world-size=", "--coordinator="))}
        if told != ({f"--rank={RANK}", f"--world-size={wanted}",
                     f"--coordinator={first}:{PORTS['learner']}"}
                    if wanted > 1 else set()):
            faults.append(f"learner of {wanted} ranks: {sorted(told)}")
    for service in of_kind(folder, "Service"):
        selector = service["spec"]["selector"]
        if selector["operant.dev/role"] == "learner" and selector.get(
                "batch.kubernetes.io/job-completion-index") != "0":
            faults.append("workers are led to any rank, not to the first")
    return faults
