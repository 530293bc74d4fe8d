"""What can go wrong with a call, named after what happens next.

CallError
├── RateLimited     the lane pauses; not a failure of the step
├── NotSent         provably nothing left this machine: back off, send again
│   └── HeldBack    we kept it back ourselves, which says nothing about the vendor: ready at once, or when it may go
├── Unknown         no clear answer to a paid submit: reconcile first
├── Rejected        bad request or declined content: to a person
├── Unauthorised    the account: the provider pauses, admins are told
└── OutOfCredit     the account: the provider pauses, admins are told
"""

from __future__ import annotations


class BadSignature(Exception):
    """A webhook that its vendor did not send, or not just now. The reason is for the log, not for the sender."""


class CallError(Exception):
    """`message` is fit to show a user; `detail` (status, start of the body) is for the log. Keys are in neither."""

    def __init__(self, message: str, *, detail: str = "", http_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail[:2000]
        self.http_status = http_status


class RateLimited(CallError):
    def __init__(
        self, message: str, *, retry_after_s: float | None = None, detail: str = "", http_status: int | None = 429
    ) -> None:
        super().__init__(message, detail=detail, http_status=http_status)
        self.retry_after_s = retry_after_s


class NotSent(CallError):
    pass


class HeldBack(NotSent):
    """`again_in_s`: where it is known, how long it has to wait before another try can go out."""

    def __init__(self, message: str, *, again_in_s: float = 0.0) -> None:
        super().__init__(message)
        self.again_in_s = again_in_s


class Unknown(CallError):
    pass


class Rejected(CallError):
    def __init__(
        self, message: str, *, moderated: bool = False, detail: str = "", http_status: int | None = None
    ) -> None:
        super().__init__(message, detail=detail, http_status=http_status)
        self.moderated = moderated


class Unauthorised(CallError):
    pass


class OutOfCredit(CallError):
    pass
