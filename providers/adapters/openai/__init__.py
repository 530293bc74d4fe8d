"""OpenAI: scripts, pictures, voices and moderation; and any server that speaks its protocol.

https://developers.openai.com/api/docs (OpenAPI 2.3.0 of 2026-08-21, SDK 3.52.0, read 2026-11-21). All of it answers at
once. There is no idempotency key, no listing and no reference of ours: a lost answer stays lost (BLIND), but for
moderation, which is free.
"""

from .adapter import OpenAI as OpenAI
