"""What calls and checks were like lately, for forecasts: the last of every lane and kind, by two queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from statistics import fmean, median

from django.db.models import Max, Q

from jobs.forecast import Measured
from jobs.models import Asset, Attempt
from jobs.routing import CAPABILITY_OF
from jobs.states import Stage
from providers.models import Lane

LAST_CALLS = 200  # of each lane
LAST_FILES = 100  # of each kind
CHECK_GUESS_S = 0.5
Outcome = Attempt.Outcome
MADE = Q(outcome=Outcome.ACCEPTED, message="") | Q(outcome=Outcome.ADOPTED)


@dataclass(slots=True)
class _Calls:
    durations: list[float] = field(default_factory=list)
    all: int = 0
    units: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


def measured_of(lanes: Iterable[Lane]) -> dict[tuple[str, int | None], Measured]:
    """By stage and offer; and by stage alone, where another offer has to stand for the one in question."""
    calls, files = _calls(lanes), _files()
    found: dict[tuple[str, int | None], Measured] = {}
    for stage in Stage:
        capability = CAPABILITY_OF[stage].value
        for (made, offer), seen in calls.items():
            if made == capability:
                found[stage.value, offer] = _measured(seen, files.get(stage.value, []))
        if (stage.value, None) not in found:
            found[stage.value, None] = _measured(_Calls(), files.get(stage.value, []))
    return found


def _measured(calls: _Calls, files: Collection[tuple[bool, float, float]]) -> Measured:
    took = [seconds for _, seconds, _ in files if seconds]
    return Measured(
        durations=tuple(calls.durations),
        fetch_s=median(fetched for _, _, fetched in files) if files else 0.0,
        check_s=fmean(took) if took else CHECK_GUESS_S,
        calls=calls.all,
        missed=calls.all - len(calls.durations),
        judged=len(files),
        failed=sum(not passed for passed, _, _ in files),
        units={unit: fmean(counts) for unit, counts in calls.units.items()},
    )


def _calls(lanes: Iterable[Lane]) -> dict[tuple[str, int | None], _Calls]:
    """Those that brought nothing and cost a try count as missed; refusals to be slower and what never left do not."""
    ended = Attempt.objects.exclude(ended_at=None)
    last = Q(pk__in=[])
    for lane in lanes:
        mine = ended.filter(provider=lane.provider_id, lane=lane.pk).order_by("-ended_at")
        last |= Q(pk__in=mine.values("pk")[:LAST_CALLS])
    fields = ("capability", "offer", "sent_at", "on_wire_at", "ended_at", "images", "tokens", "characters")
    counted = ended.filter(last).filter(Q(outcome=Outcome.ACCEPTED) | Q(outcome=Outcome.ADOPTED))
    good = set(counted.filter(MADE).values_list("pk", flat=True))
    found: dict[tuple[str, int | None], _Calls] = defaultdict(_Calls)
    for pk, capability, offer, sent_at, on_wire_at, ended_at, *units in counted.values_list("pk", *fields):
        for key in {(capability, offer), (capability, None)}:
            seen = found[key]
            seen.all += 1
            if pk in good:
                seen.durations.append(max(0.001, (ended_at - (on_wire_at or sent_at)).total_seconds()))
                for unit, count in zip(fields[5:], units, strict=True):
                    if count:
                        seen.units[unit].append(count)
    return found


def _files() -> dict[str, list[tuple[bool, float, float]]]:
    """(passed, seconds of its check, seconds from the end of its call to the stored file) by kind."""
    judged = Asset.objects.exclude(inspection=None).exclude(step=None)
    last = Q(pk__in=[])
    for stage in Stage:
        last |= Q(pk__in=judged.filter(kind=stage).order_by("-pk").values("pk")[:LAST_FILES])
    rows = judged.filter(last).annotate(ended_at=Max("step__attempts__ended_at"))
    found: dict[str, list[tuple[bool, float, float]]] = defaultdict(list)
    for kind, passed, took, stored_at, ended_at in rows.values_list(
        "kind", "inspection__passed", "checked_s", "created_at", "ended_at"
    ):
        fetched = (stored_at - ended_at).total_seconds() if ended_at else 0.0
        found[kind].append((passed, took, max(0.0, fetched)))
    return found
