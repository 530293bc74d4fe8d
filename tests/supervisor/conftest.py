from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.installation import Installation, copy_of, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def installation(prepared: Path, tmp_path: Path) -> Iterator[Installation]:
    made = copy_of(prepared, tmp_path / "data")
    yield made
    made.end()
