"""A vendor to practise on: an own process with its own books, quotas, faults and clock. Shares no code with us.

    python -m tests.simulator --port 0 --books books.sqlite --scale 60 --seed 1    prints {"url": …, "pid": …}

Each first part of a path is a vendor with settings of its own: `/instant/v1/images`, `/jobs/v1/jobs` … All settings are
in virtual seconds, which pass `scale` times as fast; what goes over the wire (Retry-After, created_at) is real time.
"""
