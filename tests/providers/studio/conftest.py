from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from providers.adapters.studio import Studio
from providers.types import Capability, InputFile, Request


@pytest.fixture
def studio(tmp_path):
    """Asks the studio for one thing, as the engine does: a new adapter and an empty folder for every call."""

    def ask(capability, prompt="", *, options=None, **fields):
        workdir = tmp_path / f"call{len(list(tmp_path.iterdir()))}"
        workdir.mkdir()
        wire = []
        adapter = Studio(workdir=workdir, options=options, on_wire=lambda: wire.append("on the wire"))
        finished = adapter.submit(Request(capability=capability, offer="studio", prompt=prompt, **fields))
        (output,) = finished.outputs
        answer = json.loads(output.content) if output.content else None
        return SimpleNamespace(
            path=output.path, media_type=output.media_type, answer=answer, units=finished.units, wire=wire
        )

    return ask


@pytest.fixture
def picture(studio):
    """One drawn picture as the input of a clip."""

    def make(width=1344, height=768, prompt="layered hills"):
        drawn = studio(Capability.IMAGE, prompt, width=width, height=height, seed=1)
        return InputFile(path=drawn.path, sha256="", media_type="image/jpeg", role="image")

    return make
