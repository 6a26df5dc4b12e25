"""``python -m pytest_duet report``: look at saved runs instead of reading them."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_duet.commands.history_command import STORAGE, find, open_history
from pytest_duet.errors import DuetError

if TYPE_CHECKING:
    from pluggy import HookRelay

    from pytest_duet.report.gather import Gathered


def add_parser(commands: Any, hook: HookRelay | None = None) -> None:
    """Declare the command to argparse.

    :param commands: the parser's subparsers.
    :param hook: of the plugins that add to the report; None for the instrument's own alone.
    """
    what = "an HTML page of saved runs that works offline; figures, Markdown and CSV of the same"
    parser = commands.add_parser("report", help=what, description=what)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="a file, or a history's: a number, latest, a name")
    parser.add_argument("--history", metavar="DIR", help=f"saved runs to show the trends of (default: {STORAGE})")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the page (default: report.html)")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="write every chart there, as SVG and PNG")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a summary with trends for a pull request")
    parser.add_argument("--results-csv", type=Path, metavar="DIR", help="write tables for spreadsheets there")
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"), help="hold two runs side by side")
    parser.set_defaults(run=lambda chosen: run(chosen, hook))


def run(chosen: Namespace, hook: HookRelay | None = None) -> int:
    """Write what was asked for, the page if nothing was; print where it is, and what could not be used."""
    from pytest_duet.report import outputs as files
    from pytest_duet.report.gather import gather

    folder = Path(chosen.history or STORAGE)
    storage = folder if folder.is_dir() else None
    if storage is None and (chosen.history or not (chosen.runs or chosen.compare)):
        raise DuetError(f"There is no folder {folder} of saved runs; --history names another.")
    files.check_places(chosen.output, chosen.markdown, directories=(chosen.figures, chosen.results_csv))
    pair = [_one(run, storage) for run in chosen.compare or ()]
    named = [path for run in chosen.runs for path in _files(run, storage)] + pair
    beside = None if pair and not (chosen.output or chosen.history) else storage  # two runs need no trends
    gathered = gather(named, beside, progress=_progress)
    for name, text in gathered.remarks:
        print(f"{name}: {text}", file=sys.stderr)
    compared = _compare(gathered, *pair) if pair else None
    asked = (chosen.output, chosen.figures, chosen.markdown, chosen.results_csv, compared)
    page = chosen.output or (None if any(asked) else Path("report.html"))
    written = files.write(gathered, page, chosen.figures, chosen.markdown, chosen.results_csv, compared, hook=hook)
    for path in written:
        print(f"wrote {path}")
    return 0


def _files(run: str, storage: Path | None) -> list[Path]:
    if Path(run).is_file():
        return [Path(run)]
    if storage is None:
        raise DuetError(f"There is no file {run}.")
    history = open_history(str(storage))
    return [history.directory / name for name in find(history, [run])]


def _one(run: str, storage: Path | None) -> Path:
    paths = _files(run, storage)
    if len(paths) != 1:
        raise DuetError(f"--compare {run}: that is {len(paths)} runs; name one.")
    return paths[0]


def _compare(gathered: Gathered, a: Path, b: Path) -> dict[str, Any]:
    from pytest_duet.report.two_runs import as_text, compare

    compared = compare(gathered.at(a), gathered.at(b), gathered.metrics)
    print(as_text(compared))
    return compared


def _progress(done: int, of: int) -> None:
    """Show how far it is, where somebody watches and waits."""
    if sys.stderr.isatty() and of > 200:
        print(f"\rreading saved runs: {done:,} of {of:,}", end="" if done < of else "\n", file=sys.stderr, flush=True)
