"""What every adapter is, and the default table from HTTP to our errors (docs/design.md, "Outcomes")."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from json import loads
from math import ceil
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from . import headers as said
from .answers import Said
from .exceptions import BadSignature, CallError, NotSent, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from .offer_spec import OfferSpec
from .pricing import most_units
from .types import (
    Accepted,
    Bulk,
    Capability,
    Failed,
    Finished,
    Recovery,
    RemoteJob,
    Request,
    Running,
    VendorLimit,
    WebhookSaid,
)

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT_S = 5.0
MOST_BYTES = 64 * 2**20  # of an answer; ten pictures in base64 are 30 MB
BLOCK_BYTES = 2**16

LineOutcome = Finished | Failed | CallError  # what became of one request of a bulk job


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer."""

    status_code: int
    headers: Mapping[str, str]  # names in any case
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @property
    def detail(self) -> str:
        """For the log."""
        return f"{self.status_code} {self.content[:2000].decode('utf-8', 'replace')}"

    def said(self, label: str) -> Said:
        """Its JSON; {} where it is none, as in the answers of proxies."""
        try:
            return Said(label, loads(self.content))
        except (ValueError, RecursionError):
            return Said(label, {})


class Adapter:
    """Translates between our vocabulary and one vendor; made anew for every call, so it may keep state.

    `submit` and `poll` make one call each and come back: no retrying, sleeping, pricing or storing in here.
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    base_url: ClassVar[str] = ""
    key_env: ClassVar[str] = ""  # the environment variable with the key; "" when none is needed
    capabilities: ClassVar[frozenset[Capability]]
    offers: ClassVar[tuple[OfferSpec, ...]] = ()  # rows are made of them once; an admin's edits stay
    voices_end: ClassVar[Mapping[str, date]] = {}  # voices whose last day the vendor has told: a batch is warned
    recovery: ClassVar[Mapping[Capability, Recovery]] = {}  # what is missing here is BLIND
    deadline_s: ClassVar[Mapping[Capability, float]] = {}  # the longest that submit may take; else 60 s
    calls_back: ClassVar[bool] = False  # sends webhooks: to request.callback_url, or to where its console says
    webhook_secret_env: ClassVar[str] = ""  # the variable with the secret of their signature; "" when there is none
    signs_publicly: ClassVar[bool] = False  # signs with keys that it publishes: read_webhook needs no secret of ours
    queues_ahead: ClassVar[int] = 0  # jobs beyond a lane's cap that the vendor keeps waiting itself, refusing none
    can_list: ClassVar[int] = 0  # so many jobs poll_many takes in one call
    token_slack: ClassVar[float] = 0.3  # by what share the vendor may count more input than a quarter of its characters
    usual_s: ClassVar[Mapping[Capability, tuple[float, float]]] = {}  # a call takes from … to …, until it is learned
    least_poll_s: ClassVar[float] = 0.0  # no job may be asked about more often than this
    cancel_deletes: ClassVar[bool] = False  # what was cancelled is 404 from then on, and nobody learns what it cost
    max_age_s: ClassVar[float] = 7200.0  # a job that runs longer is ended where the vendor can, and given up
    local: ClassVar[bool] = False  # works on this machine, by processes of ours that may be ended at will
    tagged: ClassVar[bool] = True  # the vendor keeps our tag; else `fingerprint_of` tells its jobs apart
    list_lag_s: ClassVar[float] = 0.0  # how long its listing may lag behind, where that is more than usual
    where_to_look: ClassVar[str] = ""  # for a person: the page of the account that shows what was made
    output_hosts: ClassVar[tuple[str, ...]] = ()  # hosts, besides base_url's own, that result links may name
    public_inputs: ClassVar[bool] = False  # files go along as addresses that the vendor fetches: InputFile.url is set
    off_because: ClassVar[str] = ""  # why it is off until an admin turns it on: a notice for them; "": it is on
    own_servers: ClassVar[bool] = False  # a server of one's own at another address needs no key
    bulk_capabilities: ClassVar[frozenset[Capability]] = frozenset()  # sold in bulk, too, by the methods `bulk_…`
    bulk_lines: ClassVar[int] = 0  # so many requests a bulk job takes
    bulk_window_s: ClassVar[float] = 86_400.0  # after it the vendor works on none of them any more
    needs_key: ClassVar[bool] = True  # remote, and still usable without a key, where False: servers of one's own

    def __init__(
        self,
        *,
        workdir: Path | Callable[[], Path],
        base_url: str = "",
        key: str = "",
        session: requests.Session | None = None,
        on_wire: Callable[[], Any] = _nothing,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._workdir = workdir
        self.has_workdir = False
        self.url = (base_url or self.base_url).rstrip("/")
        self.key = key
        self.session = session
        self.on_wire = on_wire  # called when the first byte of a submit is about to leave (providers/wire.py)
        self.options = options or {}  # the provider row's options, e.g. the studio's slowness
        self.limits: tuple[VendorLimit, ...] = ()  # what the last answer said of limits
        self.nonsense = ""  # what it said of them that cannot be read

    @property
    def workdir(self) -> Path:
        """Empty folder for files of this call, made when it is first asked for; removed afterwards."""
        folder = self._workdir() if callable(self._workdir) else self._workdir
        if not self.has_workdir:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._workdir, self.has_workdir = folder, True
        return folder

    def submit(self, request: Request) -> Accepted | Finished | Failed:
        raise NotImplementedError

    def poll(self, external_id: str) -> Running | Finished | Failed:
        raise NotImplementedError(f"{self.label} answers at once")

    def poll_many(self, external_ids: Sequence[str]) -> Mapping[str, Running | Finished | Failed]:
        """As poll, for up to `can_list` jobs in one call. Those that are missing in it are asked by themselves."""
        raise NotImplementedError

    def find(self, tag: str) -> str | None:
        """The vendor's id of the job that carries our tag, None when there is none. Only for LISTABLE."""
        raise NotImplementedError

    def list_jobs(self, since: datetime, until: datetime) -> list[RemoteJob]:
        """All jobs of the account made in between, the oldest first. Optional: where it exists, orphans are found."""
        raise NotImplementedError

    @classmethod
    def fingerprint_of(cls, request: Request) -> str:
        """What the listing shows of such a request (prompt, seed), for a vendor where nothing carries our tag."""
        raise NotImplementedError

    def cancel(self, external_id: str) -> None:
        """End a remote job that still runs, where the vendor can; raises when it cannot."""
        raise NotImplementedError

    # -- bulk jobs: only of an adapter with `bulk_capabilities` ----------------------------------

    @classmethod
    def bulk_takes(cls, request: Request) -> bool:
        """Whether this one may be a line; what may not is made at once, at the full price."""
        return request.capability in cls.bulk_capabilities

    def bulk_write(self, requests: Sequence[Request]) -> bytes:
        """The file of so many lines, each named by its tag: all of one capability and offer. Pure."""
        raise NotImplementedError

    def bulk_upload(self, content: bytes, tag: str) -> str:
        """The vendor's id of the file. Costs nothing, and may be done again."""
        raise NotImplementedError

    def bulk_create(self, file_id: str, capability: Capability, tag: str) -> Bulk:
        """What costs money: one request, as `submit`. A lost answer is found again by the tag."""
        raise NotImplementedError

    def bulk_poll(self, external_id: str) -> Bulk:
        raise NotImplementedError

    def bulk_find(self, tag: str, since: datetime) -> Bulk | None:
        """The newest with our tag, made since then; None when the listing shows none."""
        raise NotImplementedError

    def bulk_cancel(self, external_id: str) -> Bulk:
        """What was answered until then is billed, and can be read."""
        raise NotImplementedError

    def bulk_read(self, bulk: Bulk, requests: Mapping[str, Request]) -> Iterator[tuple[str, LineOutcome]]:
        """Of one that is over: what became of each request, by its tag, once each and one at a time.

        NotSent: it was not worked on and costs nothing. Unknown: nothing speaks of it, or nothing that can be read.
        """
        raise NotImplementedError

    def account(self) -> str:
        """Asks for something that costs nothing and needs the key; a sentence with what is left. Optional."""
        raise NotImplementedError

    @classmethod
    def has_listing(cls) -> bool:
        return cls.list_jobs is not Adapter.list_jobs

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> WebhookSaid:
        """Verifies the bytes (webhook_signatures.py), raises BadSignature, and only then looks what it is about."""
        raise BadSignature(f"{cls.label} signs nothing")

    @classmethod
    def recovery_of(cls, capability: Capability) -> Recovery:
        return cls.recovery.get(capability, Recovery.BLIND)

    @classmethod
    def output_tokens_of(cls, request: Request) -> int:
        """The longest answer that is asked for."""
        return int(request.extra.get("max_tokens", 0))

    @classmethod
    def most_tokens(cls, request: Request) -> int:
        """The most tokens that the vendor may count for a call, known before it is sent."""
        if request.capability not in (Capability.SCRIPT, Capability.MODERATION):
            return 0
        return ceil(len(request.prompt) / 4 * (1 + cls.token_slack)) + cls.output_tokens_of(request)

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        """The most units a request can be billed for: {"images": 4}, {"credits": 50}, {"output_tokens": 1500} …"""
        tokens = cls.most_tokens(request)
        return most_units(request) | ({"tokens": tokens} if tokens else {})

    @classmethod
    def counted_tokens(cls, request: Request, units: Mapping[str, int], reserved: int) -> int:
        """How many tokens the vendor counts against its window for a call that has ended.

        By default those it reserved, as most do: the real input, and the longest answer asked for, even if the answer
        was shorter. A vendor that gives back what was not used counts `tokens`: its adapter overrides this.
        """
        if "input_tokens" in units:
            return max(units["input_tokens"] + cls.output_tokens_of(request), units.get("tokens", 0))
        return max(reserved, units.get("tokens", 0))

    def limits_in(self, headers: Mapping[str, str]) -> tuple[tuple[VendorLimit, ...], str]:
        """What the vendor says of its limits beside an answer, and what of it makes no sense."""
        return said.limits_in(headers)

    @classmethod
    def deadline_of(cls, capability: Capability) -> float:
        return cls.deadline_s.get(capability, 60.0)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def call(self, method: str, path: str, *, timeout_s: float = 60.0, paid: bool = False, **kwargs: Any) -> Any:
        """One HTTP request to the vendor, its JSON answer. `paid` marks a submit: an unclear end is then Unknown."""
        answer = self.send(method, path, timeout_s=timeout_s, paid=paid, **kwargs)
        try:
            return loads(answer.content)
        except (ValueError, RecursionError) as error:
            raise Unknown(f"{self.label} answered something unreadable.", detail=answer.detail) from error

    def read(self, method: str, path: str, **kwargs: Any) -> Said:
        """As call; the answer is to be read with care."""
        return Said(self.label, self.call(method, path, **kwargs))

    def send(self, method: str, path: str, *, timeout_s: float = 60.0, paid: bool = False, **kwargs: Any) -> HttpAnswer:
        """One HTTP request to the vendor, its whole answer; a status from 300 on raises. `path` may be an address of
        its own, where the vendor gave it: then only on the vendor's own host."""
        import requests  # 12 MB, which the children that draw load this module without

        from . import wire

        session = self.session or wire.session()
        headers = {**self.headers(), **kwargs.pop("headers", {})}
        url = self.address(path)
        until = monotonic() + timeout_s
        try:
            with wire.announced(session, url, self.on_wire if paid else _nothing, until=until):
                response = wire.exchange(session, method, url, (CONNECT_TIMEOUT_S, timeout_s), headers, **kwargs)
            content = self._without_key(self._content(response, until))
            answer = HttpAnswer(response.status_code, response.headers, content)
        except requests.exceptions.ConnectTimeout as error:
            raise NotSent(f"{self.label} could not be reached.", detail=_plain(error)) from error
        except requests.exceptions.ConnectionError as error:
            if _never_connected(error):
                raise NotSent(f"{self.label} could not be reached.", detail=_plain(error)) from error
            raise Unknown(f"{self.label} broke off before answering.", detail=_plain(error)) from error
        except requests.exceptions.RequestException as error:
            raise Unknown(f"{self.label} did not answer in time.", detail=_plain(error)) from error
        self.limits, self.nonsense = self.limits_in(answer.headers)
        if answer.status_code >= 300:
            raise self.error_of(answer)
        return answer

    def address(self, path: str) -> str:
        """`path` on the vendor's host; a whole address of another host is refused, as the key would go there."""
        if path.startswith("/"):
            return self.url + path
        if urlsplit(path)[:2] != urlsplit(self.url)[:2]:
            raise Unknown(f"{self.label} named an address of somebody else.", detail=path)
        return path

    def _without_key(self, content: bytes) -> bytes:
        """Some vendors repeat the key in what they say; it is to stand in no log and on no page."""
        key = self.key.encode()
        return content.replace(key, b"********") if len(key) > 7 and key in content else content

    def _content(self, response: requests.Response, until: float) -> bytes:
        """As it comes, not block by block: one that drips would fill its first block for hours."""
        import urllib3

        blocks, size = [], 0
        try:
            while block := response.raw.read1(BLOCK_BYTES, decode_content=True):
                blocks.append(block)
                size += len(block)
                if size > MOST_BYTES or monotonic() > until:
                    response.close()
                    why = f"more than {MOST_BYTES // 2**20} MB" if size > MOST_BYTES else "without coming to an end"
                    raise Unknown(f"{self.label} answered {why}.", http_status=response.status_code)
        except urllib3.exceptions.HTTPError as error:
            raise Unknown(f"{self.label} broke off before the end of its answer.", detail=_plain(error)) from error
        return b"".join(blocks)

    def error_of(self, response: HttpAnswer) -> CallError:
        """The default table; an adapter overrides single statuses where its vendor documents them."""
        status, detail = response.status_code, response.detail
        if status == 429:
            return RateLimited(
                f"{self.label} asks us to slow down.", retry_after_s=retry_after(response), detail=detail
            )
        if status in (401, 403):
            return Unauthorised(f"{self.label} does not accept the key.", detail=detail, http_status=status)
        if status == 402:
            return OutOfCredit(f"{self.label} says the account is out of credit.", detail=detail, http_status=status)
        if status in (400, 404, 405, 413, 422):
            return Rejected(f"{self.label} refused the request.", detail=detail, http_status=status)
        return Unknown(f"{self.label} failed with status {status}.", detail=detail, http_status=status)


def retry_after(response: HttpAnswer | requests.Response) -> float | None:
    """Seconds to wait, None when the vendor says nothing usable."""
    return said.retry_after(response.headers, response.text)


def _never_connected(error: requests.exceptions.ConnectionError) -> bool:
    """True when no byte of the request can have been written: name lookup, refusal, TLS."""
    text = _plain(error)
    return any(word in text for word in ("NewConnectionError", "NameResolutionError", "SSLError", "ConnectTimeout"))


def _plain(error: Exception) -> str:
    return f"{type(error).__name__}: {error!r}"[:2000]
