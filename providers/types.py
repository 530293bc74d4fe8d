"""The one vocabulary between the engine and every vendor: plain values, no Django."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any


class Capability(StrEnum):
    """What an offer can make."""

    SCRIPT = "script"
    IMAGE = "image"
    CLIP = "clip"
    VOICEOVER = "voiceover"
    MODERATION = "moderation"
    RENDER = "render"


class Recovery(StrEnum):
    """What is known about a call whose answer was lost."""

    FREE = "free"  # local or without cost: do it again
    KEYED = "keyed"  # the vendor dedupes on a key of ours: send the same again
    LISTABLE = "listable"  # jobs can be found by our tag: look, then decide
    BLIND = "blind"  # nobody can know: a person decides


class JobState(StrEnum):
    """How far a job is that a listing shows."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A file of ours that goes with a request."""

    path: Path
    sha256: str
    media_type: str
    role: str = ""  # "image", "voiceover", "clip:<scene>", "reference": what it is to the request
    url: str = ""  # where the vendor can fetch it, for a while; only for adapters with `public_inputs`


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing to make. Frozen: what is hashed is what is sent."""

    capability: Capability
    offer: str  # the vendor's name of the model
    prompt: str
    inputs: tuple[InputFile, ...] = ()
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    voice: str = ""
    language: str = "en"
    seed: int = 0
    takes: int = 1  # candidates asked for at once; at most as many as the offer gives
    tag: str = ""  # our attempt; sent along wherever the vendor keeps it
    callback_url: str = ""  # where the vendor is to call when it is done; "": nowhere
    extra: Mapping[str, Any] = field(default_factory=dict)  # what a stage knows besides: scenes, notes, fps …

    @property
    def own(self) -> dict[str, Any]:
        """The offer's parameters in the vendor's own words: they go straight into the body."""
        return dict(self.extra.get("vendor", {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One file of a result: exactly one of the three is set."""

    url: str = ""
    path: Path | None = None  # a file in the workdir handed to the adapter; it is moved, not copied
    content: bytes | None = None
    media_type: str = ""
    role: str = ""  # "" for the thing itself, else what stands beside it: "srt", "vtt", "poster"
    quarters: bool = False  # a picture of four candidates, two by two: it is cut when it is stored


CALLS_AT_ONCE = "calls at once"  # a limit of what is out at a time, not of what is sent in a window


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorLimit:
    """What a vendor said beside an answer: so many units a window, so many left, all of them again in so many seconds.

    None where it said nothing.
    """

    unit: str  # requests, images, tokens, characters; CALLS_AT_ONCE
    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The vendor works on it; ask again with poll()."""

    external_id: str
    units: Mapping[str, int] = field(default_factory=dict)  # what it will bill, where it says so now and not at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    progress: float | None = None
    unknown_status: str = ""  # the vendor's word, where the adapter does not know it: people are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Done. `units` counts what is billed: {"images": 1}, {"characters": 210}, {"seconds": 5} …"""

    outputs: tuple[Output, ...] = ()
    units: Mapping[str, int] = field(default_factory=dict)
    external_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The remote job ended badly. Not billed unless `billed`."""

    reason: str
    moderated: bool = False
    out_of_credit: bool = False  # the account was empty by then: nothing is wrong with the request
    billed: bool = False
    units: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """A job as the vendor's listing shows it."""

    external_id: str
    created_at: datetime
    state: JobState
    tag: str = ""
    fingerprint: str | None = ""  # of the request, where nothing carries our tag, as `Adapter.fingerprint_of` makes it;
    # None where its vendor does not show any more what was asked for
    units: Mapping[str, int] = field(default_factory=dict)
    billed: bool = True
    capability: Capability | None = None


class BulkState(StrEnum):
    RUNNING = "running"  # or waiting, or being cancelled
    OVER = "over"  # each line says how it ended
    FAILED = "failed"  # not one line was worked on


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """A bulk job as its vendor tells of it: many requests in one, for less, within a day."""

    external_id: str
    state: BulkState
    tag: str = ""
    word: str = ""  # the vendor's
    unknown_status: str = ""
    created_at: datetime
    files: tuple[str, ...] = ()  # of what came out: output, then errors, as far as there are any
    done: int = 0
    problem: str = ""  # why it failed, with the line
    queue_full: bool = False  # it failed because too much is waiting there: a smaller one may be taken


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSaid:
    """`external_id` is None where it is about no job that is over: nothing has to be asked then."""

    webhook_id: str  # the same whenever it is sent again
    external_id: str | None = None
    tag: str = ""  # of ours, where the vendor repeats it


Answer = Accepted | Running | Finished | Failed
