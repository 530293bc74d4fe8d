from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from jobs import command_line
from jobs.engine import watch
from jobs.forms_deadline import DeadlineForm
from jobs.intake.table import IntakeError
from jobs.launch import create_batch
from jobs.models import Batch, Project
from jobs.offers import AT_ONCE_INSTEAD, LaunchRefused
from jobs.settings_types import STRATEGIES, merged

ROUND_S = 0.5
AWAY_ROUND_S = 2.0
BAD_INPUT = 2
START_S = 5.0  # an engine that was started just now needs a moment
ASLEEP = "Nothing works on batches just now. Start vidbatch with `make run`."


class Command(BaseCommand):
    help = "Makes a batch of a topic list. The exit status is 0 only when every video was finished (with --wait)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("topics", type=Path, help="A list of topics: TXT, CSV or XLSX.")
        parser.add_argument("--project", required=True, help="The short name of a project, e.g. sample.")
        parser.add_argument("--strategy", choices=STRATEGIES, help="Default: what the project says.")
        parser.add_argument(
            "--finish-by", metavar="MOMENT", help="A deadline, e.g. “2030-12-24 18:00”, in the time zone of the site."
        )
        parser.add_argument("--name", help="Default: the name of the file.")
        parser.add_argument("--wait", action="store_true", help="Wait for the end and show a table.")

    def handle(self, *args: Any, topics: Path, project: str, wait: bool, **options: Any) -> None:
        finish_by = _moment(options["finish_by"] or "")
        chosen = _project(project)
        rows = self._read(chosen, topics)
        if wait and not _is_driven():
            raise CommandError(ASLEEP, returncode=BAD_INPUT)
        strategy = {"strategy": options["strategy"]} if options["strategy"] else {}
        settings = merged(chosen.batch_settings(), strategy)
        try:
            batch = create_batch(
                chosen,
                name=options["name"] or topics.stem,
                topics=rows,
                settings=settings,
                by=None,
                finish_by=finish_by,
            )
        except LaunchRefused as refused:
            raise CommandError(str(refused), returncode=BAD_INPUT) from refused
        if settings.bulk and not batch.in_bulk:
            self.stderr.write(AT_ONCE_INSTEAD)
        self.stdout.write(f"Batch {batch.pk} “{batch.name}” is made: {len(rows)} videos, {batch.strategy}.")
        if wait and not self._wait(batch):
            raise SystemExit(1)

    def _read(self, project: Project, path: Path) -> Sequence[Any]:
        try:
            read = command_line.read_topics(project, path)
        except IntakeError as error:
            raise CommandError(str(error), returncode=BAD_INPUT) from error
        for sentence in read.remarks:
            self.stderr.write(sentence)
        if read.problems:
            for sentence in read.problems:
                self.stderr.write(sentence)
            raise CommandError("Nothing was made. Put these rows right, then try again.", returncode=BAD_INPUT)
        return read.topics

    def _wait(self, batch: Batch) -> bool:
        """True when every video was finished."""
        bar = command_line.Bar(self.stdout)
        while not (progress := self._progress(batch)).is_over:
            bar.show(progress)
            time.sleep(ROUND_S)
        bar.end(progress)
        for line in command_line.table_of(batch):
            self.stdout.write(line)
        if progress.reason:
            self.stderr.write(progress.reason)
        return progress.done == progress.videos

    def _progress(self, batch: Batch) -> command_line.Progress:
        """The engine outlives a database that goes away for a while, and so does who waits for it."""
        told = False
        while True:
            try:
                return command_line.progress_of(batch)
            except (OperationalError, InterfaceError) as error:
                if not told:
                    self.stderr.write(f"The database does not answer; waiting for it. ({error})")
                told = True
                time.sleep(AWAY_ROUND_S)
                close_old_connections()


def _is_driven() -> bool:
    deadline = time.monotonic() + START_S
    while not all(watch.is_driven(role, timezone.now()) for role in settings.ROLES):
        if time.monotonic() > deadline:
            return False
        time.sleep(ROUND_S)
    return True


def _moment(text: str) -> datetime | None:
    form = DeadlineForm({"finish_by": text})
    if form.is_valid():
        found: datetime | None = form.cleaned_data["finish_by"]
        return found
    raise CommandError("--finish-by: " + " ".join(map(str, form.errors["finish_by"])), returncode=BAD_INPUT)


def _project(slug: str) -> Project:
    try:
        return Project.objects.get(slug=slug)
    except DatabaseError as error:
        raise CommandError(f"The database is not ready ({error}). {ASLEEP}", returncode=BAD_INPUT) from error
    except Project.DoesNotExist:
        known = ", ".join(Project.objects.values_list("slug", flat=True)) or "there is none yet"
        raise CommandError(f"There is no project “{slug}”. Those there are: {known}.", returncode=BAD_INPUT) from None
