"""Where Grafana finds its dashboards, and the folder that it shows them in."""

from bongsu.stack.dashboards import folder
from bongsu.stack.files import to_yaml
from bongsu.stack.model import Stack

FOLDER = "/etc/grafana/dashboards"


def render(stack: Stack) -> dict[str, str]:
    """One folder named after the catalog; its dashboards go with their files."""
    document = {
        "apiVersion": 1,
        "providers": [
            {
                "name": f"bongsu-{stack.catalog.name}",
                "orgId": 1,
                # By name: with a uid, Grafana makes a second folder where alerting has made this one.
                "folder": folder(stack.catalog.name),
                "type": "file",
                "disableDeletion": False,
                "allowUiUpdates": False,
                "updateIntervalSeconds": 30,
                "options": {"path": FOLDER, "foldersFromFilesStructure": False},
            }
        ],
    }
    return {"grafana/provisioning/dashboards/bongsu.yml": to_yaml(document)}
