"""``python -m pytest_duet history merge``: the shards of a run become a run; runs from elsewhere join the history."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from pytest_duet.errors import DuetError
from pytest_duet.record.merging import Joined, Source, alike, ambiguous, join
from pytest_duet.record.saved_run import Run, read_run
from pytest_duet.record.shard import FOLDER, RUN_ID, check_run_id
from pytest_duet.record.storage import NUMBERED, as_bytes, platform_folder, save_once

# pytest-benchmark's name for a system and its Python; it becomes a folder.
PLATFORM = re.compile(r"\w+-\w+-\d+\.\d+-\d+bit")
MOST_SHARDS = 10**6


def add_action(actions: Any, storage: str) -> None:
    """Declare the action to argparse; ``storage`` is the default folder."""
    what = "make runs of shards, and take runs from elsewhere; exit code 1 if anything is missing or damaged"
    action = actions.add_parser("merge", help=what, description=what)
    action.add_argument(
        "sources", nargs="*", metavar="SOURCE", help=f"files, or folders of them (default: {FOLDER} in the storage)"
    )
    action.add_argument("--storage", default=storage, metavar="DIR", help=f"where they go (default: {storage})")
    action.add_argument("--run-id", metavar="ID", help="merge only the shards of this run")
    action.set_defaults(run=merge)


def merge(chosen: argparse.Namespace) -> int:
    """Merge, and print what came from where; return 1 if anything is missing or damaged."""
    storage = Path(chosen.storage.removeprefix("file://"))
    if chosen.run_id is not None:
        check_run_id(chosen.run_id)
    own = storage / FOLDER / (chosen.run_id or "")
    places = [Path(source.removeprefix("file://")) for source in chosen.sources] or [own]
    shards, whole, damaged = _read(places, chosen.run_id)
    unclear = ambiguous(shards)
    shards = [source for source in shards if source.shard.run not in unclear]
    damaged += unclear.values()
    for line in damaged:
        print(line)
    if not (shards or whole or damaged):
        what = f"shard of run {chosen.run_id}" if chosen.run_id else "saved run"
        raise DuetError(f"There is no {what} in {', '.join(map(str, places))}.")
    joined = join(shards)
    for run in joined:
        _keep_joined(run, storage)
    for _, source, folder in sorted(whole):
        name = source.stem.partition("_")[2] if NUMBERED.fullmatch(source.name) else source.name.removesuffix(".json")
        path, new = save_once(storage / folder, source.read_bytes(), name)
        print(f"{source.name}: {'copied to' if new else 'is there already,'} {_below(storage, path)}")
    return 1 if damaged or any(run.missing for run in joined) else 0


def _keep_joined(run: Joined, storage: Path) -> None:
    """Save a run of shards, and say what it has and has not."""
    less: list[Path] = []  # the same run, merged before some of its shards were there

    def has_all(path: Path) -> bool:
        missing = _missing_there(path, run)
        less.extend([path] if missing else [])
        return missing == ()

    path, new = save_once(storage / run.folder, as_bytes(run.data), run.run, has_all)
    numbers = {source.shard.number for source in run.sources}
    hosts, count = ", ".join(run.data["merged"]["nodes"]), len(run.data["benchmarks"])
    state = f"{'merged to' if new else 'is there already,'} {_below(storage, path)}"
    print(f"{run.run}: {state}: {count} benchmarks of {len(numbers)} of {run.of} shards, from {hosts}")
    before = [f"{_below(storage, old)} has less of this run; reject it if somebody accepted it." for old in less]
    for remark in run.remarks + (before if new else _late(path, run)):
        print(f"  {remark}")
    for benchmark, number in run.missing.items():
        print(f"  missing: {benchmark}, of shard {number}/{run.of}")


def _missing_there(path: Path, run: Joined) -> tuple[str, ...] | None:
    """Return what a file that holds the same run misses; None where it holds another.

    One that is complete stays the only one: a shard that comes late must not make the run count twice.
    """
    if not path.name.endswith(f"_{run.run}.json"):
        return None
    try:
        there = Source(read_run(path.parent, path.name), run.folder)
    except DuetError:
        return None
    merged = there.run.merged
    if merged and merged.run == run.run and alike(there, Source(Run.from_json("", run.data), run.folder)):
        return merged.missing
    return None


def _late(path: Path, run: Joined) -> list[str]:
    """Return a sentence for each shard that a run which is there already was merged without."""
    there = read_run(path.parent, path.name).merged
    late = [source.run.name for source in run.sources if there and source.run.name not in there.shards]
    return [f"{name} came when the run was complete, and is left out; a new run has a new run id." for name in late]


def _below(storage: Path, path: Path) -> Path:
    return path.resolve().relative_to(storage.resolve())


def _read(places: Iterable[Path], run_id: str | None) -> tuple[list[Source], list[tuple[str, Path, str]], list[str]]:
    """Return what the files hold, each content once: shards, whole runs, and a line for each that cannot be read.

    Of whole runs, ``[(date, path, folder), ...]``: there may be thousands.

    :param run_id: whose shards to take, and nothing else; None for all.
    """
    shards: list[Source] = []
    whole: list[tuple[str, Path, str]] = []
    damaged: list[str] = []
    seen: set[bytes] = set()
    for path in _files(places):
        try:
            digest = sha256(path.read_bytes()).digest()
            if digest not in seen:
                seen.add(digest)
                source = _source(path)
                if not source.run.shard:
                    whole += [(source.run.when, path, source.folder)] if run_id is None else []
                elif run_id in (None, source.shard.run):
                    shards.append(source)
        except DuetError as error:
            damaged.append(str(error))
        except OSError as error:
            damaged.append(f"{path} cannot be read: {error}.")
    return shards, whole, damaged


def _files(places: Iterable[Path]) -> list[Path]:
    """Return the paths of the runs in files and folders, in order; a DuetError for a place that is not there."""
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            files += sorted(path for path in place.rglob("*.json") if NUMBERED.fullmatch(path.name))
        elif place.is_file():
            files.append(place)
        else:
            others = sorted(path.name for path in place.parent.glob("*/") if place.parent.name == FOLDER)
            there = f" Run ids there: {', '.join(others)}." if others else ""
            raise DuetError(f"{place}: there is no such file or folder of saved runs.{there}")
    return list(dict.fromkeys(path.absolute() for path in files))


def _source(path: Path) -> Source:
    run = read_run(path.parent, path.name)
    shard = run.shard
    if shard and not (RUN_ID.fullmatch(shard.run) and 1 <= shard.number <= shard.of < MOST_SHARDS):
        raise DuetError(f"{path} is damaged: shard {shard.number}/{shard.of} of run {shard.run!r:.120}.")
    folder = path.parent.name
    if not PLATFORM.fullmatch(folder):
        folder = platform_folder(run.data.get("machine_info") or {})
    if not PLATFORM.fullmatch(folder):
        raise DuetError(f"{path} is damaged: it does not say which Python it ran under.")
    return Source(run, folder)
