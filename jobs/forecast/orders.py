"""A batch on the virtual clock: its videos, its gates, its width. The same strategies as the engine's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jobs.settings_types import BatchSettings
from jobs.strategies import NOTHING_OWED, gate_of, has_gates, rank_of, width_of

from .kits import Kit, Kits
from .plain import Order, VideoPlan
from .road import Road, road_of


class Group:
    """Videos that are alike and stand beside each other, taken as one; a single video when the grain is 1."""

    __slots__ = ("base", "kits", "left", "n", "order", "position", "road", "settings")

    def __init__(self, order: Running, plan: VideoPlan, position: int, n: int, base: int, kits: Kits) -> None:
        self.order, self.settings, self.position, self.n, self.base = order, plan.settings, position, n, base
        self.road: Road = road_of(plan.settings, plan.scenes)
        self.kits: Sequence[Kit] = kits.along(self.road, plan)
        self.left = len(self.road.places)

    def gate(self, place: int) -> int:
        return gate_of(self.order.settings, stage=self.road.places[place].stage, video=self.position)

    def rank(self, place: int) -> int:
        at = self.road.places[place]
        return rank_of(self.order.settings, stage=at.stage, video=self.position, scene=at.scene)


class Running:
    """An order under way."""

    def __init__(self, order: Order, settings: BatchSettings, number: int) -> None:
        self.order, self.settings, self.number = order, settings, number
        self.priority, self.weight = order.priority, order.weight or 1
        self.width = width_of(settings)
        self.out = 0  # steps from claim to the end of their check
        self.turn: list[tuple[int, int]] = []  # of a narrow one: (rank, step), the next first
        self.has_gates = has_gates(settings)
        self.pause_s = float(settings.chunk_pause_s) if settings.strategy == "chunked" else 0.0
        self.owed: Counter[int] = Counter()  # steps not done yet, by gate
        self.gates: list[int] = []  # those left, the last first
        self.open_gate = 0
        self.shut: dict[int, list[int]] = {}  # steps that wait for their gate
        self.videos_left = 0

    def grouped(self, grain: int, base: int, kits: Kits) -> list[Group]:
        """Groups never reach over the end of a chunk."""
        groups: list[Group] = []
        at, videos = 0, self.order.videos
        size = self.settings.chunk_size if self.settings.strategy == "chunked" else len(videos)
        while at < len(videos):
            first, n, most = videos[at], 1, min(grain, size - at % size, len(videos) - at)
            while n < most and (videos[at + n] is first or videos[at + n] == first):
                n += 1
            groups.append(Group(self, first, at + 1, n, base, kits))
            base += groups[-1].left
            at += n
        self.videos_left = len(groups)
        return groups

    def owe(self, groups: Sequence[Group]) -> None:
        for group in groups if self.has_gates else ():
            self.owed.update(group.gate(place) for place in range(len(group.road.places)))
        self.gates = sorted(self.owed, reverse=True)

    def pay(self, gate: int) -> bool:
        """A step of this gate is done; True when that opens another."""
        self.owed[gate] -= 1
        return self.gates[-1] == gate and not self.owed[gate]

    def next_gate(self) -> int:
        while self.gates and not self.owed[self.gates[-1]]:
            self.gates.pop()
        return self.gates[-1] if self.gates else NOTHING_OWED
