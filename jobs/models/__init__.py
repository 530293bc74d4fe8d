from .content import Asset, Batch, Membership, Project, Scene, StyleReference, Video
from .forecast import Forecast
from .intake import IntakeDraft
from .ledger import Budget, LedgerEntry
from .policy import Chore, ClockJump, RiskPolicy
from .review import Decision, Review
from .tally import TalliedDay, Tally
from .work import COUNTS, Attempt, BulkJob, Notice, Step, Worker

__all__ = [
    "COUNTS",
    "Asset",
    "Attempt",
    "Batch",
    "Budget",
    "BulkJob",
    "Chore",
    "ClockJump",
    "Decision",
    "Forecast",
    "IntakeDraft",
    "LedgerEntry",
    "Membership",
    "Notice",
    "Project",
    "Review",
    "RiskPolicy",
    "Scene",
    "Step",
    "StyleReference",
    "TalliedDay",
    "Tally",
    "Video",
    "Worker",
]
