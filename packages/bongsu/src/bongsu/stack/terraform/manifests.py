"""The Compose stack, and beside it the machine that runs it."""

from collections.abc import Mapping

from bongsu.stack import compose
from bongsu.stack.model import Stack
from bongsu.stack.terraform import tests
from bongsu.stack.terraform.aws import configuration, to_json
from bongsu.stack.terraform.scripts import scripts

Files = Mapping[str, str]


def render(stack: Stack, files: Mapping[str, Files]) -> dict[str, str]:
    """``compose.yaml`` and ``.env.example`` as everywhere, and Terraform's files under ``terraform/``."""
    folders = {path.split("/", 1)[0] for own in files.values() for path in own}
    documents = configuration(stack, folders)
    return {
        **compose.render(stack, files),
        **{f"terraform/{name}.tf.json": to_json(document) for name, document in documents.items()},
        **{f"terraform/host/{name}": text for name, text in scripts(stack).items()},
        "terraform/tests/host.tftest.hcl": tests.text(),
    }
