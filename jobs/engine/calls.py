"""What threads do: one call, one poll, one download, one inspection. No ORM in here, and no exception comes out."""

from __future__ import annotations

import logging
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import requests
from django.conf import settings

from providers import callbacks, credentials, downloads, pictures, public_files, registry, wire
from providers.base import Adapter
from providers.exceptions import CallError, HeldBack, NotSent, RateLimited, Unknown
from providers.types import (
    Accepted,
    Capability,
    Failed,
    Finished,
    Output,
    Recovery,
    RemoteJob,
    Request,
    Running,
    VendorLimit,
)

from . import clock
from .failpoints import failpoint
from .requests import CLOCK_SKEW, Ticket

log = logging.getLogger(__name__)
Reshape = Callable[[bytes], bytes | None]
LONGEST_ID = 200  # of a job's name: as the attempt keeps it
MOST_WAIT_S = 2.0  # longer than anything is claimed ahead; a clock that jumps must not hold a thread
ROOM_AGAIN_S = 1.0
_threads = threading.local()
HELD_UP = timedelta(milliseconds=2)  # between the stamp of a request and its last byte; less does not matter
LEAST_DISTANCE = 0.985  # of the planned one, which has a margin of its own
_leaving = threading.Lock()
_next_at: dict[int, float] = {}  # lane -> from when on its next paced call may leave
_refused: dict[int, float] = {}  # lane -> when a call of it was last refused for haste


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file of a result, in the media store."""

    name: str
    sha256: str
    size: int
    media_type: str
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a call ended. Exactly one of `error`, `failed`, `accepted_id`, or a finished result (files and links).

    Only a download may have two: the error, and that the job failed when a fresh link was asked for.
    """

    ticket: Ticket
    on_wire_at: datetime | None = None
    ended_at: datetime
    error: CallError | None = None
    failed: Failed | None = None
    running: bool = False
    was_ended: bool = False  # by us, while it ran: what else is said here, the vendor said after that
    unknown_status: str = ""  # the vendor's word for how a job stands, where its adapter does not know it
    accepted_id: str = ""
    files: tuple[Stored, ...] = ()
    links: tuple[dict[str, Any], ...] = ()
    units: dict[str, int] = field(default_factory=dict)
    promised: dict[str, int] = field(default_factory=dict)  # units that it will bill, told when it was accepted
    alike: tuple[RemoteJob, ...] = ()  # what a listing showed: jobs that look like ours, or all of them
    delay_s: float = 0.0  # from the stamp until the request had left
    limits: tuple[VendorLimit, ...] = ()  # what the vendor told of its limits
    nonsense: str = ""  # what it told of them that cannot be read

    def come_by(self, now: datetime) -> Answer:
        """Nothing came later than now: the thread may have gone by a clock that was put right since."""
        if max(self.ended_at, self.on_wire_at or self.ended_at) <= now:
            return self
        on_wire_at = min(self.on_wire_at, now) if self.on_wire_at else None
        return replace(self, ended_at=min(self.ended_at, now), on_wire_at=on_wire_at)


def submit(ticket: Ticket, report_wire: Callable[[int, datetime], None], stopping: threading.Event) -> Answer:
    """Sends the request, once, unless it is too late to. Files that come with the answer are stored at once."""
    left: list[datetime] = []
    told_by: list[Adapter] = []

    def on_wire() -> Callable[[float], None]:
        """All is ready: waits for the moment, looks at the clock once more, and says so."""
        failpoint("on_wire")
        left.append(_wait_for(ticket))
        report_wire(ticket.attempt_id, left[0])
        return on_gone

    def on_gone(ago_s: float) -> None:
        """A thread that was held up sent later than it said: the vendor counts from then."""
        gone = clock.now_utc() - timedelta(seconds=ago_s)
        if gone - left[-1] > HELD_UP:
            left.append(gone)
            report_wire(ticket.attempt_id, gone)

    def work(adapter: Adapter) -> dict[str, Any]:
        told_by.append(adapter)
        _check(ticket, clock.now_utc())
        if stopping.is_set() and adapter.local:
            raise HeldBack("Stopped before it began.")
        if adapter.local:
            _need_folder(adapter)
            failpoint("mid_render")
        failpoint("before_send")
        until = monotonic() + adapter.deadline_of(ticket.request.capability)
        answer = adapter.submit(_addressed(ticket.request, type(adapter)))
        failpoint("after_send_before_record")
        return told(adapter, ticket.request, answer, until=until)

    result = run(ticket, work, on_wire=on_wire, stopping=stopping)
    if isinstance(result.get("error"), RateLimited):
        _refused[ticket.lane_id] = monotonic()
        _next_at.pop(ticket.lane_id, None)  # no window counts it; what was claimed before is held back anyway
    for adapter in told_by:
        result |= {"limits": adapter.limits, "nonsense": adapter.nonsense, "delay_s": wire.delay_s()}
    return Answer(ticket=ticket, on_wire_at=left[-1] if left else None, ended_at=clock.now_utc(), **result)


