"""ElevenLabs: a text to a voice, at once, with the moment of every letter.

https://github.com/elevenlabs/elevenlabs-docs (its own document of 2025-08-25), where newer
https://github.com/elevenlabs/elevenlabs-python (2.78.0), and https://elevenlabs.io/docs (read 2026-11-21)
There is no idempotency key. What was made stands in the account's history, with its voice, model and text: LISTABLE.
"""

from .adapter import ElevenLabs as ElevenLabs
