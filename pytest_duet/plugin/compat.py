"""Every private touch of pytest-benchmark, pytest-xdist and pytest, in one place.

``tests/instrument/test_compat.py`` fails where one of them changes what is relied on here. What subclasses
pytest-benchmark's file storage stands in :mod:`pytest_duet.plugin.recording`, and what takes the place of its measuring
in :mod:`pytest_duet.plugin.items.fixture`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

# The oldest and the newest series of each package that all tests here have passed with.
TESTED = {"pytest-benchmark": ((5, 2), (5, 3)), "pytest-xdist": ((3, 8), (3, 8))}


def untested(version: Callable[[str], str] = metadata.version) -> list[str]:
    """Return a sentence for each package that is installed in a version which these touches were not tested with."""
    found = []
    for package, (oldest, newest) in TESTED.items():
        try:
            text = version(package)
        except metadata.PackageNotFoundError:
            continue
        series = re.match(r"(\d+)\.(\d+)", text)
        if not series or not oldest <= (int(series[1]), int(series[2])) <= newest:
            first, last = (".".join(map(str, bound)) for bound in (oldest, newest))
            tested = f"{first} to {last}" if first != last else first
            found.append(
                f"{package} {text} is none of the versions that pytest-duet was tested with ({tested}), and it relies "
                f"on parts of it that may change. If something looks odd, install one of those."
            )
    return found


# pytest-benchmark: its session


def _session(config: pytest.Config) -> Any:
    """Return pytest-benchmark's session, to which it has no public way."""
    return config._benchmarksession  # type: ignore[attr-defined]


def keep_enabled(config: pytest.Config) -> None:
    """Let pytest-benchmark measure in this session, as if there were no xdist: every worker has its own cores."""
    session = _session(config)
    session.disabled = is_disabled(config)
    session.xdist_warning = False


def is_disabled(config: pytest.Config) -> bool:
    """Tell whether pytest-benchmark was asked to measure nothing; the settings may ask, and the command line revoke."""
    return bool(config.getoption("benchmark_disable") and not config.getoption("benchmark_enable"))


def write_no_files(config: pytest.Config) -> None:
    """Switch off what would write files or print tables; before pytest-benchmark reads its options."""
    for option in ("autosave", "compare", "histogram", "json", "save"):
        setattr(config.option, f"benchmark_{option}", None)
    config.option.benchmark_compare_fail = []


def replace_storage(config: pytest.Config, make: Callable[[Any], Any]) -> bool:
    """Have runs saved through what ``make`` makes of the storage; return False where they are not kept in files."""
    from pytest_benchmark.storage.file import FileStorage

    session = _session(config)
    if not isinstance(session.storage, FileStorage):
        return False
    session.storage = make(session.storage)
    return True


def replace_json_writer(config: pytest.Config, write: Callable[[Path, dict[str, Any]], bool]) -> None:
    """Have ``--benchmark-json`` written by ``write``, which is given its path and what belongs into it.

    :param write: tells whether it could.
    """
    session = _session(config)

    def save_json(output_json: dict[str, Any]) -> None:
        if write(Path(session.json), output_json):
            session.logger.info(f"Wrote benchmark data in: {session.json}", purple=True)

    session.save_json = save_json


def storage_folder(config: pytest.Config) -> Path | None:
    """Return the folder where runs are saved; None where they are not kept in files."""
    folder = getattr(_session(config).storage, "path", None)
    return Path(folder) if folder else None


def save_always(config: pytest.Config) -> None:
    """Have this session saved, whether its user asked for that or not."""
    from pytest_benchmark.utils import get_tag

    session = _session(config)
    if not session.disabled:
        session.autosave = session.autosave or get_tag()  # type: ignore[no-untyped-call]


def machine_info(config: pytest.Config) -> dict[str, Any]:
    """Return what is saved of the machine; it takes a second."""
    return dict(_session(config).get_machine_info())


