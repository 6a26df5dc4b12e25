"""Reading JSON that others wrote, or somebody cut: what is not there, or is no such thing, is unknown."""

from __future__ import annotations

from typing import Any

LARGEST = 2**63  # the page's JSON holds none beyond; a comparison with NaN is false


class Record:
    """A JSON object, asked by paths of keys.

    :param data: whatever stands there; anything but an object has no keys.
    """

    __slots__ = ("data",)

    def __init__(self, data: Any):
        self.data: dict[str, Any] = data if isinstance(data, dict) else {}

    def get(self, *path: str) -> Any:
        """Return what stands at a path, whatever it is; None if nothing does."""
        value: Any = self.data
        for key in path:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    def number(self, *path: str) -> float | None:
        """Return a finite number, or None."""
        return number(self.get(*path))

    def positive(self, *path: str) -> float | None:
        """Return a number above 0, as times are, or None."""
        found = self.number(*path)
        return found if found is not None and found > 0 else None

    def text(self, *path: str) -> str:
        """Return a text, ``""`` if there is none."""
        value = self.get(*path)
        return value if isinstance(value, str) else ""

    def record(self, *path: str) -> Record:
        """Return the :class:`Record` at a path, an empty one if there is none."""
        return Record(self.get(*path))

    def records(self, *path: str) -> list[Record]:
        """Return the list of :class:`Record` at a path; what is no object in it is left out."""
        value = self.get(*path)
        return [Record(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else []

    def __bool__(self) -> bool:
        return bool(self.data)


def number(value: Any) -> float | None:
    """Return a finite number, or None; what is beyond all that is measured here is no figure."""
    sound = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST
    return value if sound else None
