"""What goes wrong with media files and the programs that read them."""

from __future__ import annotations


class MediaError(Exception):
    """`message` is fit to show a user; `detail` (the last lines a program wrote) is for the log."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail[-2000:]


class MediaTimeout(MediaError):
    pass


class Stopped(MediaError):
    """Ended by end_all() or killed from outside; nothing is said about the file."""


class DiskFull(MediaError):
    pass


class ProgramMissing(MediaError):
    pass


class ProgramFailed(MediaError):
    """Ended with a status other than 0, mostly because of what it was given."""


class BadMedia(MediaError):
    """The file itself is at fault: damaged, cut off, or of no kind we read."""