def _addressed(request: Request, adapter: type[Adapter]) -> Request:
    """With the addresses that the vendor is to call, and to fetch files from."""
    if url := callbacks.url_for(adapter, request.tag):
        request = replace(request, callback_url=url)
    if adapter.public_inputs and request.inputs:
        files = (replace(file, url=public_files.url_for(file, adapter.label)) for file in request.inputs)
        request = replace(request, inputs=tuple(files))
    return request


def _wait_for(ticket: Ticket) -> datetime:
    """Until its place in the vendor's window is free; the moment at which it leaves."""
    if ticket.send_at and (seconds := (ticket.send_at - clock.now_utc()).total_seconds()) > 0:
        sleep(min(seconds, MOST_WAIT_S))
    with _keep_distance(ticket) if ticket.gap_s else nullcontext():
        now = clock.now_utc()
        _check(ticket, now)
    return now


@contextmanager
def _keep_distance(ticket: Ticket) -> Iterator[None]:
    """Threads that come late must not leave together: nearly the planned distance is kept, and so caught up with.

    What would leave too late by that is told at once, and keeps nobody waiting; nor does what is held back inside.
    """
    with _leaving:
        now, before = monotonic(), _next_at.get(ticket.lane_id, 0.0)
        at = max(now, before)
        if ticket.send_until is not None and at > ticket.send_until:
            raise HeldBack("It would leave too close to the call before it.", again_in_s=at - now)
        following = _next_at[ticket.lane_id] = at + ticket.gap_s * LEAST_DISTANCE
    sleep(at - now)
    try:
        yield
    except HeldBack:
        with _leaving:
            if _next_at.get(ticket.lane_id) == following:
                _next_at[ticket.lane_id] = before
        raise


def _check(ticket: Ticket, now: datetime) -> None:
    """The last look before the first byte. A refusal that came meanwhile holds back all that was claimed before it."""
    is_late_by_wall = ticket.send_by is not None and now > ticket.send_by
    if is_late_by_wall or (ticket.send_until is not None and monotonic() > ticket.send_until):
        raise HeldBack("The thread came too late to send.")
    if _refused.get(ticket.lane_id, 0.0) > ticket.made:
        raise HeldBack("The vendor asked to slow down before this was sent.")


def find(ticket: Ticket, stopping: threading.Event) -> Answer:
    """Asks the vendor for the job that carries our tag: an accepted id, or "" when there is none.

    Where nothing carries it: for all jobs that look like it, made when it may have been sent. Where there is nothing to
    look in: for the one that a webhook named.
    """

    def work(adapter: Adapter) -> dict[str, Any]:
        if ticket.external_id and adapter.recovery_of(ticket.request.capability) is Recovery.BLIND:
            adapter.poll(ticket.external_id)  # raises where there is no such job
            found: dict[str, Any] = {"accepted_id": ticket.external_id}
        elif adapter.tagged:
            found = {"accepted_id": adapter.find(ticket.request.tag) or ""}
        else:
            found = _alike(adapter, ticket)
        failpoint("after_find")
        return found

    return Answer(ticket=ticket, ended_at=clock.now_utc(), **run(ticket, work, stopping=stopping))


def list_jobs(ticket: Ticket, since: datetime, until: datetime, stopping: threading.Event) -> Answer:
    """All jobs that the account shows of a stretch of time; `ticket` names the vendor alone."""
    found = run(ticket, lambda adapter: {"alike": tuple(adapter.list_jobs(since, until))}, stopping=stopping)
    return Answer(ticket=ticket, ended_at=clock.now_utc(), **found)


