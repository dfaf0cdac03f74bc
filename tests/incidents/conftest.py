import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bongsu.incidents.store import Store


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "incidents.sqlite")
    yield opened
    asyncio.run(opened.close())
