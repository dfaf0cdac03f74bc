"""Alertmanager: groups what Prometheus finds and hands it to Bongsu."""

from bongsu.catalog.secrets import Secret
from bongsu.signals.quantities import format_duration
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack

INGEST_TOKEN = Secret(env="BONGSU_INGEST_TOKEN")
"""What senders of webhooks show to Bongsu."""


def render(stack: Stack) -> dict[str, str]:
    """``alertmanager.yml``: all alerts go to Bongsu; the worse severity mutes the lesser."""
    grouping = stack.catalog.grouping
    config = {
        "route": {
            "receiver": "bongsu",
            "group_by": list(grouping.by),
            "group_wait": format_duration(grouping.wait),
            "group_interval": format_duration(grouping.interval),
            "repeat_interval": format_duration(grouping.repeat),
        },
        "receivers": [
            {
                "name": "bongsu",
                "webhook_configs": [
                    {
                        "url": f"{stack.url('bongsu')}/webhooks/alertmanager",
                        "send_resolved": True,
                        "http_config": {
                            "authorization": {
                                "type": "Bearer",
                                "credentials_file": stack.secret_file(INGEST_TOKEN),
                            }
                        },
                    }
                ],
            }
        ],
        "inhibit_rules": [
            {
                "source_matchers": [f'severity="{worse}"'],
                "target_matchers": [f'severity=~"{lesser}"'],
                "equal": ["job", "signal"],
            }
            for worse, lesser in (("critical", "high|warning|info"), ("high", "warning|info"))
        ],
    }
    return {"alertmanager/alertmanager.yml": to_yaml(config)}
