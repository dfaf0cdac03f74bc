"""Building the OpenTelemetry SDK's providers. Importing this module needs the `otel` extra."""

from __future__ import annotations

import logging
from time import time_ns
from typing import Any

from opentelemetry import _logs, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from .tracing import Telemetry, current_telemetry

# The exporter logs its own failures and its HTTP traffic: exporting those would never end.
_SILENT = ("opentelemetry", "urllib3", "requests", "bongsu_instrument")
_SEVERITIES = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
    (logging.DEBUG, SeverityNumber.DEBUG),
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


def build(service: str, version: str | None, *, traces: bool, logs: bool, exporters: bool) -> Telemetry:
    """Providers for one service; batch delays and endpoints are read by the SDK from its variables."""
    attributes = {"service.name": service} | ({"service.version": version} if version else {})
    resource = Resource.create(attributes)
    tracer_provider = logger_provider = None
    if traces:
        tracer_provider = TracerProvider(resource=resource)
        if exporters:
            tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if logs:
        logger_provider = LoggerProvider(resource=resource)
        if exporters:
            logger_provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    return Telemetry(service, tracer_provider, logger_provider, owned=True)


def make_global(telemetry: Telemetry) -> None:
    """Let the rest of the process use these providers, unless it has chosen its own."""
    if telemetry.tracer_provider is not None and isinstance(
        trace.get_tracer_provider(), trace.ProxyTracerProvider
    ):
        trace.set_tracer_provider(telemetry.tracer_provider)
    if telemetry.logger_provider is not None and not isinstance(_logs.get_logger_provider(), LoggerProvider):
        _logs.set_logger_provider(telemetry.logger_provider)


def attach_logging() -> None:
    """Send what reaches the root logger to OTLP too."""
    root = logging.getLogger()
    if not any(isinstance(handler, OtlpHandler) for handler in root.handlers):
        root.addHandler(OtlpHandler())


class OtlpHandler(logging.Handler):
    """Turns `logging` records into OTLP log records, with the trace and span they were written in."""

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one record; it is exported by a background thread."""
        if record.name.partition(".")[0] in _SILENT:
            return
        telemetry = current_telemetry()
        if telemetry is None or telemetry.logger_provider is None:
            return
        try:
            logger = telemetry.logger_provider.get_logger(record.name)
            logger.emit(_translate(record))
        except Exception:
            self.handleError(record)


def emit_exception(telemetry: Telemetry, error: BaseException) -> None:
    """Log an exception that no handler of the application caught, in the current span."""
    if telemetry.logger_provider is None:
        return
    telemetry.logger_provider.get_logger("bongsu_instrument").emit(
        LogRecord(
            timestamp=time_ns(),
            severity_text="ERROR",
            severity_number=SeverityNumber.ERROR,
            body="Unhandled exception in request",
            exception=error,
        )
    )


def _translate(record: logging.LogRecord) -> LogRecord:
    attributes: dict[str, Any] = {
        "code.file.path": record.pathname,
        "code.function.name": record.funcName,
        "code.line.number": record.lineno,
    }
    for name, value in vars(record).items():
        if name not in _STANDARD and not name.startswith("_"):
            attributes[name] = value if isinstance(value, str | bool | int | float) else str(value)
    severity = next(
        (number for level, number in _SEVERITIES if record.levelno >= level), SeverityNumber.TRACE
    )
    return LogRecord(
        timestamp=int(record.created * 1e9),
        severity_text=record.levelname,
        severity_number=severity,
        body=record.getMessage(),
        attributes=attributes,
        exception=record.exc_info[1] if record.exc_info else None,
    )
