"""Leonardo AI: pictures. Submit and poll; a webhook, where one was set together with the API key.

https://docs.leonardo.ai/reference (OpenAPI document of 2026-05-21), errors
https://docs.leonardo.ai/docs/api-error-messages (2026-01-28), limits
https://docs.leonardo.ai/v1.0/reference/limits (2026-07-01); read 2026-11.

Nothing carries a tag of ours, yet generations are listed with prompt, seed, model and moment (LISTABLE, not tagged).
What a job costs stands in the answer to its submit and nowhere else: it goes along as Accepted.units.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote

from ..answers import Said
from ..base import Adapter, HttpAnswer
from ..exceptions import BadSignature, CallError, OutOfCredit, RateLimited, Rejected, Unauthorised, Unknown
from ..offer_spec import OfferSpec
from ..pictures import Size, nearest
from ..types import (
    Accepted,
    Capability,
    Failed,
    Finished,
    JobState,
    Output,
    Recovery,
    RemoteJob,
    Request,
    Running,
    WebhookSaid,
)
from ..webhook_signatures import is_any

# Multiples of 8 up to 1536; with Alchemy up to 1024. Ours, within what is allowed.
SIZES = (
    (1536, 864),
    (864, 1536),
    (1344, 576),
    (1280, 720),
    (720, 1280),
    (1152, 864),
    (864, 1152),
    (1024, 1024),
    (1024, 576),
    (576, 1024),
    (1024, 768),
    (768, 1024),
    (896, 1120),
    (768, 768),
    (768, 576),
    (576, 768),
    (768, 432),
    (432, 768),
)
LARGE_SIDE = 768  # with a longer one no more than TAKES pictures
TAKES, TAKES_OF_SMALL = 4, 8
LONGEST_PROMPT = 1500
SEEDS = 2_147_483_638  # 0 to …637: of Flux; the others take larger ones, too
LIGHTNING, PHOENIX, LUCID = (
    "b24e16ff-06e3-43eb-8d33-4416c2d75876",
    "de7d3faf-762f-48e0-b3b7-9d0ac3a3fcf3",
    "7b592283-e8a7-4c5a-9ba6-d18c31f258b9",
)  # https://docs.leonardo.ai/docs/legacy-generation (read 2026-11)
# What a model needs: the document allows no other preset without Alchemy; the guides of the two call contrast required.
NEEDED: Mapping[str, dict[str, Any]] = {
    LIGHTNING: {"presetStyle": "NONE"},
    PHOENIX: {"contrast": 3.5},
    LUCID: {"contrast": 3.5},
}
# No price list exists. By the dearest of the old table: 66 credits of about 0.002 USD for four pictures with Alchemy.
# One picture may cost as much as four.
MOST_MICRO_A_MEGAPIXEL = 30_000
DEAR = ("alchemy", "ultra", "photoReal")
PAGE, MOST_PAGES = 50, 40  # of a listing
WINDOW_S = 60.0
DECLINED = ("content moderation", "inappropriate content")
NO_CREDIT = ("not enough api tokens", "insufficient balance", "insufficient credit", "insufficient funds")
STATES = {"PENDING": JobState.RUNNING, "COMPLETE": JobState.FINISHED, "FAILED": JobState.FAILED}


class Leonardo(Adapter):
    slug = "leonardo"
    label = "Leonardo AI"
    base_url = "https://cloud.leonardo.ai/api/rest/v1"
    key_env = "LEONARDO_API_KEY"
    capabilities = frozenset({Capability.IMAGE})
    offers = tuple(
        OfferSpec(
            capability=Capability.IMAGE,
            name=name,
            label=label,
            max_prompt=LONGEST_PROMPT,
            takes=TAKES,
            sizes=SIZES,
            tier=tier,
        )
        for name, label, tier in (
            (LIGHTNING, "Leonardo Lightning XL", "draft"),
            (PHOENIX, "Leonardo Phoenix 1.0", "standard"),
            (LUCID, "Leonardo Lucid Origin", "hero"),
        )
    )
    recovery: ClassVar = {Capability.IMAGE: Recovery.LISTABLE}
    tagged = False
    list_lag_s = 60.0  # not documented
    calls_back = True
    webhook_secret_env = "LEONARDO_WEBHOOK_KEY"
    queues_ahead = 2  # up to 200 wait there, and are made no sooner for it
    usual_s: ClassVar = {Capability.IMAGE: (5.0, 30.0)}
    least_poll_s = 3.0
    where_to_look = "https://app.leonardo.ai/ → API Access"
    output_hosts = ("cdn.leonardo.ai",)

    @classmethod
    def most_units(cls, request: Request) -> dict[str, int]:
        body = _body(request)
        micro = _most_micro(*(_number(body[name]) for name in ("width", "height", "num_images")))
        if any(body.get(name) for name in DEAR):
            micro *= 2
        return {"images": request.takes, "micro_usd": micro}

    def submit(self, request: Request) -> Accepted:
        """Without a callback_url: where Leonardo calls is part of the API key."""
        timeout_s = self.deadline_of(request.capability)
        said = self.read("POST", "/generations", json=_body(request), paid=True, timeout_s=timeout_s)
        return Accepted(external_id=said.text("sdGenerationJob", "generationId"), units=_cost(said))

    def poll(self, external_id: str) -> Running | Finished | Failed:
        job = self.read("GET", f"/generations/{external_id}").part("generations_by_pk")
        match job.text("status"):
            case "COMPLETE":
                return _judged(list(job.items("generated_images")))
            case "FAILED":
                return Failed(reason="Leonardo AI could not make it.")
            case status:
                return Running(unknown_status="" if status == "PENDING" else status)

    # -- lost answers ----------------------------------------------------------------------------

    def find(self, tag: str) -> str | None:
        raise NotImplementedError("nothing there carries our tag: list_jobs and fingerprint_of tell jobs apart")

    def list_jobs(self, since: datetime, until: datetime) -> list[RemoteJob]:
        """In which order generations are listed is not documented: pages end where the newest came first and all of
        one is older than `since`, else with an empty one."""
        user = quote(self.read("GET", "/me").text("user_details", 0, "user", "id"), safe="")
        found: dict[str, RemoteJob] = {}
        offset = 0
        for _ in range(MOST_PAGES):
            query = {"offset": offset, "limit": PAGE}
            page = self.read("GET", f"/generations/user/{user}", params=query)
            jobs = [_listed(job) for job in page.items("generations")]
            found |= {job.external_id: job for job in jobs if since <= job.created_at <= until}
            if not jobs or _is_behind(jobs, since):
                return sorted(found.values(), key=lambda job: (job.created_at, job.external_id))
            offset += len(jobs)
        raise Unknown("Leonardo AI lists more generations than can be looked through.")

    @classmethod
    def fingerprint_of(cls, request: Request) -> str:
        body = _body(request)
        return _fingerprint(str(body["prompt"]), str(body["seed"]), str(body["modelId"]))

    # -- webhooks --------------------------------------------------------------------------------

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> WebhookSaid:
        """It proves itself by the key alone, and carries both keys in clear: nothing of it goes on but id and status.

        https://docs.leonardo.ai/docs/guide-to-the-webhook-callback-feature (read 2026-11)
        """
        given = {name.lower(): value for name, value in headers.items()}.get("authorization", "")
        if not is_any([f"Bearer {secret}".encode() for secret in secrets], [given.encode()]):
            raise BadSignature("its key is wrong")
        job = json.loads(body)["data"]["object"]
        number, status = str(job["id"]), str(job["status"])
        return WebhookSaid(webhook_id=f"{number}:{status}", external_id=None if status == "PENDING" else number)

    # -- errors ----------------------------------------------------------------------------------

    def account(self) -> str:
        user = self.read("GET", "/me").part("user_details", 0)
        slots = user.whole("apiConcurrencySlots", default=0)
        return f"The key works; {slots} jobs may run at once." if slots else "The key works."

    def error_of(self, response: HttpAnswer) -> CallError:
        """By the text: the status of declined content differs between two pages of the documents."""
        said, detail, status = _error(response), response.detail, response.status_code
        if "invalid response from authorization hook" in said:  # with a 500: the key is malformed or revoked
            return Unauthorised("Leonardo AI does not accept the key.", detail=detail, http_status=status)
        if status == 429:
            return RateLimited("Leonardo AI asks us to slow down.", retry_after_s=WINDOW_S, detail=detail)
        if status < 500 and any(words in said for words in DECLINED):
            message = "Leonardo AI declined the prompt."
            return Rejected(message, moderated=True, detail=detail, http_status=status)
        if status < 500 and any(words in said for words in NO_CREDIT):
            message = "Leonardo AI says the account is out of credit."
            return OutOfCredit(message, detail=detail, http_status=status)
        return super().error_of(response)


def _body(request: Request) -> dict[str, Any]:
    """Every default that costs money is said: it would be four pictures, with Alchemy, for all to see."""
    width, height = _size(request)
    return {
        "prompt": request.prompt[:LONGEST_PROMPT],
        "modelId": request.offer,
        "num_images": min(request.takes, TAKES_OF_SMALL),
        "width": width,
        "height": height,
        "seed": request.seed % SEEDS,
        "alchemy": False,
        "public": False,
        **NEEDED.get(request.offer, {}),
        **request.own,
    }


def _size(request: Request) -> Size:
    side = LARGE_SIDE if request.takes > TAKES else 1024 if request.own.get("alchemy") else 1536
    return nearest([size for size in SIZES if max(size) <= side], request.width, request.height)


def _most_micro(width: int, height: int, images: int) -> int:
    return -(-max(images, TAKES) * width * height * MOST_MICRO_A_MEGAPIXEL // 2**20)


def _number(value: Any) -> int:
    """What an admin wrote may be anything: then it is a large number."""
    return value if type(value) is int and value > 0 else 1536


def _cost(said: Said) -> dict[str, int]:
    """{} where it is not said, or cannot be read: the job runs all the same."""
    try:
        amount = said.number("sdGenerationJob", "cost", "amount")
        unit = said.text("sdGenerationJob", "cost", "unit")
    except Unknown:
        return {}
    if unit == "DOLLARS" and amount >= 0:
        return {"micro_usd": round(amount * 1_000_000)}
    if unit == "CREDITS" and amount >= 0:
        return {"micro_usd": 0, "credits": round(amount)}
    return {}


def _judged(images: Sequence[Said]) -> Finished | Failed:
    """Fewer than were asked for may come. What is marked nsfw does not go on."""
    fine = [image for image in images if not image.flag("nsfw", default=False)]
    if images and not fine:
        return Failed(reason="Leonardo AI made it and marks it as not safe for work.", moderated=True, billed=True)
    links = [image.text("url") for image in fine]
    return Finished(outputs=tuple(Output(url=link, media_type=_media_type(link)) for link in links))


def _media_type(link: str) -> str:
    return "image/png" if link.partition("?")[0].endswith(".png") else "image/jpeg"


def _listed(job: Said) -> RemoteJob:
    images = len(list(job.items("generated_images", optional=True)))
    width, height = (job.whole(name, default=1024) for name in ("imageWidth", "imageHeight"))
    status = job.text("status")
    return RemoteJob(
        external_id=job.text("id"),
        created_at=_created_at(job),
        state=STATES.get(status, JobState.RUNNING),
        fingerprint=_fingerprint(*(job.text(name, default="") for name in ("prompt", "seed", "modelId"))),
        units={"micro_usd": _most_micro(width, height, images)},
        billed=status != "FAILED",
        capability=Capability.IMAGE,
    )


def _created_at(job: Said) -> datetime:
    """It names no time zone; it is UTC."""
    try:
        moment = datetime.fromisoformat(job.text("createdAt"))
    except ValueError as error:
        raise job.unusable("a moment of creation") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_behind(jobs: Sequence[RemoteJob], since: datetime) -> bool:
    return jobs[0].created_at >= jobs[-1].created_at and all(job.created_at < since for job in jobs)


def _fingerprint(prompt: str, seed: str, model: str) -> str:
    return json.dumps([" ".join(prompt.split()), seed, model.lower()])


def _error(response: HttpAnswer) -> str:
    """Its text in lower case."""
    said = response.said("").value
    return str(said.get("error", "") if isinstance(said, dict) else "").lower()
