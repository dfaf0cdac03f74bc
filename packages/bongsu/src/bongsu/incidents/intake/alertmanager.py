"""Alertmanager webhook v4, and Grafana's v1, which is the same with more. Unknown keys are ignored.

A truncated body says nothing of the alerts it leaves out: absence never means resolved.
"""

from datetime import UTC, datetime

import msgspec

from bongsu.incidents.intake.common import IntakeError, ServiceIndex, seconds_of, severity_of, status_of
from bongsu.incidents.model import Alert
from bongsu.signals.quantities import parse_duration


class WebhookAlert(msgspec.Struct, frozen=True):
    status: str
    labels: dict[str, str]
    startsAt: datetime  # noqa: N815
    annotations: dict[str, str] = {}
    endsAt: datetime | None = None  # noqa: N815
    generatorURL: str = ""  # noqa: N815
    fingerprint: str = ""
    panelURL: str = ""  # noqa: N815
    values: dict[str, float | None] | None = None


class Webhook(msgspec.Struct, frozen=True):
    version: str
    status: str
    alerts: list[WebhookAlert]
    truncatedAlerts: int = 0  # noqa: N815


_DECODER = msgspec.json.Decoder(Webhook)
_OFFSET = 14695981039346656037
_PRIME = 1099511628211


def decode(body: bytes, *, source: str, version: str, services: ServiceIndex) -> list[Alert]:
    """The alerts of one webhook body; IntakeError says what in it breaks the contract."""
    try:
        webhook = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise IntakeError(f"this is not a webhook of {source}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntakeError(f"the body is not JSON: {error}") from None
    if webhook.version != version:
        raise IntakeError(f"version is {webhook.version!r}; this endpoint takes {source} version {version!r}")
    # A watchdog fires for ever to show that the chain works; it is nothing to act on.
    return [_alert(a, source, services) for a in webhook.alerts if a.labels.get("severity") != "none"]


def _alert(alert: WebhookAlert, source: str, services: ServiceIndex) -> Alert:
    starts_at = alert.startsAt if alert.startsAt.tzinfo else alert.startsAt.replace(tzinfo=UTC)
    service = services.find(alert.labels)
    name = alert.labels.get("alertname", "unnamed alert")
    summary = alert.annotations.get("summary") or alert.annotations.get("title") or name
    return Alert(
        source=source,
        fingerprint=alert.fingerprint or fingerprint(alert.labels),
        status=status_of(alert.status),
        starts_at=starts_at.timestamp(),
        ends_at=seconds_of(alert.endsAt) if alert.status == "resolved" else None,
        name=name,
        service=service,
        signal=alert.labels.get("signal", ""),
        severity=severity_of(alert.labels),
        summary=summary,
        labels=alert.labels,
        annotations=alert.annotations,
        value=_value(alert),
        threshold=_number(alert.annotations.get("threshold")),
        unit=alert.annotations.get("unit", ""),
        since=_since(starts_at.timestamp(), alert.annotations.get("for", "")),
        url=alert.panelURL or alert.generatorURL,
    )


def _since(starts_at: float, hold: str) -> float:
    """When the condition began: a rule fires only after its ``for``, which our own rules state."""
    try:
        return starts_at - (parse_duration(hold) if hold else 0.0)
    except ValueError:
        return starts_at


def _value(alert: WebhookAlert) -> float | None:
    stated = _number(alert.annotations.get("value"))
    if stated is not None or not alert.values:
        return stated
    return alert.values[min(alert.values)]


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def fingerprint(labels: dict[str, str]) -> str:
    """FNV-1a-64 over sorted ``name 0xff value 0xff``, as Prometheus' common library computes it; 16 hex."""
    value = _OFFSET
    for name in sorted(labels):
        for byte in f"{name}".encode() + b"\xff" + labels[name].encode() + b"\xff":
            value = ((value ^ byte) * _PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"
