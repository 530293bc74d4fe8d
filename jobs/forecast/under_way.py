"""Batches that are under way when the virtual clock starts: what is done of them, and what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .clock import Clock

CALLED = 0  # the event that ends a call


def take_up(clock: Clock) -> set[int]:
    """Marks what is done, the first videos first, and lets what runs end some time soon; returns what runs."""
    begun: set[int] = set()
    left = [(dict(order.order.done), dict(order.order.running)) for order in clock.orders]
    for step, group in enumerate(clock.groups):
        done, running = left[group.order.number]
        if clock.waits[step] or not (done or running):
            continue
        stage, n = clock.kit[step].stage, clock.size[step]
        made = min(n, done.get(stage, 0))
        if made:
            done[stage] -= made
            clock.size[step] = n - made
        if made == n:
            _was_done(clock, step)
        elif 2 * running.get(stage, 0) >= clock.size[step]:
            running[stage] -= clock.size[step]
            _goes_on(clock, step)
            begun.add(step)
    return begun


def _was_done(clock: Clock, step: int) -> None:
    group, place = clock.groups[step], clock.places[step]
    for after in group.road.places[place].then:
        clock.waits[group.base + after] -= 1
    if group.order.has_gates:
        group.order.owed[group.gate(place)] -= 1
    group.left -= 1
    group.order.videos_left -= not group.left


def _goes_on(clock: Clock, step: int) -> None:
    """Nobody knows how far it is: as likely at its beginning as at its end. Its quotas count it already."""
    kit, order = clock.kit[step], clock.groups[step].order
    wide = 1 if order.width is not None else kit.lane.wide
    kit.lane.out += wide
    clock.market.desk_of[kit.lane.number].out += wide
    if kit.lane.pool is not None:
        kit.lane.pool.free -= wide
    order.out += 1
    clock.after(kit.durations.draw(clock.groups[step].n) * clock.luck.coin.random(), CALLED, step)
