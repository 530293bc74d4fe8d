"""Names that are given to what goes to a vendor, so that it can be found there again."""

from __future__ import annotations

import secrets
import time
import uuid


def new_tag() -> str:
    """UUID version 7 (RFC 9562), 32 hexadecimal digits.

    Those of one moment stand together in an index. Random ones would write to a page of their own each, and a step
    among 50,000 would cost a third more than one among 1,000.
    """
    milliseconds, chance = time.time_ns() // 1_000_000, secrets.randbits(74)
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | chance >> 62 << 64 | 2 << 62 | chance & (1 << 62) - 1).hex
