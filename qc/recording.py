"""Examined files become rows: many at once, and the same one twice does no harm."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from .models import CheckResult, Facts, Inspection
from .types import Examined

Judged = tuple[Examined, str, int]
Key = tuple[str, str, str, int, str]


@transaction.atomic
def write(judged: Sequence[Judged]) -> list[Inspection]:
    by_key = {_key(each): each for each in judged}
    _write_facts(by_key)
    Inspection.objects.bulk_create((_inspection(key, each) for key, each in by_key.items()), ignore_conflicts=True)
    hashes = {key[0] for key in by_key}
    found = {row.key: row for row in Inspection.objects.filter(file_hash__in=hashes)}
    CheckResult.objects.bulk_create(
        (row for key, each in by_key.items() for row in _results(found[key], each[0])), ignore_conflicts=True
    )
    return [found[_key(each)] for each in judged]


def _write_facts(by_key: dict[Key, Judged]) -> None:
    rows = {
        (each.file_hash, each.kind): Facts(file_hash=each.file_hash, kind=each.kind, values=each.facts)
        for each, _, _ in by_key.values()
    }
    Facts.objects.bulk_create(rows.values(), ignore_conflicts=True)


def _inspection(key: Key, judged: Judged) -> Inspection:
    file_hash, kind, profile_name, profile_version, expectations_hash = key
    return Inspection(
        file_hash=file_hash,
        kind=kind,
        profile_name=profile_name,
        profile_version=profile_version,
        expectations_hash=expectations_hash,
        passed=judged[0].passed,
    )


def _results(inspection: Inspection, examined: Examined) -> list[CheckResult]:
    return [
        CheckResult(
            inspection=inspection,
            name=result.name,
            status=result.status.value,
            measured=result.measured[: CheckResult.SHORT],
            threshold=result.threshold[: CheckResult.SHORT],
            sentence=result.sentence[: CheckResult.LONG],
        )
        for result in examined.results
    ]


def _key(judged: Judged) -> Key:
    examined, profile_name, profile_version = judged
    return examined.file_hash, examined.kind, profile_name, profile_version, examined.expectations_hash
