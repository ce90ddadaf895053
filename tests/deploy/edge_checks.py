"""As manifests.py, of who may talk to whom."""

from manifests import HTTP_PORT, ROLES, containers, of_kind

# Who opens a connection to whom, and where.
EDGES = {("rollout", "learner", 7070), ("learner", "rollout", 7071),
         ("rollout", "rollout", 7071), ("learner", "reward", 50061),
         ("monitoring", "learner", HTTP_PORT),
         ("monitoring", "rollout", HTTP_PORT),
         ("monitoring", "reward", HTTP_PORT)}


def has_ranks(folder):
    """Whether the learner is several Pods."""
    return any(job["name"] == "learner"
               and job["template"]["spec"]["completions"] > 1
               for jobset in of_kind(folder, "JobSet")
               for job in jobset["spec"]["replicatedJobs"])


def policy_edges(folder):
    """The NetworkPolicies allow the edges of the design and no other."""
    policies = of_kind(folder, "NetworkPolicy")
    faults = []
    denied = [p for p in policies if not p["spec"].get("ingress")
              and not p["spec"].get("egress")
              and set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"}
              and "operant.dev/role"
              not in p["spec"]["podSelector"]["matchLabels"]]
    if not denied:
        faults.append("nothing denies by default")

    def peers(sides):
        """Roles that a peer list names; None: anybody."""
        if not sides:
            return None
        names = set()
        for side in sides:
            labels = side.get("podSelector", {}).get("matchLabels", {})
            space = side.get("namespaceSelector", {}).get("matchLabels", {})
            if "operant.dev/role" in labels:
                names.add(labels["operant.dev/role"])
            elif "k8s-app" in labels:
                names.add("dns")
            elif space:
                names.add("monitoring")
            else:
                return None
        return names

    several = has_ranks(folder)
    between_ranks = set()
    ingress, egress = set(), set()
    for p in policies:
        role = p["spec"]["podSelector"]["matchLabels"].get("operant.dev/role")
        if role is None:
            continue
        for direction, key, found in (("ingress", "from", ingress),
                                      ("egress", "to", egress)):
            for rule in p["spec"].get(direction) or []:
                who = peers(rule.get(key))
                ports = [q["port"] for q in rule.get("ports", [])]
                among_ranks = role == "learner" and who == {"learner"}
                if several and among_ranks and not ports:
                    between_ranks.add(direction)  # they choose their ports
                    continue
                if not ports or (who is None and role != "fetch"):
                    faults.append(f"{role}: {direction} is open: {rule}")
                    continue
                for peer in who or {"anybody"}:
                    for port in ports:
                        found.add((peer, role, port) if direction == "ingress"
                                  else (role, peer, port))
    if several and between_ranks != {"ingress", "egress"}:
        faults.append(f"ranks reach each other: {sorted(between_ranks)}")
    present = {role for role, _ in containers(folder)} | {"monitoring"}
    wanted = {e for e in EDGES if e[0] in present and e[1] in present}
    if ingress != wanted:
        faults.append(f"ingress differs: {sorted(ingress ^ wanted)}")
    inside = {e for e in egress if e[1] in ROLES}
    if inside != {e for e in wanted if e[0] in ROLES}:
        faults.append(f"egress differs: {sorted(inside)}")
    return faults
