"""The keys of the one Secret that the pods read. Its values are never generated."""

from collections.abc import Sequence

from bongsu.stack.files import HEADER
from bongsu.stack.kubernetes.pods import SECRET
from bongsu.stack.model import Stack

EXAMPLE = "secrets.env.example"
_TEXTS = {
    "en": (
        "Copy to secrets.env, fill in, keep it out of version control, and:",
        "Senders of alerts show BONGSU_INGEST_TOKEN to Bongsu; people sign in with BONGSU_ADMIN_TOKEN.",
    ),
    "ko": (
        "secrets.env로 복사해 값을 채우고, 저장소에는 올리지 말고, 다음을 실행합니다:",
        "BONGSU_INGEST_TOKEN은 알림을 보내는 쪽이, BONGSU_ADMIN_TOKEN은 로그인하는 사람이 씁니다.",
    ),
}


def example(stack: Stack, names: Sequence[str]) -> dict[str, str]:
    """``secrets.env.example``: what ``kubectl create secret`` needs, without values."""
    copy, tokens = _TEXTS[stack.catalog.language]
    namespace = stack.catalog.kubernetes.namespace
    command = f"kubectl -n {namespace} create secret generic {SECRET} --from-env-file=secrets.env"
    lines = [
        HEADER.rstrip("\n"),
        f"# {copy}",
        f"#   {command}",
        f"# {tokens}",
        *(f"{name}=" for name in names),
    ]
    return {EXAMPLE: "\n".join(lines) + "\n"}
