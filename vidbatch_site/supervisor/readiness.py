"""What must be in place before anything is started: programs, tables, providers' rows, collected static files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from jobs.engine import worker
from providers.media import sandbox
from providers.sync import sync_providers

NEEDED = ("ffmpeg", "ffprobe")
USEFUL = ("espeak-ng",)  # only the studio's voices need it
STAMP = ".collected"
TURN_LOCK = "instance-preparing"
TURN_LIMIT_S = 300.0
TURN_KEY = 0x76696462  # of an advisory lock; any number that nobody else in this database uses


class NotReady(Exception):
    """A sentence with the remedy."""


def check_programs() -> list[str]:
    """Raises for what nothing works without; returns sentences about what else is missing."""
    for name in NEEDED:
        try:
            sandbox.program(name)
        except sandbox.ProgramMissing as error:
            raise NotReady(error.message) from error
    return [sentence for name in USEFUL if (sentence := _missing(name))]


def _missing(name: str) -> str:
    try:
        sandbox.program(name)
    except sandbox.ProgramMissing as error:
        return f"{error.message} Until then the studio has no voices."
    return ""


@contextmanager
def taking_turns() -> Iterator[None]:
    """Parts that are started at once, here or elsewhere: one makes tables and people, the others wait and find them."""
    if not worker.hold(TURN_LOCK, patience_s=TURN_LIMIT_S):
        raise NotReady(
            f"Another start has been preparing {settings.DATA_DIR} for {TURN_LIMIT_S:.0f} s. Try again later."
        )
    try:
        _lock_database("pg_advisory_lock")
        yield
        _lock_database("pg_advisory_unlock")  # else the end of the connection does it
    finally:
        worker.release(TURN_LOCK)


def _lock_database(function: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s)", [TURN_KEY])


def prepare_database() -> None:
    """Brings tables and providers' rows up to date; a database of a newer version is left alone."""
    loader = MigrationLoader(connection)
    ours = {name.partition(".")[0] for name in settings.INSTALLED_APPS}
    unknown = [f"{app}.{name}" for app, name in loader.applied_migrations if app in ours]
    known = {f"{app}.{name}" for app, name in loader.disk_migrations}
    if newer := sorted(set(unknown) - known):
        raise NotReady(
            f"The database belongs to a newer version of vidbatch (it has {newer[-1]}). "
            f"Update this checkout, or set VIDBATCH_DATA to another folder."
        )
    call_command("migrate", interactive=False, verbosity=0)
    sync_providers()


def collect_static() -> bool:
    """Collects only when a source file has changed; True when it did."""
    stamp = Path(settings.STATIC_ROOT) / STAMP
    inputs = _inputs()
    if stamp.exists() and stamp.read_text() == inputs:
        return False
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(inputs)
    return True


def _inputs() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            stat = Path(storage.path(path)).stat()
            digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