def _alike(adapter: Adapter, ticket: Ticket) -> dict[str, Any]:
    assert ticket.sent_at is not None
    latest = ticket.sent_at + timedelta(seconds=adapter.deadline_of(ticket.request.capability))
    around = CLOCK_SKEW + ticket.off_by
    jobs = adapter.list_jobs(ticket.sent_at - around, latest + around)
    may_be_it = (adapter.fingerprint_of(ticket.request), None)
    return {"alike": tuple(job for job in jobs if job.fingerprint in may_be_it)}


def fetch(ticket: Ticket, stopping: threading.Event) -> Answer:
    """Downloads the links of a finished job; a link that expired is asked for anew, once."""

    def work(adapter: Adapter) -> dict[str, Any]:
        try:
            return {"files": _fetched(adapter, ticket.request, [_output(link) for link in ticket.links])}
        except downloads.DownloadError as error:
            if not error.expired or not ticket.external_id:
                raise
            try:
                again = adapter.poll(ticket.external_id)
            except NotImplementedError:  # it answers at once and cannot be asked again
                raise error from None
            if isinstance(again, Failed):
                message = f"{adapter.label} had finished it, then took it back: {again.reason}"
                return {"error": downloads.DownloadError(message), "failed": again}
            if not isinstance(again, Finished):
                raise
            return {"files": _fetched(adapter, ticket.request, again.outputs)}

    return Answer(ticket=ticket, ended_at=clock.now_utc(), **run(ticket, work, stopping=stopping))


def run(
    ticket: Ticket,
    work: Callable[[Adapter], dict[str, Any]],
    *,
    stopping: threading.Event,
    on_wire: Callable[[], Any] = lambda: None,
) -> dict[str, Any]:
    """The outer edge around one call: whatever goes wrong becomes one of our errors."""
    adapter_type = registry.get(ticket.slug)
    adapter: Adapter | None = None
    try:
        adapter = adapter_type(
            workdir=lambda: Path(settings.WORK_ROOT, f"{ticket.step_id}-{uuid.uuid4().hex}"),
            base_url=credentials.url_of(adapter_type),
            key=credentials.key_of(adapter_type),
            session=_session(),
            on_wire=on_wire,
            options=ticket.options,
        )
        return work(adapter)
    except Exception as error:
        if adapter_type.local and stopping.is_set():
            return {"error": HeldBack("Ended with the engine; it is done again at the next start.")}
        return _told_error(ticket, adapter_type, error)
    finally:
        if adapter and adapter.has_workdir:
            shutil.rmtree(adapter.workdir, ignore_errors=True)


def _need_folder(adapter: Adapter) -> None:
    """What works on this machine makes files: without a place for them nothing is begun."""
    try:
        adapter.workdir.exists()
    except OSError as error:
        raise NotSent(f"There is no folder to work in: {error}.") from error


def _told_error(ticket: Ticket, adapter_type: type[Adapter], error: Exception) -> dict[str, Any]:
    if isinstance(error, CallError | downloads.DiskFull | downloads.DownloadError):
        return {"error": error}
    log.error("step %s, attempt %s: the call broke", ticket.step_id, ticket.attempt_id, exc_info=error)
    message = getattr(error, "message", "") or f"{adapter_type.label} broke off: {type(error).__name__}."
    if adapter_type.recovery_of(ticket.request.capability) is Recovery.FREE:
        return {"failed": Failed(reason=message)}
    return {"error": Unknown(message, detail=repr(error))}


def told(
    adapter: Adapter, request: Request, answer: Accepted | Running | Finished | Failed, *, until: float = 0.0
) -> dict[str, Any]:
    if isinstance(answer, Accepted | Finished) and len(answer.external_id) > LONGEST_ID:
        raise Unknown(f"{adapter.label} gave its job a name that is too long.", detail=answer.external_id)
    if isinstance(answer, Accepted):
        return {"accepted_id": answer.external_id, "promised": dict(answer.units)}
    if isinstance(answer, Running):
        return {"running": True, "unknown_status": answer.unknown_status}
    if isinstance(answer, Failed):
        return {"failed": answer, "units": dict(answer.units)}
    links = tuple(_link(output) for output in answer.outputs if output.url)
    keep = partial(_keep, until=until)
    here = [output for output in answer.outputs if not output.url]
    files = tuple(file for output in here for file in _whole(adapter, request, output, keep))
    return {"accepted_id": answer.external_id, "files": files, "links": links, "units": dict(answer.units)}


