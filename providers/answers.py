"""Reads what a vendor answered. Whatever is missing, or not what it should be, is Unknown: a sentence, no crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .exceptions import Unknown

Step = str | int
_MISSING: Any = object()
_NOTHING: Any = object()


class Said:
    """A part of an answer. `path` leads into it: names of objects, numbers of lists. null is as good as missing.

    Without a `default` a part that is missing raises Unknown; one of the wrong type always does.
    """

    __slots__ = ("_label", "_path", "value")

    def __init__(self, label: str, value: Any, path: tuple[Step, ...] = ()) -> None:
        self._label, self.value, self._path = label, value, path

    def has(self, *path: Step) -> bool:
        return self._at(path) is not _MISSING

    def text(self, *path: Step, default: str = _NOTHING) -> str:
        """Not empty, unless the default is. A number is taken for its digits, as some vendors mix them up. A NUL is
        left out: PostgreSQL keeps none."""
        value = self._found(path, default)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        value = value.replace("\0", "") if isinstance(value, str) else value
        if not isinstance(value, str) or (not value and default is _NOTHING):
            raise self._unusable(path, "a text")
        return value

    def number(self, *path: Step, default: float = _NOTHING) -> float:
        """Also one that is written as a text; infinite ones are none."""
        value = self._found(path, default)
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        except (ValueError, OverflowError):
            number = None
        if number is None or not abs(number) < 1e15:
            raise self._unusable(path, "a number")
        return number

    def whole(self, *path: Step, default: int = _NOTHING) -> int:
        """Rounded; 0 or more, as everything is that vendors count."""
        number = self.number(*path, default=default)
        if number < 0:
            raise self._unusable(path, "a number of 0 or more")
        return round(number)

    def flag(self, *path: Step, default: bool = _NOTHING) -> bool:
        value = self._found(path, default)
        if not isinstance(value, bool):
            raise self._unusable(path, "true or false")
        return value

    def part(self, *path: Step) -> Said:
        """An object."""
        value = self._found(path, _NOTHING)
        if not isinstance(value, dict):
            raise self._unusable(path, "an object")
        return Said(self._label, value, (*self._path, *path))

    def items(self, *path: Step, optional: bool = False) -> Iterator[Said]:
        """The items of a list, whatever they are. `optional`: a missing list is an empty one."""
        value = self._found(path, [] if optional else _NOTHING)
        if not isinstance(value, list):
            raise self._unusable(path, "a list")
        return (Said(self._label, item, (*self._path, *path, number)) for number, item in enumerate(value))

    def unusable(self, wanted: str) -> Unknown:
        """To raise where a part is there and makes no sense."""
        return self._unusable((), wanted)

    def _at(self, path: tuple[Step, ...]) -> Any:
        value = self.value
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return _MISSING
        return _MISSING if value is None else value

    def _found(self, path: tuple[Step, ...], default: Any) -> Any:
        value = self._at(path)
        if value is _MISSING:
            if default is _NOTHING:
                raise self._unusable(path, "something")
            return default
        return value

    def _unusable(self, path: tuple[Step, ...], wanted: str) -> Unknown:
        place = ".".join(str(step) for step in (*self._path, *path)) or "the answer"
        shown = json.dumps(self.value, default=str)[:1500]
        return Unknown(f"{self._label} answered without {wanted} in {place}.", detail=shown)
