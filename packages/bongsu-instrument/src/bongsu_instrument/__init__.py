"""Prometheus metrics and OpenTelemetry for ASGI applications, in one call."""
