"""What a bisection has asked so far, kept in a file after every answer: who is killed goes on from there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pytest_duet.atomic import atomic_write
from pytest_duet.errors import DuetError
from pytest_duet.record.comparison import Comparison, Verdict

SCHEMA = 1


@dataclass(frozen=True)
class Probe:
    """One session.

    :param new: the name of the revision on the new side; ``old`` is the other one's.
    :param seconds: that the session took.
    :param comparison: what the gate said; None where nothing could be measured.
    :param unit: of its metric.
    :param why: nothing could be measured, in words.
    """

    new: str
    old: str
    seconds: float
    comparison: Comparison | None = None
    unit: str = ""
    why: str = ""


@dataclass
class Journal:
    """The sessions of one question, in their order.

    :param question: what was asked; another question has another journal.
    """

    path: Path
    question: dict[str, Any]
    probes: list[Probe] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, question: dict[str, Any]) -> Journal:
        """Return the journal of a question, with what there is in its file.

        :raises DuetError: where that file is damaged.
        """
        digest = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:12]
        journal = cls(folder / f"bisect-{digest}.json", question)
        if not journal.path.exists():
            return journal
        try:
            kept = json.loads(journal.path.read_bytes())
            journal.probes = [_probe(plain) for plain in kept["probes"]]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DuetError(
                f"{journal.path} is damaged ({error}), and it has what this bisection asked before. Remove it to begin "
                "anew."
            ) from None
        return journal

    def add(self, probe: Probe) -> None:
        """Keep a session, in the file, too."""
        self.probes.append(probe)
        kept = {"schema": SCHEMA, "question": self.question, "probes": [asdict(each) for each in self.probes]}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(self.path, json.dumps(kept, indent=2).encode() + b"\n")

    def find(self, new: str, old: str) -> Probe | None:
        """Return the session of two revisions, if there was one."""
        return next((each for each in self.probes if (each.new, each.old) == (new, old)), None)


def _probe(plain: dict[str, Any]) -> Probe:
    found = plain["comparison"]
    comparison = Comparison(**{**found, "verdict": Verdict(found["verdict"])}) if found else None
    return Probe(**{**plain, "comparison": comparison})
