"""Allowed connections, computed from NetworkPolicies as a network plug-in would enforce them. It knows no part by name.

Pods are known by their labels; whatever is not a pod of the release is the outside.
"""

from collections.abc import Iterable

from tests.charts.manifests import JSON, Pod, Release

OUTSIDE = "outside"


def ways(release: Release) -> list[tuple[str, str, int]]:
    """Each (part, part, port) that traffic may take inside of the release, sorted."""
    labels = {pod.part: pod.labels for pod in release.pods}
    ports = {part: listening(release, part) for part in labels}
    connections = {
        (source, target, port)
        for source in labels
        for target in labels
        for port in ports[target]
        if source != target and may(release, labels[source], labels[target], port)
    }
    return sorted(connections)


def listening(release: Release, part: str) -> set[int]:
    """The ports that a part's containers have."""
    pods: Iterable[Pod] = (pod for pod in release.pods if pod.part == part)
    return {
        port["containerPort"] for pod in pods for each in pod.containers for port in each.get("ports", [])
    }


def may(release: Release, source: JSON, target: JSON, port: int) -> bool:
    """Return True if both ends allow a connection."""
    return passes(release, source, "egress", "to", target, port) and passes(
        release, target, "ingress", "from", source, port
    )


def passes(release: Release, own: JSON, way: str, side: str, other: JSON | None, port: int) -> bool:
    """Return True if the policies of one end allow it; `other` is None for the outside."""
    chosen = [
        each["spec"]
        for each in release.of("NetworkPolicy")
        if way.capitalize() in each["spec"]["policyTypes"] and selects(each["spec"]["podSelector"], own)
    ]
    if not chosen:
        return True
    return any(allows(rule, side, other, port) for spec in chosen for rule in spec.get(way) or [])


def allows(rule: JSON, side: str, other: JSON | None, port: int) -> bool:
    """Return True if a rule allows this port and this end."""
    ports = rule.get("ports")
    if ports is not None and port not in [each["port"] for each in ports]:
        return False
    peers = rule.get(side)
    return peers is None or any(matches(peer, other) for peer in peers)


def matches(peer: JSON, other: JSON | None) -> bool:
    """Return True if a peer of a rule is this pod, or the outside; an address block never is one of our pods."""
    if "ipBlock" in peer:
        return other is None
    if "namespaceSelector" in peer:
        return other is None if peer.get("podSelector") is None else False
    return other is not None and selects(peer["podSelector"], other)


def selects(selector: JSON, labels: JSON) -> bool:
    """Return True if a label selector selects a pod."""
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
