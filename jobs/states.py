"""The states of a step and the allowed moves. Pure; jobs/engine/rows.py is where the engine makes them."""

from __future__ import annotations

from django.db import models


class State(models.TextChoices):
    READY = "ready", "Ready"
    CLAIMED = "claimed", "Sending"
    RUNNING = "running", "At the provider"
    FETCHING = "fetching", "Fetching"
    CHECKING = "checking", "Checking"
    UNKNOWN = "unknown", "Answer lost"
    ATTENTION = "attention", "Needs a person"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


class Reason(models.TextChoices):
    """Why a step is in ATTENTION."""

    DECISION = "decision", "A lost answer: nobody can know whether it was made"
    REJECTED = "rejected", "The provider refused the request"
    CONTENT = "content", "The provider declined the content"
    FAILED = "failed", "It failed every time"
    POISON = "poison", "It ended the process that worked on it, twice"


MOVES: dict[State, frozenset[State]] = {
    State.READY: frozenset({State.CLAIMED, State.CANCELLED}),
    State.CLAIMED: frozenset(
        {
            State.READY,  # not sent, rate limited, a definite failure with tries left
            State.RUNNING,  # accepted
            State.FETCHING,  # answered at once with links
            State.CHECKING,  # answered at once, the file is stored
            State.DONE,  # answered at once, there is no file
            State.CANCELLED,  # it was cancelled while the call was out; what it cost is booked
            State.UNKNOWN,
            State.ATTENTION,
        }
    ),
    State.RUNNING: frozenset(
        {State.FETCHING, State.CHECKING, State.DONE, State.READY, State.ATTENTION, State.CANCELLED}
    ),
    State.FETCHING: frozenset({State.CHECKING, State.READY, State.ATTENTION, State.CANCELLED}),
    State.CHECKING: frozenset({State.DONE, State.FETCHING, State.READY, State.ATTENTION, State.CANCELLED}),
    State.UNKNOWN: frozenset({State.RUNNING, State.READY, State.ATTENTION, State.CANCELLED}),
    State.ATTENTION: frozenset(  # what was paid for goes on where it stood: at the vendor, fetched, checked, looked for
        {State.READY, State.RUNNING, State.FETCHING, State.CHECKING, State.UNKNOWN, State.CANCELLED}
    ),
    State.DONE: frozenset(),
    State.CANCELLED: frozenset(),
}
TERMINAL = frozenset({State.DONE, State.CANCELLED})
OWNED = frozenset({State.CLAIMED, State.FETCHING, State.CHECKING})
IN_FLIGHT = frozenset({State.CLAIMED, State.RUNNING, State.FETCHING, State.CHECKING})
OPEN = frozenset(State) - TERMINAL
MOST_CRASHES = 2  # deaths of the process that worked on a step, then a person looks at it
POISON_SAYS = "The process that worked on it ended twice. Look at its input, then try again or cancel it."


class Stage(models.TextChoices):
    """A kind of work. The order is the order of the road; gates and ranks count in it."""

    TOPIC_MODERATION = "topic_moderation", "Topic moderation"
    SCRIPT = "script", "Script"
    TEXT_MODERATION = "text_moderation", "Text moderation"
    VOICEOVER = "voiceover", "Voiceover"
    IMAGE = "image", "Image"
    CLIP = "clip", "Clip"
    RENDER = "render", "Render"


STAGE_NUMBER: dict[str, int] = {stage.value: number for number, stage in enumerate(Stage, start=1)}


class Verdict(models.TextChoices):
    """What is thought of an asset."""

    UNCHECKED = "unchecked", "Not checked yet"
    PASSED = "passed", "Passed its checks"
    FAILED = "failed", "Failed its checks"
    FLAGGED = "flagged", "Waits for a reviewer"
    APPROVED = "approved", "Approved"
    SENT_BACK = "sent_back", "Sent back"


USABLE = frozenset({Verdict.PASSED, Verdict.APPROVED})
