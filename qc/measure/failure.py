"""What a failed measurement says about the file, and what it does not."""

from __future__ import annotations

from providers.media.sandbox import DiskFull, MediaError, ProgramMissing, Stopped


def sentence_of(error: MediaError) -> str:
    """The sentence for the file. Raises again what is no fault of the file: it would be judged wrongly for good."""
    if isinstance(error, ProgramMissing | Stopped | DiskFull):
        raise error
    return error.message
