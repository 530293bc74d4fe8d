"""OpenAI at the simulator, one request of each kind, and jobs in bulk."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from providers import catalogue, registry
from providers.adapters.openai import bulk
from providers.exceptions import Unknown
from providers.types import BulkState, Capability, InputFile, Request
from tests.providers.recorded import adapter_at, playing
from tests.providers.speaking import adapter_for

OpenAI = registry.get("openai")


@pytest.fixture
def vendor(vendors, tmp_path):
    vendors.control("openai", media="tiny", latency_s=[1, 1])
    return adapter_for(vendors, "openai", tmp_path, path="/v1")


@pytest.fixture
def quick(vendor, vendors):
    vendors.control("openai", bulk_validate_s=[0, 0], bulk_latency_s=[1, 1], bulk_finalize_s=0)
    return vendor


@pytest.fixture
def script():
    extra = {"scenes": 4, "seconds": 30, "notes": "calm and clear", "aspect_ratio": "9:16"}
    return Request(
        capability=Capability.SCRIPT, offer="gpt-6-luna", prompt="Tidal power", language="de", tag="t1", extra=extra
    )


@pytest.fixture
def image():
    return Request(
        capability=Capability.IMAGE, offer="gpt-image-2", prompt="a lake at dawn", width=1536, height=1024, tag="i1"
    )


@pytest.fixture
def voice():
    return Request(
        capability=Capability.VOICEOVER, offer="gpt-4o-mini-tts", prompt="Twice a day the sea rises.", voice="marin"
    )


@pytest.fixture
def moderation():
    return Request(capability=Capability.MODERATION, offer="omni-moderation-latest", prompt="a quiet harbour")


def a_file(folder, name="picture.png", role="reference"):
    path = folder / name
    Image.new("RGB", (64, 36), "teal").save(path)
    return InputFile(path=path, sha256="0" * 64, media_type=f"image/{path.suffix[1:]}", role=role)


def own(request, **parameters):
    return replace(request, extra={**request.extra, "vendor": parameters})


def sent(tmp_path, request, answer=None, **attributes):
    """What an adapter sends."""
    with playing([answer or {"body": {}}]) as recorder:
        adapter = adapter_at(OpenAI, recorder.url, tmp_path)
        for name, value in attributes.items():
            setattr(adapter, name, value)
        with pytest.raises(Unknown):
            adapter.submit(request)
    return recorder.asked[0]


def price_of(request):
    return catalogue.of("openai").offer(request.capability, request.offer).price


def several(request, count=4):
    return {f"tag-{number}": replace(request, tag=f"tag-{number}", seed=number) for number in range(count)}


def handed_in(vendor, requests, tag="bulk-1"):
    file_id = bulk.upload(vendor, bulk.written(list(requests.values())), tag)
    capability = next(iter(requests.values())).capability
    return bulk.create(vendor, file_id, capability, tag)


def over(vendor, job):
    until = datetime.now(UTC) + timedelta(seconds=10)
    while job.state is BulkState.RUNNING and datetime.now(UTC) < until:
        time.sleep(0.01)
        job = bulk.look(vendor, job.external_id)
    return job
