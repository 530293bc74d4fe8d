"""How lanes and quotas stand, in words for people who make videos."""

from __future__ import annotations

from datetime import datetime

from jobs.templatetags.vidbatch import duration, money
from providers.models import Lane, Provider, Quota

CAPABILITY_WORDS = {"moderation": "moderation", "voiceover": "voiceovers"}
CENT = 10_000  # millionths
WINDOWS: dict[float, str] = {1: "s", 60: "min", 3600: "hour", 86_400: "day"}


def off(provider: Provider, now: datetime) -> str:
    return "" if provider.enabled else f"{provider} is switched off"


def paused(name: str, is_paused: bool, until: datetime | None, reason: str, now: datetime) -> str:
    moment = until if until and until > now else None
    if not is_paused and moment is None:
        return ""
    words = f"{name} is paused" if name else "paused"
    return words + (f": {reason.rstrip('.')}" if reason else "") + later(moment, now, ", on again")


def broken(name: str, lane: Lane, now: datetime) -> str:
    if lane.broken_until is None or (lane.bulk and lane.broken_until <= now):  # in bulk no single one is tried first
        return ""
    why = f"{lane.failures_in_row} calls in a row failed" if lane.failures_in_row > 1 else "most calls failed"
    if lane.broken_until > now:
        return f"{name}: {why}; one is tried{later(lane.broken_until, now, '')}"
    return f"{name}: {why}; one is being tried, the others wait for it"


def stopped(lane: Lane) -> str:
    """A cap of nothing, which is easily set and hard to find."""
    for name, most in ((name_of(lane), lane.max_in_flight), (str(lane.provider), lane.provider.max_in_flight)):
        if most == 0:
            return f"{name} is set to 0 calls at once, which stops it; set 1 or more, or leave it empty"
    return ""


def no_room(cap: str, room_micro: int, most_micro: int, noun: str, reserved_micro: int) -> str:
    """A call is not begun unless the most that it may cost fits; `reserved_micro` may come back to the cap."""
    if room_micro > 0:
        left, most = money(_cents(room_micro)), money(-_cents(-most_micro))  # rounded, the two never look the same
        words = f"{cap} has {left} left and the next {noun} may cost {most}"
        return words + (
            f"; {money(reserved_micro)} are reserved for calls that are out" if reserved_micro else "; raise the cap"
        )
    if reserved_micro:
        return f"{cap} has nothing left: {money(reserved_micro)} are reserved for calls that are out"
    return f"{cap} is used up"


def _cents(micro: int) -> int:
    """Rounded down; below a cent every digit counts."""
    return micro - micro % CENT if abs(micro) >= CENT else micro


def state_of(lane: Lane, now: datetime) -> str:
    """What keeps a lane, or slows it down."""
    kept = (
        paused(kind_of(lane), lane.paused, lane.paused_until, lane.pause_reason, now)
        or broken(kind_of(lane), lane, now)
        or stopped(lane)
    )
    evenly = f"{kind_of(lane)} go one by one, evenly: a burst was refused" if lane.paced else ""
    return kept or evenly


def later(moment: datetime | None, now: datetime, words: str) -> str:
    return f"{words} in {duration(max(1, round((moment - now).total_seconds())))}" if moment else ""


def kind_of(lane: Lane) -> str:
    what = CAPABILITY_WORDS.get(lane.capability, f"{lane.capability}s" if lane.capability else "everything")
    return what + in_bulk(lane)


def in_bulk(lane: Lane) -> str:
    return " in bulk" if lane.bulk else ""


def name_of(lane: Lane) -> str:
    return f"{lane.provider} · {lane.offer.label + in_bulk(lane) if lane.offer else kind_of(lane)}"


def per_window(quota: Quota) -> str:
    window = WINDOWS.get(quota.window_s, f"{quota.window_s:g} s")
    return f"{quota.unit} a {window}" if quota.window_s in WINDOWS else f"{quota.unit} in {window}"
