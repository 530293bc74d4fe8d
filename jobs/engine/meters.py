"""The quotas of a provider with what has been used of them, read from the attempts under the provider's lock.

Windows of up to ten minutes are the sum over the attempts in them. Longer ones take whole hours from `Usage`, and look
at single attempts only when the window is full, to know when the oldest of them leave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from django.db.models import F, Q, Sum, Value

from jobs.models import COUNTS, Attempt
from jobs.prepared import change, question
from providers.limits import LONG_S, Meter, MixedMeter, Reckoning, Use, Window, clean_s
from providers.models import Lane, Provider, Quota, Usage

SEND_WITHIN = timedelta(seconds=20)  # a thread that comes later than this does not send any more
AHEAD_OF_US_S = 5.0  # a moment that lies further ahead than any claim was written by a clock that was wrong
AHEAD_SHARE = 0.9  # of the window: the farthest ahead that places are given away
PATIENCE_SHARE = 0.001  # of the window: where many places come free at once, a few milliseconds later is as good
MOST_WAITING = 8  # places that are kept for those that wait, while smaller ones are let by
UNITS = ("images", "tokens", "characters")
HOUR = timedelta(hours=1)


class Counts(Protocol):
    def when(self, units: int, now: float) -> float: ...
    def take(self, units: int, at: float) -> None: ...


class Sent(NamedTuple):
    """What an attempt counts for."""

    sent_at: datetime
    on_wire_at: datetime | None
    capability: str
    offer_id: int | None
    images: int
    tokens: int
    characters: int
    ended_at: datetime | None

    def units(self, unit: str) -> int:
        return 1 if unit == Quota.Unit.REQUESTS else int(getattr(self, unit))

    def moment(self, now: datetime) -> float:
        """On the wire; what is not there yet leaves now at the earliest, and never after its deadline."""
        at = self.on_wire_at or min(max(self.sent_at, now), self.sent_at + SEND_WITHIN)
        return at.timestamp()


class QuotaMeter:
    """What one quota still grants within this claim. Who waits keeps the place that comes free for it: smaller ones go
    before it only where it waits next to no longer for that."""

    def __init__(self, quota: Quota, window: Window, counts: Counts) -> None:
        self.quota, self.window, self.counts = quota, window, counts
        self._may_wait = 1 if quota.unit == Quota.Unit.REQUESTS or quota.is_long else MOST_WAITING

    @property
    def is_over(self) -> bool:
        """So many wait for it that none of the others needs to be tried."""
        return self._may_wait <= 0

    @property
    def free(self) -> int:
        """Of requests in a short window, now or soon; elsewhere what the whole window has."""
        used = self.counts.used if isinstance(self.counts, Meter) else 0
        return max(0, self.window.amount - used)

    def keep(self, units: dict[str, int], at: float) -> None:
        self._may_wait -= 1
        self.take(units, at + PATIENCE_SHARE * self.quota.window_s)

    def need(self, units: dict[str, int]) -> int:
        return 1 if self.quota.unit == Quota.Unit.REQUESTS else units.get(self.quota.unit, 0)

    def when(self, units: dict[str, int], now: float) -> float:
        need = self.need(units)
        return self.counts.when(need, now) if need else now

    def take(self, units: dict[str, int], at: float) -> None:
        if need := self.need(units):
            self.counts.take(need, at)

    def ahead_s(self, most_s: float) -> float:
        """How far ahead places are given away: only as long as nothing that is still to leave decides about them."""
        return min(most_s, self.quota.window_s * AHEAD_SHARE)

    def gap_s(self, units: dict[str, int]) -> float:
        """The distance to whatever leaves next, where bursts are refused."""
        return self.window.pace_s(self.need(units)) if self.window.paced else 0.0


def window_of(quota: Quota, lanes: Iterable[Lane]) -> Window:
    """As the vendor may see it: the guard is the widest of the lanes it covers, and one that is paced paces all."""
    covered = [lane for lane in lanes if quota.covers(lane)]
    return Window(
        amount=quota.granted,
        seconds=quota.window_s,
        guard_s=quota.guard_s(covered),
        paced=not quota.is_long and any(lane.paced for lane in covered),
    )


def read_meters(provider: Provider, lanes: Sequence[Lane], now: datetime) -> list[QuotaMeter]:
    quotas: list[Quota] = _quotas_of(provider.pk)
    for lane in lanes:
        if lane.paced and _is_clean(lane, quotas, now):
            lane.paced = False
            Lane.objects.filter(pk=lane.pk).update(paced=False)
    windows = [(quota, window_of(quota, lanes)) for quota in quotas]
    spans = [window.span_s for _, window in windows if window.seconds <= LONG_S]
    sent = _sent(provider, max(spans), now) if spans else []
    return [QuotaMeter(quota, window, _counts(quota, window, sent, lanes, now)) for quota, window in windows]


def _counts(quota: Quota, window: Window, sent: Iterable[Sent], lanes: Iterable[Lane], now: datetime) -> Counts:
    if quota.is_long:
        return _Hours(quota, window, now)
    if quota.unit == Quota.Unit.TOKENS:
        return _token_counts(quota, window, sent, lanes, now)
    return _meter(quota, window, sent, now)


def _is_clean(lane: Lane, quotas: Iterable[Quota], now: datetime) -> bool:
    """No refusal for so long that bursts may be tried again."""
    window_s = max((quota.window_s for quota in quotas if not quota.is_long and quota.covers(lane)), default=0.0)
    return lane.paced_since is None or now >= lane.paced_since + timedelta(seconds=clean_s(window_s, lane.paced_times))


def _sent(provider: Provider, span_s: float, now: datetime) -> list[Sent]:
    since = now - timedelta(seconds=span_s)
    return list(map(Sent._make, _may_count(provider.pk, since - SEND_WITHIN, since)))


def sent_since(provider_id: int, since: datetime) -> list[Sent]:
    return list(map(Sent._make, _sent_after(provider_id, since)))


@question
def _sent_after(provider: Any, since: Any) -> Any:
    rows = Attempt.objects.filter(COUNTS, provider=provider, sent_at__gt=since)
    return rows.values_list(*Sent._fields).order_by()


@question
def _may_count(provider: Any, sent_after: Any, on_wire_after: Any) -> Any:
    """What left long ago counts no more, however late it was sent."""
    rows = Attempt.objects.filter(COUNTS, provider=provider, sent_at__gt=sent_after)
    rows = rows.filter(Q(on_wire_at=None) | Q(on_wire_at__gt=on_wire_after))
    return rows.values_list(*Sent._fields).order_by()


@question
def _quotas_of(provider: Any) -> Any:
    return Quota.objects.filter(provider=provider).order_by()


def used_in(quota: Quota, since: datetime, until: datetime) -> int:
    """Of a quota, between two moments, by our own log."""
    sent = sent_since(quota.provider_id, since - SEND_WITHIN)
    mine = [one for one in sent if quota.matches(one.capability, one.offer_id)]
    first, last = since.timestamp(), until.timestamp()
    return sum(one.units(quota.unit) for one in mine if first < one.moment(until) <= last)


def _reckoning(quota: Quota, lanes: Iterable[Lane]) -> Reckoning:
    """The most careful of its lanes' that use tokens at all."""
    known = [Reckoning(**lane.tokens_seen) for lane in lanes if lane.tokens_seen and quota.covers(lane)]
    if not known or not all(one.is_known for one in known):
        return Reckoning()
    return Reckoning(
        seen=min(one.seen for one in known),
        mean=max(one.mean for one in known),
        variance=max(one.variance for one in known),
    )


