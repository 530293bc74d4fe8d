"""The first start makes three people and a sample project. Passwords are printed once and kept nowhere."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

from jobs.models import Membership, Project, StyleReference
from providers import downloads, registry
from providers.media import sandbox
from providers.models import Offer, Provider
from providers.types import Capability, Finished, Request
from qc.models import Profile

PEOPLE = ("admin", "producer", "reviewer")  # user and group have the same name
TOPICS = settings.BASE_DIR / "docs" / "topics.csv"
STYLE = "paper-cut shapes, soft light, calm colours"
REFERENCES = (
    "Hills at sunrise, paper-cut shapes, soft light",
    "A lighthouse by the sea, paper-cut shapes, soft light",
    "A city at dusk, paper-cut shapes, soft light",
)
REFERENCE_SIZE = (1280, 720)
DEFAULTS = {
    "moderation": True,
    "scenes": 4,
    "seconds": 20,
    # Planted, so that review has something true to show; a person's new try cures them.
    "flaws": {"2:image:1": "blank", "4:voiceover:2": "silence"},
}


def welcome() -> list[str]:
    """What to tell the person who started it; nothing but the first time."""
    with transaction.atomic():
        if User.objects.exists():
            return []
        passwords = {name: _make_user(name) for name in PEOPLE}
        project = _make_project(User.objects.all())
    problem = _draw_references(project)
    lines = ["", "First start. Sign in with one of these; they are shown only now:", ""]
    lines += [f"    {name:<10} {password}" for name, password in passwords.items()]
    lines += ["", f"The project “{project.name}” is ready for the sample topics in {TOPICS}", ""]
    return lines + ([problem] if problem else [])


def _make_user(name: str) -> str:
    password = secrets.token_urlsafe(12)
    is_admin = name == "admin"
    user = User.objects.create_user(username=name, password=password, is_staff=is_admin, is_superuser=is_admin)
    user.groups.add(Group.objects.get(name=name))
    return password


def _make_project(members: Iterable[User]) -> Project:
    profile = Profile.objects.order_by("pk").first() or Profile.objects.create(name="default")
    project = Project.objects.create(
        name="Sample: bright ideas", slug="sample", profile=profile, style=STYLE, is_sample=True, defaults=DEFAULTS
    )
    Membership.objects.bulk_create(Membership(project=project, user=user) for user in members)
    return project


def _draw_references(project: Project) -> str:
    """A project without pictures works too, so a problem is only told."""
    offer = Offer.objects.filter(capability=Capability.IMAGE, provider__slug__in=_local()).select_related("provider")
    if (first := offer.order_by("pk").first()) is None:
        return "Nobody here draws pictures, so the sample project has no style references."
    try:
        with ThreadPoolExecutor(len(REFERENCES)) as threads:
            stored = list(threads.map(lambda prompt: _draw(first, prompt), REFERENCES))
    except Exception as error:  # whatever an adapter raises: the sample's pictures are no reason not to start
        return f"The sample project has no style references: {getattr(error, 'message', '') or error}"
    width, height = REFERENCE_SIZE
    StyleReference.objects.bulk_create(
        StyleReference(project=project, name=file.name, sha256=file.sha256, width=width, height=height)
        for file in {file.sha256: file for file in stored}.values()
    )
    return ""


def _local() -> list[str]:
    slugs = Provider.objects.filter(enabled=True).values_list("slug", flat=True)
    return [slug for slug in slugs if registry.get(slug).local]


def _draw(offer: Offer, prompt: str) -> downloads.StoredFile:
    width, height = REFERENCE_SIZE
    with tempfile.TemporaryDirectory(dir=settings.WORK_ROOT) as folder:
        adapter = registry.get(offer.provider.slug)(workdir=Path(folder))
        answer = adapter.submit(
            Request(
                capability=Capability.IMAGE,
                offer=offer.name,
                prompt=prompt,
                width=width,
                height=height,
                seed=REFERENCES.index(prompt) + 1,
            )
        )
        if not isinstance(answer, Finished):
            raise sandbox.MediaError(f"{adapter.label} gave no picture.")
        return downloads.store(
            answer.outputs[0],
            media_root=Path(settings.MEDIA_ROOT),
            adapter_host_allow=(),
            base_url="",
            allow_loopback=False,
            min_free_bytes=settings.MIN_FREE_BYTES,
        )
