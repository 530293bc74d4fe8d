"""Rows of a made-up installation, written directly: a vendor with its quotas, a batch, steps that are ready."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from jobs.models import Batch, Project, Step, Video
from jobs.routing import CAPABILITY_OF
from jobs.settings_types import BatchSettings
from providers.models import Lane, Offer, Price, Provider, Quota
from qc.models import Profile


def a_vendor(
    slug: str, capability: str, *, quotas: Iterable[Mapping[str, Any]] = (), micro: int = 1000, **lane: Any
) -> Lane:
    """A provider with one lane, one offer, a price, and quotas that hold for all it does."""
    provider = Provider.objects.create(slug=slug, label=slug)
    for quota in quotas:
        Quota.objects.create(provider=provider, **quota)
    Offer.objects.create(provider=provider, capability=capability, name="sim-1", label="Sim 1")
    Price.objects.create(provider=provider, capability=capability, micro=micro)
    return Lane.objects.create(provider=provider, capability=capability, **lane)


def a_project() -> Project:
    profile = Profile.objects.get_or_create(name="default")[0]
    return Project.objects.get_or_create(slug="bench", defaults={"name": "Bench", "profile": profile})[0]


def a_batch() -> Batch:
    settings, token = BatchSettings().as_json(), uuid.uuid4().hex
    return Batch.objects.create(project=a_project(), name="Bench", settings=settings, strategy="pipelined", token=token)


def ready_steps(batch: Batch, lane: Lane, stage: str, wants: Iterable[Mapping[str, Any]]) -> None:
    """One step for each of the wants, each of a video of its own, in this order."""
    assert CAPABILITY_OF[stage] == lane.capability
    now, start = datetime.now(UTC), Video.objects.filter(batch=batch).count() + 1
    offer = Offer.objects.get(provider=lane.provider_id, capability=lane.capability)
    wants = list(wants)
    videos = Video.objects.bulk_create(
        [
            Video(batch=batch, position=start + n, topic=f"Topic {start + n}", state="running", started_at=now)
            for n in range(len(wants))
        ],
        batch_size=500,
    )
    Step.objects.bulk_create(
        [
            Step(
                batch=batch,
                video=video,
                stage=stage,
                wanted=f"{video.pk:064x}",
                want={"stage": stage, "prompt": video.topic, "language": "en", "seed": video.position, **want},
                lane=lane,
                provider_id=lane.provider_id,
                offer=offer,
                rank=video.position,
                not_before=now,
            )
            for video, want in zip(videos, wants, strict=True)
        ],
        batch_size=500,
    )
