from __future__ import annotations

import contextlib
import logging
import os
import traceback
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from vidbatch_site import first_start
from vidbatch_site.supervisor import instance, readiness
from vidbatch_site.supervisor.supervisor import Supervisor
from vidbatch_site.supervisor.tidy import tidy

ROLES = ("web", *settings.ROLES)


class Command(BaseCommand):
    help = "Starts vidbatch: web server, generation and media. Ctrl-C ends it in good order, a second one at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", choices=ROLES, help="Run one part of it here, the others elsewhere.")

    def handle(self, *args: Any, only: str | None = None, **options: Any) -> None:
        logging.getLogger("django-q").setLevel(logging.WARNING)  # every wake-up is no news
        roles = (only,) if only else ROLES
        if taken := [role for role in roles if not instance.claim(role)]:
            self._point_to_living(taken[0])
            return
        supervisor = Supervisor(roles, say=self.say)
        supervisor.take_signals()
        self._prepare_apart(roles)
        if not supervisor.signals and (status := supervisor.run()):
            raise SystemExit(status)

    def _prepare_apart(self, roles: tuple[str, ...]) -> None:
        """In a process of its own: what it loads would else stay in memory for as long as we run."""
        child = os.fork()
        if child:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if status:
                raise SystemExit(status)
            return
        status = 1
        try:
            self._prepare(roles)
            status = 0
        except (readiness.NotReady, OSError, DatabaseError) as error:
            self.stderr.write(str(error))
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)

    def _point_to_living(self, role: str) -> None:
        url = instance.read(role).url
        self.say(f"vidbatch is already running: {url}" if url else f"vidbatch is already running here ({role}).")

    def _prepare(self, roles: tuple[str, ...]) -> None:
        for sentence in readiness.check_programs():
            self.say(sentence)
        with readiness.taking_turns():
            readiness.prepare_database()
            tidy()
            for line in first_start.welcome():
                self.say(line)
            if "web" in roles and readiness.collect_static():
                self.say("Collected the static files.")

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            self.stdout.write(text)
            self.stdout.flush()
