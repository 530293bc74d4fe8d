"""The site's secret key: made once, kept in the data folder, readable by its owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def load_or_create(path: Path) -> str:
    """The key in `path`; made when there is none. Two processes that start at once agree on one."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)  # fails when another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_text().strip()
