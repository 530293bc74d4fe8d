"""ElevenLabs at the simulator, a text for it to speak, and how its answers are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pysubs2
import pytest

from providers.file_types import sniff
from providers.types import Capability, Request
from tests.providers.speaking import adapter_for

HOUR = timedelta(hours=1)
GEORGE, RACHEL = "JBFqnCBsd6RMkjVDRZzb", "21m00Tcm4TlvDq8ikWAM"
PATH = f"/v1/text-to-speech/{GEORGE}/with-timestamps"
TEXT = "Twice a day the sea rises, and twice it falls. Here is why."


@pytest.fixture
def eleven(vendors, tmp_path):
    return adapter_for(vendors, "elevenlabs", tmp_path)


@pytest.fixture
def voice():
    return Request(
        capability=Capability.VOICEOVER,
        offer="eleven_multilingual_v2",
        prompt=TEXT,
        voice=GEORGE,
        seed=7,
        language="en",
    )


def account(vendors, **values):
    vendors.control("elevenlabs", account=values)


def bills(vendors):
    return [bill["amount_micro"] for bill in vendors.books("elevenlabs")["bills"]]


def now():
    return datetime.now(UTC)


def own(request, **parameters):
    return replace(request, extra={"vendor": parameters})


def cues(answer):
    (times,) = [output for output in answer.outputs if output.role == "srt"]
    assert sniff(times.content[:4096]) == "application/x-subrip"
    return [(cue.plaintext, cue.start, cue.end) for cue in pysubs2.SSAFile.from_string(times.content.decode())]
