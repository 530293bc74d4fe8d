"""The virtual clock: an event a call, an event a check. It decides what starts next as claim does, and sleeps never.

Modelled: gates, width, rank, fair shares, priorities, quotas, caps of lanes and providers, threads, places for checks
and renders, files that fail and are made anew, calls that fail and are made again, the moment until another process
sees new work. Not modelled: people (what waits for a reviewer counts as approved at once), outages, budgets.

A coarse run takes `grain` videos as one: their equal steps start together, use their quotas one by one, fill places
side by side as far as these divide, and take the mean of so many draws. It is for spreads and for pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

from jobs.settings_types import BatchSettings

from .kits import Kit, Kits
from .lanes import Desk, Lane, Market, Pool, side_by_side
from .luck import Luck
from .orders import Group, Running
from .plain import Plain
from .under_way import CALLED, take_up

MISSED_S = 3.0  # mean pause before a call that brought nothing is made again
STORED, CHECKED, READY, TURN = range(1, 5)  # the low bits of an event; negative ones wake a desk or open a gate


@dataclass(slots=True)
class Run:
    """What became of the order that was asked about."""

    ends: list[float] = field(default_factory=list)  # of every order, 0 for what was over or is not waited for
    first_s: float = 0.0
    spent: list[tuple[float, int]] = field(default_factory=list)
    lanes: Sequence[Lane] = ()
    calls: dict[str, int] = field(default_factory=dict)  # by stage, new tries among them

    @property
    def finish_s(self) -> float:
        return self.ends[0]


class Clock:
    def __init__(
        self, plain: Plain, settings: BatchSettings, luck: Luck, *, grain: int = 1, busy: bool = False
    ) -> None:
        """`settings` are the order's, with the strategy that is tried out. `busy`: keep what the Gantt needs."""
        self.plain, self.luck, self.busy = plain, luck, busy
        orders = [(plain.order, settings), *((other, other.settings) for other in plain.others)]
        self.market = Market(plain, orders=len(orders), grain=grain)
        self.kits = Kits(plain, self.market, luck)
        self.events: list[tuple[float, int]] = []
        self.now = 0.0
        self.checks: list[tuple[int, int, int]] = []  # (priority, rank, step)
        self.waited_for: set[int] = set()  # orders
        self.check_wide = side_by_side(grain, plain.places)
        self.run_ = Run(ends=[0.0] * len(orders))
        self.orders: list[Running] = []
        self.groups: list[Group] = []  # by step: the lists below have an entry for every step of every order
        self.places: list[int] = []
        self.kit: list[Kit] = []
        self.waits: list[int] = []
        self.size: list[int] = []  # how many calls it stands for
        self.round: list[int] = []
        for number, (order, own) in enumerate(orders):
            self.orders.append(Running(order, own, number))
            self._lay_out(self.orders[-1], grain)
        self.single = len(orders) == 1

    def _lay_out(self, order: Running, grain: int) -> None:
        groups = order.grouped(grain, len(self.waits), self.kits)
        order.owe(groups)
        for group in groups:
            n = group.left
            self.groups += [group] * n
            self.places += range(n)
            self.kit += group.kits
            self.waits += [place.waits_for for place in group.road.places]
            self.size += [group.n] * n
            self.round += [1] * n

    # -- running ---------------------------------------------------------------------------------

    def run(self, *, watched: int = 1) -> Run:
        """Until so many of the orders, the first ones, are over."""
        begun = take_up(self)
        for order in self.orders:
            order.open_gate = max(0, order.next_gate()) if order.has_gates else 0
        for step in [n for n, waits in enumerate(self.waits) if not waits and self.size[n] and n not in begun]:
            self._ready(step)
        for order in self.orders:
            self._next_turn(order)
        for desk in self.market.desks:
            desk.wakes_at = self.plain.pickup_s
            heappush(self.events, (self.plain.pickup_s, -1 - (desk.number << 1)))
        events = self.events
        self.waited_for = {order.number for order in self.orders[:watched] if order.videos_left}
        turns = (self._called, self._stored, self._checked, self._ready_now, self._turn)
        while events and self.waited_for:
            self.now, code = heappop(events)
            if code < 0:
                self._wake(-code - 1)
            else:
                turns[code & 7](code >> 3)
        self.run_.lanes = list(self.market.lanes.values())
        return self.run_

    def after(self, seconds: float, event: int, step: int) -> None:
        heappush(self.events, (self.now + seconds, step << 3 | event))

    def _wake(self, code: int) -> None:
        number, is_gate = code >> 1, code & 1
        if is_gate:
            self._open(self.orders[number])
        else:
            desk = self.market.desks[number]
            if desk.wakes_at <= self.now:  # else it woke earlier, and sleeps anew
                desk.wakes_at = inf
                self._claim(desk)

    # -- what may start --------------------------------------------------------------------------

    def _ready_now(self, step: int) -> None:
        self._ready(step)
        self._noticed(step)

    def _noticed(self, step: int) -> None:
        """Another process has put it there: it is seen a little later, or with the next thing that happens here."""
        order = self.groups[step].order
        if order.width is not None:
            self.after(self.plain.pickup_s, TURN, step)
            return
        desk, at = self.market.desk_of[self.kit[step].lane.number], self.now + self.plain.pickup_s
        if at < desk.wakes_at:
            desk.wakes_at = at
            heappush(self.events, (at, -1 - (desk.number << 1)))

    def _ready(self, step: int) -> None:
        """Into the queue of its lane, unless its gate or the width of its order keeps it."""
        group, place = self.groups[step], self.places[step]
        order = group.order
        if order.has_gates and (gate := group.gate(place)) > order.open_gate:
            order.shut.setdefault(gate, []).append(step)
            return
        entry = (group.rank(place), step)
        if order.width is not None:
            heappush(order.turn, entry)
        else:
            heappush(self.kit[step].lane.heaps[order.number], entry)

    def _turn(self, step: int) -> None:
        self._next_turn(self.groups[step].order)

    def _next_turn(self, order: Running) -> None:
        """In a narrow order nothing overtakes what stands before it in another lane."""
        while order.turn and order.width is not None and order.out < order.width:
            entry = heappop(order.turn)
            order.out += 1
            lane = self.kit[entry[1]].lane
            heappush(lane.heaps[order.number], entry)
            self._claim(self.market.desk_of[lane.number])

    def _open(self, order: Running) -> None:
        order.open_gate = order.next_gate()
        lanes = set()
        for gate in [gate for gate in order.shut if gate <= order.open_gate]:
            for step in order.shut.pop(gate):
                self._ready(step)
                lanes.add(self.kit[step].lane.number)
        for number in lanes:
            self._claim(self.market.desk_of[number])

    def _claim(self, desk: Desk) -> None:
        """Starts what there is room for: orders by priority and fair share, steps by rank, nearly as claim does."""
        now = self.now
        while desk.out < desk.cap:
            best: tuple[float, ...] | None = None
            chosen: Lane | None = None
            for lane in desk.lanes:
                if lane.out >= lane.cap or lane.opens_at > now:
                    continue
                for number, heap in enumerate(lane.heaps):
                    if heap:
                        key = heap[0] if self.single else (*self._share(number), *heap[0])
                        if best is None or key < best:
                            best, chosen, which = key, lane, number
            if chosen is None:
                break
            if chosen.pool is not None and chosen.pool.free <= 0:
                chosen.pool.waiting[desk.number] = desk
                break
            step = chosen.heaps[which][0][1]
            if (at := self._room(step)) > now:
                chosen.opens_at = at
                continue
            heappop(chosen.heaps[which])
            self._start(step, desk, chosen)
        self._sleep(desk)

    def _share(self, number: int) -> tuple[float, float, int]:
        """Nothing goes to those behind a higher priority; a claim gives them one place in twenty (jobs/shares.py)."""
        order = self.orders[number]
        return -order.priority, order.out / order.weight, number

    def _room(self, step: int) -> float:
        now, meters = self.now, self.market.meters
        return max((meters[number].free_at(units, now) for number, units in self.kit[step].uses), default=now)

    def _sleep(self, desk: Desk) -> None:
        """Until the next place of a quota, or the end of a pause."""
        now = self.now
        for lane in desk.lanes:
            if now < lane.opens_at < desk.wakes_at and any(lane.heaps):
                desk.wakes_at = lane.opens_at
                heappush(self.events, (lane.opens_at, -1 - (desk.number << 1)))

    def _start(self, step: int, desk: Desk, lane: Lane) -> None:
        kit, group, now = self.kit[step], self.groups[step], self.now
        n = self.size[step]
        wide = 1 if group.order.width is not None else lane.wide
        desk.out += wide
        lane.out += wide
        if lane.pool is not None:
            lane.pool.free -= wide
        if group.order.width is None:
            group.order.out += 1
        sent = now
        for number, units in kit.uses:
            sent = max(sent, self.market.meters[number].take(units * n, now))
        seconds = sent - now + kit.durations.draw(group.n) * (n / wide)
        if self.busy:
            lane.starts.append(now)
            lane.ends.append(now + seconds)
            lane.sizes.append(wide)
        heappush(self.events, (now + seconds, step << 3 | CALLED))

    # -- what came back --------------------------------------------------------------------------

    def _called(self, step: int) -> None:
        kit, group = self.kit[step], self.groups[step]
        order, lane, n = group.order, kit.lane, self.size[step]
        desk = self.market.desk_of[lane.number]
        wide = 1 if order.width is not None else lane.wide
        desk.out -= wide
        lane.out -= wide
        missed = self.luck.failing(n, kit.misses) if kit.misses else 0
        if order.number == 0:
            self.run_.calls[kit.stage] = self.run_.calls.get(kit.stage, 0) + n
            if kit.micro and n > missed:
                self.run_.spent.append((self.now, kit.micro * (n - missed)))
        if lane.pool is not None:
            self._free(lane.pool, wide)
        if missed:
            self.size[step] = missed
            order.out -= 1
            self.after(MISSED_S, READY, step)
            self._next_turn(order)
        else:
            times = n if order.width is not None else 1
            self.after(kit.after_s * times, STORED, step)
        self._claim(desk)

    def _stored(self, step: int) -> None:
        group = self.groups[step]
        heappush(self.checks, (-group.order.priority, group.rank(self.places[step]), step))
        self._look()

    def _free(self, pool: Pool, places: int) -> None:
        """Calls first, then checks: as a drive does."""
        pool.free += places
        if pool.waiting:
            desks, pool.waiting = pool.waiting, {}
            for number in sorted(desks):
                self._claim(desks[number])
        if pool is self.market.places:
            self._look()

    def _look(self) -> None:
        """Files are looked at by priority and rank, as the engine takes them."""
        pool, checks = self.market.places, self.checks
        while checks and pool.free > 0:
            step = heappop(checks)[-1]
            n, seconds = self.size[step], self.kit[step].check_s
            wide = self._looked_at(step)
            pool.free -= wide
            self.after(seconds * (n / wide), CHECKED, step)

    def _looked_at(self, step: int) -> int:
        return 1 if self.groups[step].order.width is not None else self.check_wide

    def _checked(self, step: int) -> None:
        kit, order, n = self.kit[step], self.groups[step].order, self.size[step]
        self._free(self.market.places, self._looked_at(step))
        order.out -= 1
        failed = self.luck.failing(n, kit.fails) if kit.fails else 0
        if failed and self.round[step] <= kit.tries:
            self.round[step] += 1
            self.size[step] = failed
            self._ready_now(step)
        else:
            self._done(step)
        if order.turn:
            self.after(self.plain.pickup_s * n, TURN, step)

    def _done(self, step: int) -> None:
        group, place = self.groups[step], self.places[step]
        order = group.order
        for after in group.road.places[place].then:
            self.waits[group.base + after] -= 1
            if not self.waits[group.base + after]:
                self._ready_now(group.base + after)
        if order.has_gates and order.pay(group.gate(place)):
            heappush(self.events, (self.now + order.pause_s, -2 - (order.number << 1)))
        group.left -= 1
        if not group.left:
            order.videos_left -= 1
            if not order.videos_left:
                self.waited_for.discard(order.number)
            self.run_.ends[order.number] = self.now
            if order.number == 0:
                self.run_.first_s = self.run_.first_s or self.now
