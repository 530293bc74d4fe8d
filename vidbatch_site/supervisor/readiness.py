"""What must be in place before anything is started: programs, tables, providers' rows, collected static files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from providers.media import sandbox
from providers.sync import sync_providers

NEEDED = ("ffmpeg", "ffprobe")
USEFUL = ("espeak-ng",)  # only the studio's voices need it
STAMP = ".collected"


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
