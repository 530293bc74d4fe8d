"""Luma's Dream Machine interface, the older one: a still picture to a clip with Ray 2. Submit, poll, and callbacks.

https://github.com/lumalabs/lumaai-api (1.1.0); https://docs.lumalabs.ai/docs/faq and the pages of errors and limits
beside it; https://docs.lumalabs.ai/changelog/callbacks-and-credits-balance (read 2025-06 to 2026-09)
There is no idempotency key, but a listing that repeats each request (LISTABLE). Our tag stands in the address that is
to be called back; where there is none, behind the picture's address as a fragment, which no server ever sees.
Callbacks are not signed: their address proves them. DELETE is not used, as nobody says whether it ends a job.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import SplitResult, urlsplit

from ..answers import Said
from ..base import Adapter, HttpAnswer
from ..exceptions import CallError, OutOfCredit, Rejected, Unknown
from ..offer_spec import OfferSpec
from ..pictures import nearest, picture_of
from ..types import (
    Accepted,
    Capability,
    Failed,
    Finished,
    InputFile,
    JobState,
    Output,
    Recovery,
    RemoteJob,
    Request,
    Running,
)

RATIOS = {
    "1:1": (1, 1), "16:9": (16, 9), "9:16": (9, 16), "4:3": (4, 3), "3:4": (3, 4), "21:9": (21, 9), "9:21": (9, 21),
}  # fmt: skip
SIDES = {"540p": 540, "720p": 720, "1080p": 1080, "4k": 2160}
SIZES = {
    (side * width // min(width, height), side * height // min(width, height)): (name, resolution)
    for name, (width, height) in RATIOS.items()
    for resolution, side in SIDES.items()
}
LENGTHS = (5, 9)
FRAMES_A_SECOND = 24
SHORTEST, LONGEST = 3, 5000  # letters of a prompt
PAGE, MOST_PAGES = 100, 1000
LOOKED_BACK = timedelta(days=30)


class LumaDreamMachine(Adapter):
    slug = "luma_dream_machine"
    label = "Luma Dream Machine"
    base_url = "https://api.lumalabs.ai/dream-machine/v1"
    key_env = "LUMAAI_API_KEY"
    capabilities = frozenset({Capability.CLIP})
    offers = tuple(
        OfferSpec(
            capability=Capability.CLIP,
            name=name,
            label=label,
            lengths=LENGTHS,
            max_prompt=LONGEST,
            takes_image=True,
            sizes=tuple(SIZES),
            tier=tier,
        )
        for name, label, tier in (("ray-2", "Ray 2", "standard"), ("ray-flash-2", "Ray 2 Flash", "draft"))
    )
    recovery: ClassVar = {Capability.CLIP: Recovery.LISTABLE}
    calls_back = True
    public_inputs = True
    usual_s: ClassVar = {Capability.CLIP: (30.0, 180.0)}
    where_to_look = "https://lumalabs.ai/dream-machine/api"
    output_hosts = (".cdn-luma.com", ".lumalabs.ai")  # the first as in published answers; not documented
    off_because = (
        "Luma calls Dream Machine and Ray 2 deprecated. Turn it on for an account where they still work, and only "
        "where this site has a public address: Luma fetches the pictures itself."
    )

    RUNNING = frozenset({"queued", "dreaming"})
    MODERATED = ("blacklisted", "moderation", "prompt not allowed", "contains ip")  # in texts, of whatever case

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        _, resolution, seconds = _terms(request)
        return {"seconds": seconds, "pixels": pixels_of(resolution, seconds)}

    def submit(self, request: Request) -> Accepted:
        prompt, (ratio, resolution, seconds) = request.prompt[:LONGEST], _terms(request)
        body: dict[str, Any] = {
            "generation_type": "video",
            "model": request.offer,
            "keyframes": {"frame0": {"type": "image", "url": self._address_of(picture_of(request), request)}},
            "aspect_ratio": ratio,
            "duration": f"{seconds}s",
            "resolution": resolution,
        }
        if len(prompt) >= SHORTEST:  # what is shorter is refused, and none is needed beside a picture
            body["prompt"] = prompt
        if request.callback_url:
            body["callback_url"] = request.callback_url
        deadline_s = self.deadline_of(request.capability)
        made = self.read("POST", "/generations/video", json=body | request.own, paid=True, timeout_s=deadline_s)
        return Accepted(external_id=made.text("id"))

    def _address_of(self, picture: InputFile | None, request: Request) -> str:
        if picture is None:
            raise Rejected("Luma makes clips from a picture here, and there is none.")
        if not picture.url:
            raise Rejected("Luma fetches pictures itself, and this site has no public address to fetch them from.")
        return picture.url if request.callback_url or not request.tag else f"{picture.url}#{request.tag}"

    def poll(self, external_id: str) -> Running | Finished | Failed:
        made = self.read("GET", f"/generations/{external_id}")
        match made.text("state"):
            case "completed":
                clip = Output(url=made.text("assets", "video"), media_type="video/mp4")
                return Finished(outputs=(clip,), units=_units(made))
            case "failed":  # what was charged is given back
                reason = made.text("failure_reason", default="")
                return Failed(reason=_sentence(reason), moderated=self._is_moderated(reason))
            case state:
                return Running(unknown_status="" if state in self.RUNNING else state)

    def find(self, tag: str) -> str | None:
        """Raises Unknown where jobs are listed, and none says what it was asked for: then ours may be among them."""
        marks = set()
        for made in self._generations(datetime.now(UTC) - LOOKED_BACK):
            mark = _tag_of(made)
            if mark == tag:
                return made.text("id")
            marks.add(mark)
        if marks == {""}:
            raise Unknown(f"{self.label} lists jobs without the addresses by which they are told apart.")
        return None

    def list_jobs(self, since: datetime, until: datetime) -> list[RemoteJob]:
        found = {job.external_id: job for job in map(_listed, self._generations(since))}
        jobs = (job for job in found.values() if since <= job.created_at <= until)
        return sorted(jobs, key=lambda job: job.created_at)

    def _generations(self, since: datetime) -> Iterator[Said]:
        """Page by page; where the newest come first, which nobody promises, none far beyond `since`."""
        seen = 0
        for _ in range(MOST_PAGES):
            page = self.read("GET", "/generations", params={"limit": PAGE, "offset": seen})
            found = list(page.items("generations"))
            yield from found
            seen += len(found)
            if not found or not page.flag("has_more", default=len(found) >= PAGE):
                return
            times = [_made_at(made) for made in found]
            if len(times) > 1 and times == sorted(times, reverse=True) and times[-1] < since:
                return
        raise Unknown(f"{self.label} lists more jobs than can be looked through.")

    def account(self) -> str:
        cents = self.read("GET", "/credits").number("credit_balance")
        return f"The key works; ${cents / 100:,.2f} are left."

    def error_of(self, response: HttpAnswer) -> CallError:
        said, status = response.said(self.label).text("detail", default=""), response.status_code
        if status in (400, 422) and self._is_moderated(said):
            return Rejected(_sentence(said), moderated=True, detail=response.detail, http_status=status)
        if status in (400, 403) and "credits" in said.lower():  # which status it has is not documented
            message = "Luma says the account is out of credits."
            return OutOfCredit(message, detail=response.detail, http_status=status)
        return super().error_of(response)

    @classmethod
    def _is_moderated(cls, text: str) -> bool:
        return any(word in text.lower() for word in cls.MODERATED)


def pixels_of(resolution: str, seconds: int) -> int:
    """Of all frames. At 16:9 whatever the ratio is, as the printed prices make no difference between ratios."""
    side = SIDES.get(resolution, SIDES["4k"])
    return side * (side * 16 // 9) * FRAMES_A_SECOND * seconds


def _terms(request: Request) -> tuple[str, str, int]:
    """(aspect ratio, resolution, seconds): what the price depends on. An offer's own parameters come first."""
    own = request.own
    ratio, resolution = SIZES[nearest(SIZES, request.width, request.height)]
    length = str(own.get("duration", "")).removesuffix("s")
    seconds = int(length) if length.isdecimal() else LENGTHS[round(request.seconds, 2) > LENGTHS[0]]
    return ratio, str(own.get("resolution", resolution)), seconds


