from __future__ import annotations

import pytest

from . import files


@pytest.fixture(scope="session")
def media(tmp_path_factory) -> files.Folder:
    """Small real files, each made once per session when it is first asked for."""
    return files.Folder(tmp_path_factory.mktemp("media"))
