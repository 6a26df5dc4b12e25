"""Keeps measured peaks from session to session, one small JSON file for each key, the key in it in clear."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress

from benchmarks.workload.cache import cache_directory
from pytest_duet.atomic import atomic_write
from pytest_duet.errors import DuetError

SCHEMA = 1


def load(key):
    """Return what :func:`save` kept under a key; None where there is nothing, or nothing that can be read.

    :param key: a dictionary of JSON values: all that the peak depends on.
    """
    try:
        kept = json.loads(_path(key).read_text())
        sound = kept["schema"] == SCHEMA and kept["key"] == key and _sound(kept["limit"])
        return kept["limit"] if sound else None
    except (OSError, DuetError, ValueError, TypeError, KeyError):
        return None


def save(key, peak):
    """Keep a peak, whole or not at all; where it cannot be written, the next session measures again."""
    with suppress(OSError, DuetError):
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, json.dumps({"schema": SCHEMA, "key": key, "limit": peak}, indent=1).encode())


def drop(key):
    """Forget what is kept under a key, if anything is."""
    with suppress(OSError, DuetError):
        _path(key).unlink()


def _path(key):
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return cache_directory() / "limits" / f"{digest[:16]}.json"


def _sound(peak):
    """Tell whether a peak has the fields that a session computes with, and numbers in them."""
    others = peak["copy_bytes_per_second"], *peak["precisions"].values()
    rates = [peak["flops_per_second"], *(rate for rate in others if rate is not None)]
    return "engines" in peak and all(map(_is_rate, rates))


def _is_rate(value):
    return type(value) in (int, float) and 0 < value < float("inf")
