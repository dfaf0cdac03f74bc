"""Where a service listens, whom it calls and which version it is: from arguments or environment."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PORTS: Mapping[str, int] = {"gateway": 8101, "orders": 8102, "payments": 8103, "inventory": 8104}
SERVICES: tuple[str, ...] = tuple(PORTS)
STABLE_VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class Settings:
    service: str
    host: str
    port: int
    version: str
    faults: bool
    peers: Mapping[str, str]
    database: Path

    @classmethod
    def read(cls, service: str, arguments: list[str] | None = None) -> Self:
        env = os.environ
        parser = argparse.ArgumentParser(prog=f"python -m shop.{service}")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=env.get(port_variable(service), PORTS[service]))
        parser.add_argument("--version", default=env.get("SHOP_VERSION", STABLE_VERSION))
        parser.add_argument("--database", type=Path, default=env.get("SHOP_DATABASE", "shop-orders.db"))
        for peer, port in PORTS.items():
            default = env.get(url_variable(peer), f"http://127.0.0.1:{port}")
            parser.add_argument(f"--{peer}-url", default=default)
        given = parser.parse_args(arguments)
        return cls(
            service=service,
            host=given.host,
            port=given.port,
            version=given.version,
            faults=env.get("SHOP_FAULTS") == "1",
            peers={peer: getattr(given, f"{peer}_url") for peer in SERVICES},
            database=given.database,
        )


def port_variable(service: str) -> str:
    return f"SHOP_{service.upper()}_PORT"


def url_variable(service: str) -> str:
    return f"SHOP_{service.upper()}_URL"