def _units(made: Said) -> dict[str, int]:
    """What was asked for is what is billed. Nothing where it is not repeated: then as much as was reserved."""
    length = made.text("request", "duration", default="").removesuffix("s")
    resolution = made.text("request", "resolution", default="")
    if not length.isdecimal() or resolution not in SIDES:
        return {}
    seconds = min(int(length), 60)
    return {"seconds": seconds, "pixels": pixels_of(resolution, seconds)}


def _tag_of(made: Said) -> str:
    """Out of the picture's fragment, or of …/webhooks/<slug>/<tag>/<proof>/; "" for what we did not send."""
    called = made.text("request", "callback_url", default="")
    parts = _parts(called).path.strip("/").split("/")
    if called and len(parts) >= 2:
        return parts[-2]
    return _parts(made.text("request", "keyframes", "frame0", "url", default="")).fragment


def _parts(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # an address of somebody else that is none
        return urlsplit("")


def _listed(made: Said) -> RemoteJob:
    state = {"completed": JobState.FINISHED, "failed": JobState.FAILED}.get(made.text("state"), JobState.RUNNING)
    is_clip = made.text("generation_type", default="video") == "video"
    return RemoteJob(
        external_id=made.text("id"),
        created_at=_made_at(made),
        state=state,
        tag=_tag_of(made),
        units=_units(made),
        billed=state is not JobState.FAILED,
        capability=Capability.CLIP if is_clip else None,
    )


def _made_at(made: Said) -> datetime:
    try:
        moment = datetime.fromisoformat(made.text("created_at"))
    except ValueError:
        raise made.unusable("a moment in created_at") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _sentence(reason: str) -> str:
    """For people: what Luma's texts mean here."""
    for start, words in REASONS.items():
        if start in reason.lower():
            return f"{words} ({reason.rstrip('.')[:200]})."
    return f"Luma failed: {reason.rstrip('.')[:200]}." if reason else "Luma failed without a reason."


REASONS = {
    "frame moderation": "Luma declined the picture",
    "prompt moderation": "Luma declined the prompt",
    "blacklisted": "Luma declined the prompt",
    "prompt not allowed": "Luma declined the prompt",
    "contains ip": "Luma declined the prompt or the picture",
    "moderation": "Luma declined it",
    "failed to read user input frames": "Luma could not fetch the picture from this site",
    "prompt processing failed": "Luma failed inside",
    "error dispatching job": "Luma failed inside",
    "job failed": "Luma failed inside",
    "error processing callback": "Luma could not call this site back",
}
