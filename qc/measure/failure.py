"""What a failed measurement says about the file, and what it does not."""

from __future__ import annotations

from providers.media.errors import BadMedia, MediaError, MediaTimeout, ProgramFailed


def sentence_of(error: MediaError) -> str:
    """The sentence for the file. Raises again what is no fault of it, a missing program, a full disk, our own stop:

    a verdict is kept for good.
    """
    if isinstance(error, ProgramFailed):
        return "The file is damaged and cannot be read to its end."
    if isinstance(error, BadMedia | MediaTimeout):
        return error.message
    raise error
