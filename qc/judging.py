"""All checks of a kind over the facts of one file. Pure."""

from __future__ import annotations

from dataclasses import replace

from . import checks
from .types import Check, Expectations, Facts, Limits, Result, skip

UNREADABLE = "the file could not be read"


def checks_of(kind: str) -> list[Check]:
    """The one that says whether the file could be read comes first."""
    return sorted(
        (each for each in checks.all_checks().values() if each.kind == kind),
        key=lambda each: (not each.reads, each.name),
    )


def judge_all(facts: Facts, *, kind: str, expected: Expectations, limits: Limits) -> tuple[Result, ...]:
    return tuple(_judge(each, facts, expected, limits) for each in checks_of(kind))


def _judge(check: Check, facts: Facts, expected: Expectations, limits: Limits) -> Result:
    if facts.error and not check.reads:
        return replace(skip(UNREADABLE), name=check.name)
    return check.judge(facts, expected, limits)