def _output(link: dict[str, Any]) -> Output:
    quarters = bool(link.get("quarters"))
    return Output(url=link["url"], media_type=link["media_type"], role=link["role"], quarters=quarters)


def _fetched(adapter: Adapter, request: Request, outputs: Sequence[Output]) -> tuple[Stored, ...]:
    return tuple(file for output in outputs for file in _whole(adapter, request, output, _store))


def _whole(adapter: Adapter, request: Request, output: Output, store: Callable[..., Stored]) -> Iterator[Stored]:
    """A file as it is wanted: vendors sell pictures in certain sizes, and some give four in one."""
    is_picture = request.capability is Capability.IMAGE and not output.role and not adapter.local
    if not is_picture:
        yield store(adapter, output)
    elif not output.quarters:
        yield store(adapter, output, reshape=lambda content: _shaped(content, request))
    else:
        yield from _quartered(adapter, request, output, store)


def _quartered(adapter: Adapter, request: Request, output: Output, store: Callable[..., Stored]) -> Iterator[Stored]:
    """The grid itself never comes into the store: its first quarter is stored in its place."""
    parts: list[bytes] = []

    def cut(content: bytes) -> bytes:
        parts[:] = _quarters(content, request)  # anew, where there was no room for the first one
        return parts[0]

    first = store(adapter, output, reshape=cut)
    yield first
    for part in parts[1:]:
        yield store(adapter, Output(content=part, media_type=first.media_type))


def _shaped(content: bytes, request: Request) -> bytes | None:
    try:
        parts = pictures.shaped(content, request.width, request.height)
    except Exception as error:  # whatever is wrong with a file that is paid for: the checks say it
        log.info("step of %s: its picture stays as it came (%s)", request.tag, error)
        return None
    return parts[0] if parts else None


def _quarters(content: bytes, request: Request) -> list[bytes]:
    try:
        return pictures.shaped(content, request.width, request.height, quarters=True) or [content]
    except Exception as error:
        log.info("step of %s: its picture stays as it came (%s)", request.tag, error)
        return [content]


def _keep(adapter: Adapter, output: Output, *, until: float, reshape: Reshape | None = None) -> Stored:
    """A file that came with the answer. Nobody gives it again once it was paid for: the room that is left free for
    other things is for it, too, and a disk that is really full is asked again until the call has to end."""
    if adapter.local:
        return _store(adapter, output)
    while True:
        try:
            return _store(adapter, output, min_free_bytes=0, reshape=reshape)
        except downloads.DiskFull as error:
            if monotonic() >= until:
                raise
            log.error("a result that is paid for waits for room: %s", error)
            sleep(ROOM_AGAIN_S)


def _link(output: Output) -> dict[str, Any]:
    quarters = {"quarters": True} if output.quarters else {}
    return {"url": output.url, "media_type": output.media_type, "role": output.role, **quarters}


def _store(
    adapter: Adapter, output: Output, *, min_free_bytes: int | None = None, reshape: Reshape | None = None
) -> Stored:
    kept = downloads.store(
        output,
        media_root=Path(settings.MEDIA_ROOT),
        adapter_host_allow=adapter.output_hosts,
        base_url=adapter.url,
        allow_loopback=settings.ALLOW_LOOPBACK_OUTPUTS,
        min_free_bytes=settings.MIN_FREE_BYTES if min_free_bytes is None else min_free_bytes,
        passing=failpoint,
        reshape=reshape,
    )
    return Stored(name=kept.name, sha256=kept.sha256, size=kept.size, media_type=kept.media_type, role=output.role)


def _session() -> requests.Session:
    """One per thread; no proxy, no .netrc."""
    if not hasattr(_threads, "session"):
        _threads.session = wire.session()
    session: requests.Session = _threads.session
    return session
