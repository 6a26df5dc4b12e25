"""What a session becomes: one that judges its own benchmarks, a worker of another, or the controller of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_duet.errors import DuetError
from pytest_duet.plugin import compat
from pytest_duet.plugin.hookspecs import Needs

if TYPE_CHECKING:
    from pytest_duet.plugin.gate import Gate
    from pytest_duet.workers.slots import Slot

# Keys of ``config.stash``, where fixtures and hooks find what a session keeps.
GATE: pytest.StashKey[Gate] = pytest.StashKey()  # in every session that runs benchmarks, its workers included
SLOT: pytest.StashKey[Slot | None] = pytest.StashKey()  # this pytest's share of the machine, where others have the rest

INNER: pytest.StashKey[bool] = pytest.StashKey()  # in a worker's session, whose tests are measured for another one

WORKER_INPUT = "duet"  # what a worker of ours is given, in xdist's ``workerinput``
# Each of these options asks for this plugin.
OPTIONS = ("gate", "against", "new", "shard", "run_id", "report", "cores_per_worker", "trials", "lock_clocks")


def is_wanted(config: pytest.Config) -> bool:
    """Tell whether a session asks for this plugin: by an option, by a suite's word, or as a worker of one that does."""
    if config.stash.get(INNER, False):
        return False
    if WORKER_INPUT in getattr(config, "workerinput", ()):
        return True
    given = [config.getoption(f"duet_{name}") for name in OPTIONS]
    return any(value not in (None, False) for value in given) or any(config.hook.pytest_duet_wanted(config=config))


def needs_of(config: pytest.Config) -> Needs:
    """Return what the session's benchmarks need; the defaults where no suite says so."""
    return config.hook.pytest_duet_needs(config=config) or Needs()


def start(config: pytest.Config) -> None:
    """Register what a session needs that asks for this plugin.

    :raises DuetError: where what it asks for cannot be.
    """
    check_path(config)
    from pytest_duet.distributed.plan import is_distributed, own_slot
    from pytest_duet.plugin.machine_lock import WaitsForTheMachine

    is_worker, slot = own_slot(config)
    config.stash[SLOT] = slot
    if slot:
        slot.take()
    if mhz := config.getoption("duet_lock_clocks"):
        from pytest_duet.plugin.clocks import HoldsClocks

        config.pluginmanager.register(HoldsClocks(config, mhz), "duet-clocks")  # below, so after the wait
    config.pluginmanager.register(WaitsForTheMachine(config, needs_of(config).device), "duet-lock")
    if is_worker:
        _start_worker(config)
    elif is_distributed(config):
        from pytest_duet.distributed.controller import Controller

        config.pluginmanager.register(Controller(config, _make_gate(config).options), "duet-controller")
    else:
        _start_alone(config)
    if not is_worker:
        config.pluginmanager.register(SessionCheckup(needs_of(config).device), "duet-checkup")


def check_path(config: pytest.Config) -> None:
    """Raise a DuetError where pytest has taken the other side's folder for one of tests, and its settings from there.

    It looks for its settings before it knows which options there are: what follows one is a path of tests to it.
    """
    words, against = config.invocation_params.args, config.getoption("duet_against")
    apart = {"--against", "--duet-against"} & set(map(str, words))
    if apart and not config.getoption("file_or_dir") and (config.invocation_params.dir / against).exists():
        raise DuetError(
            f"{apart.pop()} {against}: pytest takes this path for a folder of tests when it looks for its settings, "
            f"and misses yours. Write --against={against}, or name the folder of your tests before it."
        )


def start_late(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Do so for a session of which only its collected tests tell that it measures something."""
    from pytest_duet.plugin.recording import use_safe_storage

    config.stash[SLOT] = None
    gate = _make_gate(config)
    config.pluginmanager.register(gate, "duet-gate")
    use_safe_storage(config, must_save=False)
    gate.take_on(items)


def _start_alone(config: pytest.Config) -> None:
    from pytest_duet.record.shard import read_shard

    gate = _make_gate(config)
    shard = read_shard(config.getoption("duet_shard"), config.getoption("duet_run_id"))
    if shard:  # before the gate, which judges what the cut leaves
        from pytest_duet.plugin.shard_session import ShardSession

        config.pluginmanager.register(ShardSession(config, shard), "duet-shard")
    config.pluginmanager.register(gate, "duet-gate")
    _isolate(config)
    if config.getoption("duet_report"):
        from pytest_duet.plugin.session_report import SessionReport

        config.pluginmanager.register(SessionReport(config, config.getoption("duet_report")), "duet-report")


def _start_worker(config: pytest.Config) -> None:
    from pytest_duet.distributed.worker_side import WorkerSide

    compat.write_no_files(config)  # nor print tables: the controller alone has all the rows
    config.option.duet_gate_json = config.option.duet_report = None
    config.pluginmanager.register(WorkerSide(config, _make_gate(config)), "duet-worker")
    _isolate(config)


def _isolate(config: pytest.Config) -> None:
    """Have tests that call ``benchmark`` run in workers, where the session judges or repeats them."""
    trials, judged = config.getoption("duet_trials"), config.getoption("duet_gate") or config.getoption("duet_against")
    as_ever = compat.is_disabled(config) or config.getoption("benchmark_skip") or config.getoption("usepdb")
    if as_ever or not (judged or trials):
        return
    from pytest_duet.plugin.items.isolated import TRIALS, IsolatedItems

    config.pluginmanager.register(IsolatedItems(config, trials or TRIALS), "duet-items")
    if config.pluginmanager.has_plugin("_cov"):
        config.stash[GATE].cautions.append("--cov sees nothing of tests that call `benchmark`: they run in workers.")


def _make_gate(config: pytest.Config) -> Gate:
    """Return the session's gate, put where fixtures find it; what is saved has its fields from now on."""
    from pytest_duet.plugin.gate import Gate
    from pytest_duet.plugin.gate_options import read_options
    from pytest_duet.plugin.recording import Recording

    if not config.pluginmanager.has_plugin("benchmark"):
        raise DuetError("pytest-benchmark is switched off (-p no:benchmark), and so nothing can be timed or saved.")
    gate = config.stash[GATE] = Gate(read_options(config), config)
    config.pluginmanager.register(Recording(config), "duet-recording")
    return gate


class SessionCheckup:
    """The check-up before a session: a line in pytest's header for whatever spoils results here; none with ``-q``.

    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``: where the benchmarks compute.
    """

    def __init__(self, device: str) -> None:
        self.device = device

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        """Return a line for each thing that is amiss; none where nothing is."""
        try:
            return self._lines(config.getoption("benchmark_storage"), config.hook)
        except Exception as error:  # a check-up is there to help: whatever it meets, the session goes on
            return [f"check-up failed: {type(error).__name__}: {' '.join(str(error).split())}"]

    def _lines(self, storage: str, hook: Any) -> list[str]:
        from pytest_duet.doctor import cheap

        folder = storage.removeprefix("file://")
        rows = cheap(None if "://" in folder else folder, self.device, hook)
        found = [f"check-up, {row.subject}: {row.found}. To do: {row.advice}" for row in rows]
        return found + [f"check-up, versions: {sentence}" for sentence in compat.untested()]
