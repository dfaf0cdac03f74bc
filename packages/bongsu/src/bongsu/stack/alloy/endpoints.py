"""Where telemetry is received and sent: the ports of OTLP, and what each kind of telemetry is written to."""

from bongsu.catalog.models import EmbeddedSource
from bongsu.stack.alloy.tree import Binary, Expr, call, string
from bongsu.stack.model import Stack

STACK_HOST = "BONGSU_STACK_HOST"
"""The variable that tells an agent on another machine where the stack is."""

_RECEIVERS = ("alloy", "tempo", "jaeger")
_GRPC, _HTTP = 4317, 4318
_LOOPBACK, _EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - of its own container


def listen_host(stack: Stack) -> str:
    """The address that a system listens on: everywhere in its container, loopback on one's own machine."""
    return _LOOPBACK if stack.place == "local" else _EVERYWHERE


def listen_port(stack: Stack, system: str, usual: int) -> int:
    """The port that a system listens on: in a container always its usual one."""
    return int(stack.address(system).rpartition(":")[2]) if stack.place == "local" else usual


def otlp_ports(stack: Stack, system: str) -> tuple[int, int]:
    """Ports of OTLP over gRPC and HTTP. On one machine receivers would collide: the first has the usual."""
    if stack.place != "local":
        return _GRPC, _HTTP
    shift = 10 * [name for name in _RECEIVERS if stack.has(name)].index(system)
    return _GRPC + shift, _HTTP + shift


def takes_samples(stack: Stack) -> bool:
    """Whether there is a Prometheus of ours that samples may be written to.

    It needs ``--web.enable-remote-write-receiver``; the Operator's Prometheus is not ours.
    """
    return stack.has("prometheus") and stack.place != "operator"


def remote_write_url(stack: Stack) -> str:
    """Where samples are written to; empty where no Prometheus takes them."""
    return f"{stack.url('prometheus')}/api/v1/write" if takes_samples(stack) else ""


def is_embedded(stack: Stack) -> bool:
    """Whether Bongsu itself keeps telemetry."""
    return any(isinstance(source, EmbeddedSource) for source in stack.catalog.sources.values())


def http(stack: Stack, system: str, path: str) -> Expr:
    """The URL of ``system``, as the agent sees it."""
    host, _, port = stack.address(system).rpartition(":")
    if not _elsewhere(stack, system):
        return string(f"http://{host}:{port}{path}")
    return _joined("http://", host, f":{port}{path}")


def otlp_grpc(stack: Stack, system: str) -> Expr:
    """``host:port`` at which ``system`` takes OTLP over gRPC, as the agent sees it."""
    host, port = stack.address(system).rpartition(":")[0], otlp_ports(stack, system)[0]
    if not _elsewhere(stack, system):
        return string(f"{host}:{port}")
    return _joined("", host, f":{port}")


def _elsewhere(stack: Stack, system: str) -> bool:
    """Whether an agent on another machine may need another name for it."""
    return stack.place in ("compose", "terraform") and system not in stack.addresses


def _joined(before: str, host: str, after: str) -> Expr:
    found: Expr = call("coalesce", call("sys.env", STACK_HOST), host)
    if before:
        found = Binary(string(before), "+", found)
    return Binary(found, "+", string(after))
