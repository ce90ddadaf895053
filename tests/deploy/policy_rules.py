"""NetworkPolicies as nftables rules of one Pod's network namespace.

Pure: objects in, text out. What it does not understand it refuses, so that
nothing is let through, or kept out, by oversight.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Peer:
    """What a policy can say of a Pod."""
    namespace: str
    labels: tuple  # of (key, value)
    address: str

    def has(self, selector):
        refuse_unknown(selector, {"matchLabels"})
        return set(selector.get("matchLabels", {}).items()) <= set(self.labels)


def refuse_unknown(given, known):
    if set(given) - known:
        raise ValueError(f"not understood: {sorted(set(given) - known)}")


def matches(side, own, peer):
    """Whether one entry of a rule's `from` or `to` means `peer`."""
    refuse_unknown(side, {"podSelector", "namespaceSelector"})
    if "namespaceSelector" in side:
        space = Peer("", (("kubernetes.io/metadata.name", peer.namespace),), "")
        if not space.has(side["namespaceSelector"]):
            return False
    elif peer.namespace != own.namespace:
        return False
    return peer.has(side.get("podSelector", {}))


def ports_of(rule):
    """nftables' words for the rule's ports; one empty text: all of them."""
    words = []
    for port in rule.get("ports", []):
        refuse_unknown(port, {"protocol", "port"})
        if not isinstance(port["port"], int):
            raise ValueError(f"not understood: named port {port['port']}")
        words.append(f"{port.get('protocol', 'TCP').lower()} dport "
                     f"{port['port']} ")
    return words or [""]


def accepted(rules, key, word, own, peers):
    """Lines that accept what `rules` allow; word: saddr or daddr."""
    lines = []
    for rule in rules:
        refuse_unknown(rule, {key, "ports"})
        sides = rule.get(key)
        found = [p.address for p in peers
                 if sides and any(matches(s, own, p) for s in sides)]
        if sides and not found:
            continue
        whom = f"ip {word} {{ {', '.join(found)} }} " if sides else ""
        lines += [f"{whom}{ports}accept" for ports in ports_of(rule)]
    return lines


def ruleset(policies, own, peers, node):
    """The nftables file of `own`. A direction that no policy isolates is open;
    `node`, where probes come from, always gets in, as Kubernetes has it."""
    mine = [p["spec"] for p in policies
            if p["metadata"].get("namespace", own.namespace) == own.namespace
            and own.has(p["spec"]["podSelector"])]
    text = "add table inet edges\nflush table inet edges\n"
    text += "table inet edges {\n"
    for name, hook, loop, key, word in (
            ("ingress", "input", "iif", "from", "saddr"),
            ("egress", "output", "oif", "to", "daddr")):
        isolating = [s for s in mine if name.capitalize() in s["policyTypes"]]
        if not isolating:
            continue
        lines = [f"{loop} lo accept", "ct state established,related accept"]
        if name == "ingress":
            lines.append(f"ip saddr {node} accept")
        for spec in isolating:
            lines += accepted(spec.get(name) or [], key, word, own, peers)
        text += f"chain {name} {{ type filter hook {hook} priority 0; "
        text += "policy drop;\n" + "".join(f"{line}\n" for line in lines)
        text += "}\n"
    return text + "}\n"