def sound_records(config: pytest.Config) -> list[Any]:
    """Return pytest-benchmark's records of this session's benchmarks, those that failed left out."""
    return [record for record in _session(config).benchmarks if not record.has_error]


def as_saved(config: pytest.Config, records: list[Any]) -> dict[str, Any]:
    """Return a session's run as pytest-benchmark would save it, were it asked to."""
    hook, machine = config.hook, machine_info(config)
    commit = hook.pytest_benchmark_generate_commit_info(config=config)
    hook.pytest_benchmark_update_commit_info(config=config, commit_info=commit)
    found: dict[str, Any] = hook.pytest_benchmark_generate_json(
        config=config, benchmarks=records, include_data=True, machine_info=machine, commit_info=commit
    )
    hook.pytest_benchmark_update_json(config=config, benchmarks=records, output_json=found)
    return found


def save_without_records(config: pytest.Config) -> None:
    """Save a run that has no benchmark, which pytest-benchmark would not; nothing where it measures nothing or has."""
    session = _session(config)
    if session.benchmarks or session.disabled:
        return
    run = as_saved(config, [])
    if session.json:
        session.save_json(run)
    session.storage.save(run, session.save or session.autosave)


def json_file(config: pytest.Config) -> str | None:
    """Return the file of ``--benchmark-json``."""
    found = _session(config).json
    return str(found.name if _is_open(found) else found) if found else None


def _is_open(json: Any) -> bool:
    """Tell whether it is a file and not a path, as in pytest-benchmark 5.2."""
    return hasattr(json, "write")


def save_records(config: pytest.Config, records: list[Any], folder: str | None, json: str | None) -> None:
    """Save records that were measured elsewhere as the run of a machine; nothing where there is none.

    :param folder: of the storage, named as pytest-benchmark names a machine's; None for this machine's.
    :param json: a file for the run as well.
    """
    from pytest_benchmark.session import BenchmarkSession

    session = _session(config)
    session.storage.default_machine_id = folder or session.machine_id
    session.benchmarks = records
    if records:
        if json:  # which pytest-benchmark closes
            session.json = open(json, "wb") if _is_open(session.json) else json  # noqa: SIM115
        BenchmarkSession.handle_saving(session)  # type: ignore[no-untyped-call]


def only_show(config: pytest.Config, records: list[Any]) -> None:
    """Let pytest-benchmark show these records, and save nothing any more."""
    session = _session(config)
    session.json = session.save = session.autosave = None
    session.benchmarks = records


# pytest-benchmark: one benchmark


def rename(benchmark: Any, old: str, new: str) -> None:
    """Give a ``benchmark`` fixture another parameter id, by which it is shown, saved and compared."""
    benchmark.param = new
    for name in ("name", "fullname"):
        setattr(benchmark, name, getattr(benchmark, name).replace(f"[{old}]", f"[{new}]"))


def record_as_json(item: pytest.Item) -> dict[str, Any] | None:
    """Return the record of a test that has run, without its ``extra_info``; None where it was not timed."""
    stats = item.funcargs["benchmark"].stats  # type: ignore[attr-defined]
    return dict(stats.as_dict(), extra_info=None) if stats else None


def record_from_json(plain: dict[str, Any], extra_info: dict[str, Any]) -> Any:
    """Return the record of which :func:`record_as_json` told."""
    from pytest_benchmark.stats import Metadata

    fixture = SimpleNamespace(**dict(plain, extra_info=extra_info), cprofile_stats=None, has_error=False)
    record: Any = Metadata(fixture, plain["stats"]["iterations"], plain["options"])  # type: ignore[no-untyped-call]
    for seconds in plain["stats"]["data"]:
        record.stats.update(seconds)
    return record


def add_record(config: pytest.Config, record: Any) -> None:
    """Have pytest-benchmark show and save a record that a worker measured."""
    _session(config).benchmarks.append(record)


# pytest-xdist


