"""Reading pages in tests."""

import re
from typing import Any

OUTAGE = "3f9c1a7be2d04856"


def form_token(page: Any) -> str:
    """The token of any form of the page."""
    found = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert found, "the page has no form"
    return found[1]


def words(page: Any) -> str:
    """What the page says, without its markup."""
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", page.text, flags=re.DOTALL)
    return " ".join(text.split())
