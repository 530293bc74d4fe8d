"""Whose turn it is where several batches want the same lane. Pure.

A higher priority goes first, but of every PATIENCE claims of a provider one goes to those behind it, so that nobody
starves. Equals share a lane by their weights: the next claim goes to whoever had least of the latest ones. What is in
flight does not count: a batch with slow calls would get few of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MEMORY = 100  # claims that are looked back upon
FADES = 0.9  # what a claim counts, of what the next one counts: about the last ten matter
PATIENCE = 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """A batch with something ready, and the lane where its next step queues."""

    batch: int
    lane: int
    priority: int
    weight: int


@dataclass(slots=True)
class Shares:
    """Who had the latest claims of a provider."""

    had: dict[tuple[int, int], float] = field(default_factory=dict)  # (lane, batch) -> its claims, the latest most
    counts: dict[int, float] = field(default_factory=dict)  # lane -> what its next claim counts
    turn_of: dict[int, int] = field(default_factory=dict)  # batch -> the number of its latest claim
    claims: int = 0
    latest: int = 0  # the batch that had the latest claim

    @classmethod
    def of(cls, claims: Iterable[tuple[int, int]]) -> Shares:
        """From (lane, batch) of the latest claims, oldest first."""
        shares = cls()
        for lane, batch in claims:
            shares.took(lane, batch)
        return shares

    def took(self, lane: int, batch: int) -> None:
        counts = self.counts.get(lane, 1.0)  # growing, instead of making all that was before it less
        self.had[lane, batch] = self.had.get((lane, batch), 0.0) + counts
        self.counts[lane] = counts / FADES
        self.claims += 1
        self.turn_of[batch] = self.claims
        self.latest = batch

    def copy(self) -> Shares:
        return Shares(dict(self.had), dict(self.counts), dict(self.turn_of), self.claims, self.latest)

    def next(self, candidates: Mapping[int, Candidate]) -> int:
        """The batch whose turn it is."""
        highest = max(one.priority for one in candidates.values())
        behind = [one for one in candidates.values() if one.priority < highest]
        if behind and self._have_waited(behind):
            chosen = behind
        else:
            chosen = [one for one in candidates.values() if one.priority == highest]
        return min(chosen, key=self._portion).batch

    def _have_waited(self, behind: Iterable[Candidate]) -> bool:
        return self.claims - max(self.turn_of.get(one.batch, 0) for one in behind) >= PATIENCE

    def _portion(self, one: Candidate) -> tuple[float, bool, int]:
        """The smallest goes first; of several that had nothing the one that follows upon the latest."""
        had = self.had.get((one.lane, one.batch), 0.0) / self.counts.get(one.lane, 1.0)
        return (had + 0.5) / (one.weight or 1), one.batch <= self.latest, one.batch  # Webster's rule for seats
