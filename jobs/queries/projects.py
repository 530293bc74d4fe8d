"""What the pages of projects ask for, always as far as the person may see."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Prefetch, QuerySet

from jobs.models import Membership, Project, StyleReference

Person = AbstractBaseUser | AnonymousUser


def listed(user: Person) -> QuerySet[Project]:
    """With the number of their batches and their pictures."""
    references = Prefetch("references", queryset=StyleReference.objects.order_by("pk"))
    counted = Project.objects.for_user(user).annotate(batch_count=Count("batches", distinct=True))
    return counted.prefetch_related(references)


def references_for(user: Person) -> QuerySet[StyleReference]:
    return StyleReference.objects.filter(project__in=Project.objects.for_user(user))


def memberships_for(user: Person) -> QuerySet[Membership]:
    mine = Membership.objects.filter(project__in=Project.objects.for_user(user))
    return mine.select_related("user").order_by("user__username")
