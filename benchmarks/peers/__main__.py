"""python -m benchmarks.peers NAME SPEC: one peer in a process of its own; SPEC is a file. Prints one line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from .client import measured
from .jobs import JOB_PEERS
from .quotas import QUOTA_PEERS, aiolimiter_tokens

if __name__ == "__main__":
    peers = {**{f"jobs.{name}": peer for name, peer in JOB_PEERS.items()}, **QUOTA_PEERS}
    peers["aiolimiter_tokens"] = aiolimiter_tokens
    spec = json.loads(Path(sys.argv[2]).read_text())
    print(json.dumps(asyncio.run(measured(peers[sys.argv[1]], spec))))
