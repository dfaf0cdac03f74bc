"""SigNoz: metrics, logs, traces and who calls whom, over its HTTP API or its MCP server."""

from bongsu.sources.signoz.interface import Interface
from bongsu.sources.signoz.source import SignozSource

__all__ = ["Interface", "SignozSource"]
