"""From a step to the request that is sent: built from what the step stores, without a query."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from django.conf import settings

from jobs.models import Step
from jobs.models.work import CLOCK_SKEW as CLOCK_SKEW
from jobs.pipeline import canonical, length_for, seed_from
from jobs.routing import CAPABILITY_OF
from providers.types import InputFile, Request

SHOWN = tuple(one.name for one in fields(Request) if one.name not in ("tag", "inputs", "callback_url"))
PLANTED_ROUNDS = 2  # a planted flaw stands for the first try and the automatic new one; a person's new try cures it


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a thread gets to work on a step: plain values, no rows."""

    step_id: int
    fence: int
    stage: str
    slug: str
    request: Request
    options: dict[str, Any]
    attempt_id: int = 0
    external_id: str = ""
    cancel: bool = False  # the job is to be ended where the vendor can
    too_old: bool = False  # for that reason, and if it cannot be ended it is given up
    made: float = field(default_factory=monotonic, compare=False)
    lane_id: int = 0
    send_at: datetime | None = None  # not before: its place in the vendor's window comes free then
    gap_s: float = 0.0  # at least so much before whatever leaves after it, where bursts are refused
    send_by: datetime | None = None
    send_until: float | None = None  # the same by the clock that nobody turns back
    sent_at: datetime | None = None  # the intent of an earlier send, when its job is looked for …
    off_by: timedelta = timedelta()  # … by a clock that may have been as wrong as that
    due_at: datetime | None = None  # of a poll: the moment that was meant for it
    links: tuple[dict[str, Any], ...] = ()


def request_of(step: Step, *, tag: str = "") -> Request:
    """The same step and round give the same request, but for the tag."""
    want = step.want
    seed = want.get("seed", 0)
    extra = dict(want.get("extra", {}))
    if "fps" in want:
        extra["fps"] = want["fps"]
    if step.offer and step.offer.parameters:
        extra["vendor"] = step.offer.parameters
    if "flaw" in want and step.round <= PLANTED_ROUNDS:
        extra["flaw"] = want["flaw"]
    return Request(
        capability=CAPABILITY_OF[step.stage],
        offer=step.offer.name if step.offer else "",
        prompt=want.get("prompt", ""),
        inputs=tuple(
            InputFile(
                path=Path(settings.MEDIA_ROOT, i["name"]),
                sha256=i["sha256"],
                media_type=i["media_type"],
                role=i["role"],
            )
            for i in want.get("inputs", ())
        ),
        width=want.get("width", 0),
        height=want.get("height", 0),
        seconds=seconds_of(step),
        voice=want.get("voice", ""),
        language=want.get("language", "en"),
        takes=min(want.get("takes", 1), step.offer.takes if step.offer else 1),
        seed=seed if step.round == 1 else seed_from(seed, step.round),
        tag=tag,
        extra=extra,
    )


def seconds_of(step: Step) -> float:
    """As wanted, or the length that covers it of an offer that took over and sells others."""
    seconds: float = step.want.get("seconds", 0.0)
    if not (seconds and step.offer and step.offer.lengths):
        return seconds
    return length_for(seconds, tuple(sorted(step.offer.lengths)))


def as_sent(request: Request) -> str:
    """The request as a page shows it and as its hash is taken, in JSON: without the tag, input files by hashes."""
    sent: dict[str, Any] = {name: getattr(request, name) for name in SHOWN}
    sent["inputs"] = [{"role": i.role, "sha256": i.sha256} for i in request.inputs]
    return canonical(sent)
