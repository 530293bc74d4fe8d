"""A PostgreSQL server of the tests' own, disturbed: sessions ended, a crash with recovery, a restart."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from random import Random

import psutil
from django.db import OperationalError, connection, connections

from tests import services


def disturb(chance: Random, database: str, for_s: float) -> str:
    how = chance.choice(("sessions", "crash", "restart"))
    {"sessions": end_sessions, "crash": crash, "restart": restart}[how](database, for_s)
    return how


def end_sessions(database: str, for_s: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [database],
        )


def crash(database: str, for_s: float) -> None:
    """One session killed: the server ends all others and replays its log."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    connections.close_all()
    for session in server().children():
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if session.pid != pid and database in " ".join(session.cmdline()):
                session.send_signal(signal.SIGKILL)
                return


def restart(database: str, for_s: float) -> None:
    """Ended the fast way and away for a while."""
    old = server()
    command, names = old.cmdline(), old.username()
    port, user = command[command.index("-p") + 1], names if os.geteuid() == 0 else None
    old.send_signal(signal.SIGINT)
    _wait_for_the_end(old)
    time.sleep(for_s)
    with open(f"{command[command.index('-D') + 1]}/../log", "ab") as log:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=services._clean_environment(),
            process_group=0,
            preexec_fn=services._end_with_parent(signal.SIGINT),
            **services._as(user),
        )
    _wait(int(port))


def _wait_for_the_end(process: psutil.Process) -> None:
    """Its parent takes no notice before the tests are over, so it stays a zombie. What does not end is ended hard."""
    for harder in (signal.SIGQUIT, None):
        end = time.monotonic() + services.STOP_LIMIT_S
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > end:
                break
            time.sleep(0.02)
        else:
            return
        if harder:
            process.send_signal(harder)
    raise RuntimeError("PostgreSQL does not end.")


def _wait(port: int) -> None:
    end = time.monotonic() + services.START_LIMIT_S
    while time.monotonic() < end:
        try:
            connection.ensure_connection()
            return
        except OperationalError:
            time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not come back on port {port}.")


def server() -> psutil.Process:
    """The one that listens where we are connected to."""
    port = str(connection.settings_dict["PORT"])
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words and words[0].endswith("/postgres") and "-p" in words and words[words.index("-p") + 1] == port:
            return process
    raise RuntimeError(f"No PostgreSQL listens on port {port}.")