def _token_counts(quota: Quota, window: Window, sent: Iterable[Sent], lanes: Iterable[Lane], now: datetime) -> Counts:
    """What is still out has reserved tokens; what it will come to is reckoned."""
    mine = [one for one in sent if quota.matches(one.capability, one.offer_id)]
    out = [(one.moment(now), one.tokens) for one in mine if one.ended_at is None]
    out = [(at, units) for at, units in out if at + window.span_s > now.timestamp()]
    settled = _uses(quota, [one for one in mine if one.ended_at is not None], now)
    known = _reckoning(quota, lanes)
    return MixedMeter(
        window, settled, now.timestamp(), planned=_planned(quota, window, mine, now), out=out, reckoning=known
    )


def _meter(quota: Quota, window: Window, sent: Iterable[Sent], now: datetime) -> Meter:
    mine = [one for one in sent if quota.matches(one.capability, one.offer_id)]
    kind = Meter if quota.unit == Quota.Unit.REQUESTS else MixedMeter
    return kind(window, _uses(quota, mine, now), now.timestamp(), planned=_planned(quota, window, mine, now))


def _uses(quota: Quota, mine: Iterable[Sent], now: datetime) -> list[Use]:
    latest = now.timestamp() + AHEAD_OF_US_S
    used: list[Use] = [(one.moment(now), one.units(quota.unit)) for one in mine]
    if quota.others_at and quota.others_units:
        used.append((quota.others_at.timestamp(), quota.others_units))
    return [use for use in used if use[0] <= latest]


def _planned(quota: Quota, window: Window, mine: Iterable[Sent], now: datetime) -> Use | None:
    latest = now + timedelta(seconds=AHEAD_OF_US_S)
    past = [one for one in mine if one.sent_at <= latest] if window.paced else []
    last = max(past, key=lambda one: one.sent_at, default=None)
    return (last.sent_at.timestamp(), last.units(quota.unit)) if last else None