def worker_specs(config: pytest.Config) -> list[Any]:
    """Return execnet's ``XSpec`` of every worker that ``--tx`` and ``-n`` ask for."""
    from execnet import XSpec
    from xdist.workermanage import parse_tx_spec_config

    return list(map(XSpec, parse_tx_spec_config(config)))


def forget_workers(config: pytest.Config, reachable: Iterable[bool]) -> None:
    """Let xdist wait only for those workers that can be reached; it counts them by ``--tx``."""
    config.option.tx = [tx for tx, there in zip(config.option.tx, reachable) if there]


def send_along(config: pytest.Config, words: Iterable[str], leave_out: str) -> None:
    """Have xdist copy the root folder to the other machines, and give their workers this command line.

    :param leave_out: a pattern of what stays here.
    """
    config.invocation_params = replace(config.invocation_params, args=tuple(words))
    config.option.rsyncdir = [*config.getoption("rsyncdir"), str(config.rootpath)]
    config.option.rsyncignore = [*config.getoption("rsyncignore"), leave_out]


def was_stopped_by_xdist(error: KeyboardInterrupt) -> bool:
    """Tell whether xdist ended the session, because of ``-x`` or a worker, and no person."""
    from xdist.dsession import Interrupted

    return isinstance(error, Interrupted)


def let_machines_go(config: pytest.Config) -> None:
    """Have a machine that is lost cost its own rows, and nothing else.

    xdist ends the whole session, or starts another worker in its place, when one goes; and where each machine runs
    everything, it waits for all to have collected before any may begin.
    """
    session: Any = config.pluginmanager.get_plugin("dsession")
    session.worker_errordown = partial(_lose, session)


def _lose(session: Any, node: Any, error: object) -> None:
    """Take the place of ``DSession.worker_errordown`` of xdist 3.8."""
    session.config.hook.pytest_testnodedown(node=node, error=error)
    scheduler = session.sched
    with suppress(KeyError):  # it went before it was ready
        crashed = scheduler.remove_node(node)
        if crashed:
            session.handle_crashitem(crashed, node)
    scheduler._removed2pending.pop(node, None)  # nobody takes over what it was to run
    session._active_nodes.remove(node)
    if not scheduler.collection_is_completed and node not in scheduler.node2collection:
        scheduler.numnodes -= 1
        if scheduler.node2collection and len(scheduler.node2collection) >= scheduler.numnodes:
            scheduler.collection_is_completed = True
            scheduler.schedule()
    if not session._active_nodes:
        session.shuttingdown = True


# pytest


def room_behind_line(terminal: pytest.TerminalReporter) -> int:
    """Return how many characters fit behind what pytest has written on the current line."""
    return width(terminal) - width_of_line(terminal)


def width_of_line(terminal: pytest.TerminalReporter) -> int:
    """Return how many characters pytest has written on the current line."""
    return int(terminal._tw.width_of_current_line)


def width(terminal: pytest.TerminalReporter) -> int:
    """Return how many characters a line has."""
    return int(terminal._tw.fullwidth)


def write_unseen(terminal: pytest.TerminalReporter, text: str) -> None:
    """Write control characters and what they frame to the terminal, without pytest's counting them."""
    file = terminal._tw._file
    file.write(text)
    file.flush()


def skip_as_item(text: str) -> NoReturn:
    """Skip the running test; pytest is to name the test's own place, not this one."""
    raise pytest.skip.Exception(text, _use_item_location=True)


def without_timeout(item: pytest.Item) -> None:
    """Keep pytest-timeout away from a test that waits for its turns; how long it may hang is ours to say."""
    if item.config.pluginmanager.has_plugin("timeout"):
        item.add_marker(pytest.mark.timeout(0), append=False)


def tear_down(session: pytest.Session, up_to: pytest.Item | None = None) -> None:
    """Have the fixtures end that no test wants any more: all, or those that this one does not share."""
    session._setupstate.teardown_exact(up_to)


def count_test(session: pytest.Session) -> None:
    """Let a session count one test more than it has collected."""
    session.testscollected += 1
