from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from . import files


@pytest.fixture(scope="session")
def media(tmp_path_factory) -> files.Folder:
    """Small real files, each made once per session when it is first asked for."""
    return files.Folder(tmp_path_factory.mktemp("media"))


@pytest.fixture
def default_profile(db):
    """As a new site has it: a test with real transactions may have emptied the tables."""
    import_module("qc.migrations.0002_default_profile").make_default(apps, None)
    return apps.get_model("qc", "Profile").objects.get(name="default")
