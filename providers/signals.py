"""News that goes up: who listens is nobody's business here."""

from __future__ import annotations

from django.dispatch import Signal

provider_tried = Signal()  # provider, trial: a call of try_provider that left, or may have
webhook_arrived = Signal()  # event: WebhookEvent; sent in the transaction that stores it
