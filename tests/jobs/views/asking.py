"""What a test asks of a page, and what that said."""

from __future__ import annotations

from django.urls import reverse


def page(client, batch, **query):
    answer = client.get(reverse("batch_detail", args=[batch.pk]), query)
    assert answer.status_code == 200
    return answer


def said(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]
