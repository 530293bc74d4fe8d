"""The ordinary case of everything; a test spells out only what it is about."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.utils import timezone

from jobs.engine import drive as drive_module
from jobs.launch import create_batch
from jobs.models import Batch, Membership, Project
from jobs.settings_types import BatchSettings, TopicRow
from providers import registry
from providers.models import Lane, Offer, Price, Provider, Quota
from providers.sync import sync_providers
from qc.models import Profile

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def a_user(*, group: str = "producer", project: Project | None = None, **values: object) -> User:
    user = User.objects.create_user(username=f"{group}{next(_numbers)}", password="a long enough word", **values)
    if not Group.objects.filter(name=group).exists():  # a test with real transactions emptied the tables
        import_module("jobs.migrations.0002_groups").make_groups(apps, None)
    user.groups.add(Group.objects.get(name=group))
    if project:
        Membership.objects.create(project=project, user=user)
    return user


LOCAL = ("studio", "this_machine")
_rows: dict[object, list[tuple[type[Model], list[dict[str, Any]]]]] = {}


def local_providers() -> None:
    """The rows of the studio and of this machine: synced once a process, from then on written as they were."""
    declared = [registry.all_adapters()[slug] for slug in LOCAL]
    key = tuple((adapter, adapter.offers, adapter.capabilities) for adapter in declared)  # a test may change them
    are_first = not Provider.objects.exists()
    if are_first and key in _rows:
        for model, rows in _rows[key]:
            dated = {"valid_from": timezone.now()} if model is Price else {}
            model.objects.bulk_create(model(**{**row, **dated}) for row in rows)
        return
    sync_providers(*LOCAL)
    if are_first:
        _rows[key] = [(model, list(model.objects.values())) for model in (Provider, Offer, Lane, Quota, Price)]


def a_project(**values: object) -> Project:
    n = next(_numbers)
    profile = Profile.objects.get_or_create(name="default")[0]
    return Project.objects.create(**{"name": f"Project {n}", "slug": f"project-{n}", "profile": profile, **values})


def a_batch(
    *topics: str, project: Project | None = None, settings: BatchSettings | None = None, **values: object
) -> Batch:
    """A launched batch; the providers' rows are there."""
    if not Provider.objects.exists():
        local_providers()
    project = project or a_project()
    return create_batch(
        project,
        name="A batch",
        topics=[TopicRow(topic=topic) for topic in topics or ("Why bread rises",)],
        settings=settings or BatchSettings(scenes=2, seconds=8),
        by=None,
        **values,
    )


def a_provider(slug: str, capabilities: str = "script", *, micro: int = 0, **values: object) -> Provider:
    """A provider with a lane, an offer and a price for each capability (a text with spaces)."""
    provider = Provider.objects.create(slug=slug, label=slug, **values)
    for capability in capabilities.split():
        Lane.objects.create(provider=provider, capability=capability)
        Offer.objects.create(provider=provider, capability=capability, name="one", label="One")
        Price.objects.create(provider=provider, capability=capability, unit="calls", micro=micro, valid_from=NOW)
    return provider


def drive_until_idle(*, timeout_s: float = 60.0) -> None:
    """Both roles in turn, in this process, until nothing is left that could be done now."""
    drives = [drive_module.Drive(role, slice_s=timeout_s) for role in ("generation", "media")]
    try:
        for _ in range(int(timeout_s * 10)):
            busy = [drive.step_once() for drive in drives]
            if not any(busy):
                return
        raise AssertionError("There was still something to do.")
    finally:
        for drive in drives:
            drive.close()
