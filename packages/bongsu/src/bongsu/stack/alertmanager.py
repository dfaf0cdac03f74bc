"""Alertmanager: groups what Prometheus finds and hands it to Bongsu."""

from bongsu.stack.files import to_yaml


def render(*, webhook: str, token_file: str, group_wait: str, group_interval: str) -> dict[str, str]:
    """``alertmanager.yml``: all alerts go to Bongsu at ``webhook``; the worse severity mutes the lesser."""
    config = {
        "route": {
            "receiver": "bongsu",
            "group_by": ["alertname", "severity"],
            "group_wait": group_wait,
            "group_interval": group_interval,
            "repeat_interval": "12h",
        },
        "receivers": [
            {
                "name": "bongsu",
                "webhook_configs": [
                    {
                        "url": webhook,
                        "send_resolved": True,
                        "http_config": {"authorization": {"type": "Bearer", "credentials_file": token_file}},
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
    return {"alertmanager.yml": to_yaml(config)}