class _Hours:
    """A long window. Its sum is that of all hours it touches; only if that is too much, it looks more closely."""

    def __init__(self, quota: Quota, window: Window, now: datetime) -> None:
        self.quota, self.window, self.now = quota, window, now
        since = now - timedelta(seconds=window.span_s)
        rows = Usage.objects.filter(provider=quota.provider_id, hour__gt=since - HOUR)
        if quota.capability:
            rows = rows.filter(capability=quota.capability)
        if quota.offer_id:
            rows = rows.filter(offer=quota.offer_id)
        by_hour = rows.values_list("hour").annotate(n=Sum(quota.unit)).order_by("hour")
        self.hours: list[tuple[datetime, int]] = [(hour, units) for hour, units in by_hour if units]
        self.given: list[Use] = []  # in this claim
        self.taken = sum(units for _, units in self.hours)
        if quota.others_at and quota.others_units and quota.others_at > since:
            self.taken += quota.others_units
        self.closely: Meter | None = None

    def when(self, units: int, now: float) -> float:
        if self.closely is None and self.taken + min(units, self.window.amount) <= self.window.amount:
            return now
        if self.closely is None:
            self.closely = Meter(self.window, self._uses(), now)
        return self.closely.when(units, now)

    def take(self, units: int, at: float) -> None:
        self.taken += units
        self.given.append((at, units))
        if self.closely is not None:
            self.closely.take(units, at)

    def _uses(self) -> list[Use]:
        """The oldest that are still in it one by one; later hours each in one piece, which leaves with its last."""
        found = list(self.given)
        for hour, units in self.hours:
            if len(found) == len(self.given):
                found += self._one_by_one(hour)
            else:
                found.append((min(hour + HOUR, max(self.now, hour)).timestamp(), units))
        if self.quota.others_at and self.quota.others_units:
            found.append((self.quota.others_at.timestamp(), self.quota.others_units))
        return found

    def _one_by_one(self, hour: datetime) -> list[Use]:
        since = max(hour, self.now - timedelta(seconds=self.window.span_s))
        mine = Attempt.objects.filter(COUNTS, provider=self.quota.provider_id)
        rows = mine.filter(sent_at__gte=since, sent_at__lt=hour + HOUR)
        if self.quota.capability:
            rows = rows.filter(capability=self.quota.capability)
        if self.quota.offer_id:
            rows = rows.filter(offer=self.quota.offer_id)
        units = Value(1) if self.quota.unit == Quota.Unit.REQUESTS else F(self.quota.unit)
        return [(at.timestamp(), n) for at, n in rows.values_list("sent_at", units).order_by()]


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def count_usage(provider_id: int, counts: dict[tuple[str, int | None, datetime], dict[str, int]]) -> None:
    """Adds to the hours: (capability, offer, hour) -> {column: units, may be negative}; makes the missing rows.

    Making is safe under the provider's lock, which a claim holds; whoever corrects an hour finds its row there.
    """
    for (capability, offer_id, hour), units in counts.items():
        changes = {name: n for name, n in units.items() if n}
        offer = () if offer_id is None else (offer_id,)
        if changes and not _add(provider_id, capability, hour, *changes.values(), *offer, names=tuple(changes)):
            Usage.objects.create(provider_id=provider_id, capability=capability, offer_id=offer_id, hour=hour, **units)


@change
def _add(provider: Any, capability: Any, hour: Any, *counts_and_offer: Any, names: tuple[str, ...]) -> Any:
    counts, offer = counts_and_offer[: len(names)], counts_and_offer[len(names) :]
    mine = Usage.objects.filter(provider=provider, capability=capability, hour=hour, offer=offer[0] if offer else None)
    return mine, {name: F(name) + count for name, count in zip(names, counts, strict=True)}


def units_of(attempt: Attempt) -> dict[str, int]:
    """What an attempt counts for; most lines of a bulk job for nothing."""
    if not attempt.counts:
        return {}
    return {"requests": 1, **{unit: getattr(attempt, unit) for unit in UNITS}}


def recount(changes: Iterable[tuple[Attempt, dict[str, int]]]) -> None:
    """Corrects the hours of attempts that count for less or more than was thought when they were claimed."""
    by_provider: dict[int, dict[tuple[str, int | None, datetime], dict[str, int]]] = {}
    for attempt, units in changes:
        kind = (attempt.capability, attempt.offer_id, hour_of(attempt.sent_at))
        total = by_provider.setdefault(attempt.provider_id, {}).setdefault(kind, {})
        for name, n in units.items():
            total[name] = total.get(name, 0) + n
    for provider_id, counts in sorted(by_provider.items()):
        count_usage(provider_id, dict(sorted(counts.items(), key=lambda one: (one[0][0], one[0][1] or 0, one[0][2]))))
