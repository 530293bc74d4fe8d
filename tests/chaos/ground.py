"""Where a trial takes place: a folder and a database of its own, copied from one that was prepared once."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from providers import registry
from providers.models import Lane, Offer, Price, Provider
from providers.sync import sync_providers
from providers.types import Recovery
from qc.models import Profile
from tests.chaos import history, pace
from tests.factories import a_project, a_user
from tests.simulator_adapter import EVERYTHING, SimBulk, SimInstant, SimJobs, SimKeyed, register_all

VENDORS = {"instant": SimInstant, "keyed": SimKeyed, "jobs": SimJobs, "bulk": SimBulk}
PRICES = {"text": 700, "image": 40_000, "speech": 3_000, "clip": 250_000, "moderation": 0}  # in micro, as the vendor's
KIND = {"script": "text", "image": "image", "voiceover": "speech", "clip": "clip", "moderation": "moderation"}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CANARY = "canary-5f1c7b0e9d"  # stands for a key: it may turn up nowhere
BUSY_AFTER_S = 1.0


def is_postgres() -> bool:
    return connection.vendor == "postgresql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    folder: Path
    database: str
    simulator_url: str
    is_free: bool = False

    def enter(self) -> None:
        """Points this process at it."""
        use_database(self.database)
        for name, folder in (("DATA_DIR", ""), ("MEDIA_ROOT", "media"), ("WORK_ROOT", "work"), ("LOCK_ROOT", "locks")):
            setattr(settings, name, self.folder / folder)
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        settings.MIN_FREE_BYTES = 1000
        settings.CALL_THREADS, settings.MEDIA_PLACES = 8, 2
        settings.DRIVE_TIMEOUT_S = 2  # one that was stopped is older: it is taken for stuck, and its answers come late
        for adapter in VENDORS.values():
            adapter.deadline_s = dict.fromkeys(EVERYTHING, pace.DEADLINE_S)
            adapter.max_age_s = pace.MAX_AGE_S
            adapter.list_lag_s = pace.LIST_LAG_S
            adapter.bulk_window_s = pace.BULK_WINDOW_S
        if self.is_free:
            SimInstant.recovery = dict.fromkeys(EVERYTHING, Recovery.FREE)
        register_all(self.simulator_url)
        pace.quicken()


def use_database(name: str) -> None:
    connections.close_all()
    row = connections.databases["default"]
    row["NAME"] = name
    if row["ENGINE"].endswith("sqlite3"):
        row["OPTIONS"]["timeout"] = BUSY_AFTER_S


def prepare(root: Path) -> str:
    """A migrated database with people, providers and prices in it; its name."""
    if is_postgres():
        _administer("DROP DATABASE IF EXISTS prepared", "CREATE DATABASE prepared")
        _administer("ALTER ROLE CURRENT_USER SET synchronous_commit = on")  # a killed server keeps what it promised
        name = "prepared"
    else:
        name = str(root / "prepared.sqlite3")
    use_database(name)
    call_command("migrate", verbosity=0)
    _fill()
    history.install()
    connections.close_all()
    return name


def copy(prepared: str, name: str, folder: Path) -> str:
    if is_postgres():
        _administer(f"CREATE DATABASE {name} TEMPLATE {prepared}")
        return name
    path = folder / "vidbatch.sqlite3"
    with closing(sqlite3.connect(prepared)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return str(path)


def remove(database: str) -> None:
    if is_postgres():
        _administer(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


def _administer(*statements: str) -> None:
    """From another database than the one that is spoken of."""
    use_database("postgres")
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connections.close_all()


def _fill() -> None:
    a_user(group="producer")
    profile = Profile.objects.get_or_create(name="default")[0]
    a_project(profile=profile)
    register_all("http://127.0.0.1:9")
    sync_providers("studio", "this_machine", *(adapter.slug for adapter in VENDORS.values()))
    Provider.objects.filter(slug="studio").update(enabled=False)
    for vendor, adapter in VENDORS.items():
        provider = Provider.objects.get(slug=adapter.slug)
        for lane in Lane.objects.filter(provider=provider):
            if not lane.bulk:
                Offer.objects.create(provider=provider, capability=lane.capability, name="one", label=vendor)
            Price.objects.create(
                provider=provider,
                capability=lane.capability,
                unit="calls",
                micro=PRICES[KIND[lane.capability]],
                per=2 if lane.bulk else 1,
                bulk=lane.bulk,
                valid_from=LONG_AGO,
            )
    Price.objects.update(valid_from=LONG_AGO)
    for adapter in VENDORS.values():
        registry._extra.pop(adapter.slug, None)


def clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
