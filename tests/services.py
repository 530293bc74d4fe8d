"""A PostgreSQL and a Redis of the tests' own: on free ports, in a temporary folder, gone with the process.

    python -m tests.services postgres [redis] -- COMMAND...

runs COMMAND with VIDBATCH_DATABASE_URL (and VIDBATCH_TEST_REDIS_URL) pointing at them.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

START_LIMIT_S = 30
PORTS = range(20_000, 32_000)  # below those of outgoing connections, on Linux and macOS
STOP_LIMIT_S = 10
POSTGRES_FOLDERS = (  # newest first; before PATH, where wrappers may stand
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
CHROMIUM_NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
CHROMIUM_ON_MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
PR_SET_PDEATHSIG = 1


class ServiceMissing(RuntimeError):
    """A program that the tests need is not on this machine."""


def postgres_bin() -> Path:
    found = [folder for pattern in POSTGRES_FOLDERS for folder in Path("/").glob(pattern[1:])]
    for folder in sorted(found, key=_version, reverse=True):
        if all((folder / name).is_file() for name in ("initdb", "postgres")):
            return folder
    initdb = shutil.which("initdb")
    if initdb and (Path(initdb).parent / "postgres").is_file():
        return Path(initdb).parent
    raise ServiceMissing("PostgreSQL is missing. `make test` installs it; by hand: apt-get install postgresql.")


def _version(folder: Path) -> int:
    digits = "".join(c for c in folder.parent.name if c.isdigit())
    return int(digits or 0)


def program(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ServiceMissing(f"{name} is missing. `make test` installs it; by hand: apt-get install {package}.")
    return path


@cache
def chromium() -> str | None:
    """The system's Chromium; None means playwright's own, which `make test` fetches where there is no package."""
    for path in filter(None, map(shutil.which, CHROMIUM_NAMES)):
        if subprocess.run([path, "--version"], capture_output=True).returncode == 0:  # and no pointer to a snap
            return path
    return CHROMIUM_ON_MACOS if Path(CHROMIUM_ON_MACOS).exists() else None


def free_port() -> int:
    """One that the system gives to no outgoing connection: what is ended and started again finds it free again."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", secrets.choice(PORTS)))
            return int(probe.getsockname()[1])


@contextmanager
def postgres() -> Iterator[str]:
    """A fresh cluster; its URL, database "postgres"."""
    binaries, user = postgres_bin(), _unprivileged_user()
    with _folder(user) as folder:
        password = secrets.token_hex(16)
        (folder / "password").write_text(password)
        _give(folder / "password", user)
        _run(
            [binaries / "initdb", "-D", folder / "db", "-U", "vidbatch", "--pwfile", folder / "password"]
            + ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"],
            user=user,
        )
        port = free_port()
        command = [binaries / "postgres", "-D", folder / "db", "-p", port, "-k", folder, "-h", "127.0.0.1"]
        for setting in ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200"):
            command += ["-c", setting]
        # SIGINT is PostgreSQL's "fast" way to end: open sessions are cut.
        with _server(command, port, user=user, log=folder / "log", end_signal=signal.SIGINT):
            _wait_for_postgres(binaries / "psql", folder, port, password)
            yield f"postgres://vidbatch:{password}@127.0.0.1:{port}/postgres"


@contextmanager
def redis() -> Iterator[str]:
    """An empty Redis that writes nothing to disk; its URL."""
    binary, user = program("redis-server", "redis-server"), _unprivileged_user()
    with _folder(user) as folder:
        port = free_port()
        command = [binary, "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]
        with _server(command, port, user=user, log=folder / "log", end_signal=signal.SIGTERM):
            yield f"redis://127.0.0.1:{port}/0"


def _unprivileged_user() -> str | None:
    """initdb refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in names:
            return name
    raise ServiceMissing("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as.")


def _give(path: Path, user: str | None) -> None:
    if user:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


@contextmanager
def _folder(user: str | None) -> Iterator[Path]:
    # In /tmp whatever TMPDIR says: the path of a Unix socket has room for about 100 characters.
    path = Path(tempfile.mkdtemp(prefix="vidbatch-", dir="/tmp"))
    _give(path, user)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _as(user: str | None) -> dict[str, object]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _words(command: Sequence[object]) -> list[str]:
    return [str(word) for word in command]


def _clean_environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}  # no PGHOST, PGDATA and the like


def _run(command: Sequence[object], *, user: str | None) -> None:
    done = subprocess.run(
        _words(command), capture_output=True, text=True, cwd="/", env=_clean_environment(), timeout=120, **_as(user)
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")


def _end_with_parent(end_signal: int) -> Callable[[], None] | None:
    """So that nothing is left when the test run itself is killed. Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, end_signal)


@contextmanager
def _server(
    command: Sequence[object], port: int, *, user: str | None, log: Path, end_signal: signal.Signals
) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            _words(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            env=_clean_environment(),
            process_group=0,  # a Ctrl-C for the tests is not for the server: it is ended below
            preexec_fn=_end_with_parent(end_signal),
            **_as(user),
        )
    try:
        _wait_for_port(process, port, log)
        yield
    finally:
        process.send_signal(end_signal)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args[0]} did not start on port {port}: {log.read_text()[-2000:]}")


def _wait_for_postgres(psql: Path, folder: Path, port: int, password: str) -> None:
    """The port answers a moment before the server takes connections."""
    command = _words([psql, "-h", "127.0.0.1", "-p", port, "-U", "vidbatch", "-c", "SELECT 1", "postgres"])
    environment = {**_clean_environment(), "PGPASSWORD": password}
    end = time.monotonic() + START_LIMIT_S
    while subprocess.run(command, capture_output=True, env=environment, timeout=START_LIMIT_S).returncode:
        if time.monotonic() > end:
            raise RuntimeError(f"PostgreSQL takes no connections: {(folder / 'log').read_text()[-2000:]}")
        time.sleep(0.05)


def main(arguments: list[str]) -> int:
    if "--" not in arguments or not set(arguments[: arguments.index("--")]) <= {"postgres", "redis"}:
        print(__doc__, file=sys.stderr)
        return 2
    split = arguments.index("--")
    wanted, command = arguments[:split], arguments[split + 1 :]
    environment = dict(os.environ)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ExitStack() as services:
        if "postgres" in wanted:
            environment["VIDBATCH_DATABASE_URL"] = services.enter_context(postgres())
            environment["VIDBATCH_TEST_DATABASE"] = "postgres"
        if "redis" in wanted:
            environment["VIDBATCH_TEST_REDIS_URL"] = services.enter_context(redis())
        with subprocess.Popen(command, env=environment) as child:
            try:
                return child.wait()
            except BaseException:
                child.terminate()
                raise


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except ServiceMissing as error:
        sys.exit(str(error))
