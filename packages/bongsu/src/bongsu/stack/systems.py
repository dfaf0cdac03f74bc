"""The systems that configuration is generated for: their ports, images and default versions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Version:
    major: int
    minor: int = 0
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> "Version":
        """``3.5`` is 3.5.0."""
        return cls(*(int(part) for part in text.split(".")))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, slots=True)
class System:
    """One system of the stack, as it comes from its makers."""

    name: str
    port: int
    image: str = ""
    version: str = ""
    """What is generated for where the catalog declares no version."""
    tag: str = "{version}"
    user: int = 0
    """The numeric user that its image runs as, and that must own its volume."""


SYSTEMS = {
    system.name: system
    for system in (
        System("prometheus", 9090, "prom/prometheus", "3.5", "v{version}", 65534),
        System("alertmanager", 9093, "prom/alertmanager", "0.28", "v{version}", 65534),
        System("grafana", 3000, "grafana/grafana", "12.0", user=472),
        System("loki", 3100, "grafana/loki", "3.5", user=10001),
        System("tempo", 3200, "grafana/tempo", "2.9", user=10001),
        System("jaeger", 16686, "jaegertracing/jaeger", "2.11", user=10001),
        System("alloy", 12345, "grafana/alloy", "1.11", "v{version}", 473),
        System("blackbox-exporter", 9115, "prom/blackbox-exporter", "0.27", "v{version}", 65534),
        System("node-exporter", 9100, "prom/node-exporter", "1.9", "v{version}", 65534),
        System("bongsu", 8765, "bongsu", user=10001),
    )
}
