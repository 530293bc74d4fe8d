"""What calls and checks were like lately, for forecasts: the last of every lane and kind, by two queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from django.db.models import Max, Q

from jobs.forecast import Measured
from jobs.models import Asset, Attempt
from jobs.routing import CAPABILITY_OF
from jobs.states import Stage
from providers.models import Lane

LAST_CALLS = 100  # of each lane
LAST_FILES = 100  # of each kind
CHECK_GUESS_S = 0.5
MOST_SEEN_S = 0.5  # a longer wait is not one for being seen
SEEN_S = 0.025  # half of the drive's NEWS_EVERY_S: the mean time until another process notices
Outcome = Attempt.Outcome
UNITS = ("images", "tokens", "characters")
CALL = (
    "capability",
    "offer",
    "no",
    "sent_at",
    "on_wire_at",
    "ended_at",
    "outcome",
    "message",
    "step__created_at",
    *UNITS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    passed: bool
    checked_s: float
    stored_s: float  # from the end of its call
    waited_s: float  # from there to the end of its check, without the check itself


@dataclass(slots=True)
class _Calls:
    durations: list[float] = field(default_factory=list)
    all: int = 0
    units: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


def last_calls(lanes: Iterable[Lane]) -> list[Any]:
    """Of each lane. Naming its provider, too, lets the databases seek in the index of attempts, which leads with it."""
    ended = Attempt.objects.exclude(ended_at=None)
    last = Q(pk__in=[])
    for lane in lanes:
        mine = ended.filter(provider=lane.provider_id, lane=lane.pk).order_by("-ended_at")
        last |= Q(pk__in=mine.values("pk")[:LAST_CALLS])
    return list(ended.filter(last).values_list(*CALL, named=True))


def measured_of(last: Iterable[Any]) -> dict[tuple[str, int | None], Measured]:
    """By stage and offer; and by stage alone, where another offer has to stand for the one in question."""
    calls, files = _calls(last), _files()
    found: dict[tuple[str, int | None], Measured] = {}
    for stage in Stage:
        capability = CAPABILITY_OF[stage].value
        for (made, offer), seen in calls.items():
            if made == capability:
                found[stage.value, offer] = _measured(seen, files.get(stage.value, []))
        if (stage.value, None) not in found:
            found[stage.value, None] = _measured(_Calls(), files.get(stage.value, []))
    return found


def _measured(calls: _Calls, files: Sequence[File]) -> Measured:
    took = [file.checked_s for file in files if file.checked_s]
    unknown_s = 0.0 if files else CHECK_GUESS_S  # of files from before it was measured, it is part of their wait
    return Measured(
        durations=tuple(calls.durations),
        after_s=_after_s(files),
        check_s=fmean(took) if took else unknown_s,
        calls=calls.all,
        missed=calls.all - len(calls.durations),
        judged=len(files),
        failed=sum(not file.passed for file in files),
        units={unit: fmean(counts) for unit, counts in calls.units.items()},
    )


def _calls(last: Iterable[Any]) -> dict[tuple[str, int | None], _Calls]:
    """Those that brought nothing and cost a try count as missed; refusals to be slower and what never left do not."""
    found: dict[tuple[str, int | None], _Calls] = defaultdict(_Calls)
    for call in last:
        if call.outcome not in (Outcome.ACCEPTED, Outcome.ADOPTED):
            continue
        for key in {(call.capability, call.offer), (call.capability, None)}:
            seen = found[key]
            seen.all += 1
            if not call.message or call.outcome == Outcome.ADOPTED:
                # Its place is taken from the claim on, or from a moment that was claimed ahead.
                began_at = min(call.sent_at, call.on_wire_at or call.sent_at)
                seen.durations.append(max(0.001, (call.ended_at - began_at).total_seconds()))
                for unit in UNITS:
                    if count := getattr(call, unit):
                        seen.units[unit].append(count)
    return found


def _after_s(files: Sequence[File]) -> float:
    """A long wait is one for places, and those are counted for themselves."""
    if not files:
        return SEEN_S
    return median(file.stored_s for file in files) + min(MOST_SEEN_S, median(file.waited_s for file in files))


def _files() -> dict[str, list[File]]:
    judged = Asset.objects.exclude(inspection=None).exclude(step__finished_at=None)
    last = Q(pk__in=[])
    for stage in Stage:
        last |= Q(pk__in=judged.filter(kind=stage).order_by("-pk").values("pk")[:LAST_FILES])
    rows: Any = judged.filter(last).annotate(ended_at=Max("step__attempts__ended_at"))
    found: dict[str, list[File]] = defaultdict(list)
    for kind, passed, took, stored_at, done_at, ended_at in rows.values_list(
        "kind", "inspection__passed", "checked_s", "created_at", "step__finished_at", "ended_at"
    ):
        stored_s = (stored_at - ended_at).total_seconds() if ended_at else 0.0
        waited_s = (done_at - stored_at).total_seconds() - took
        found[kind].append(
            File(passed=passed, checked_s=took, stored_s=max(0.0, stored_s), waited_s=max(0.0, waited_s))
        )
    return found


def pickup_s_of(last: Iterable[Any]) -> float:
    """Until a step that may start is claimed: what a quarter of the last ones took at most, whom nothing held."""
    sent = [call for call in last if call.no == 1 and call.on_wire_at]
    waits = sorted((call.sent_at - call.step__created_at).total_seconds() for call in sent)
    return min(MOST_SEEN_S, max(0.0, waits[len(waits) // 4])) if waits else SEEN_S
