"""Other machines over ssh: can they be reached, do they stay, and have they the suite's code?"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from benchmarks.distributed.plan import specifications

# Unless told otherwise, ssh waits for minutes for a machine that is off, and for hours for one that has lost its power.
PATIENCE_SECONDS = {("connecttimeout", "none"): 20, ("serveraliveinterval", "0"): 15}
ANSWER_SECONDS = 60


def prepare(spec):
    """Make ssh notice when the machine goes, and return why it cannot be reached; ``""`` if it can.

    :param spec: execnet's :class:`XSpec` of the machine; its ssh arguments are changed.
    """
    if not spec.ssh:
        return ""
    *given, host = spec.ssh.split()
    ssh = ["ssh", *(["-F", str(spec.ssh_config)] if spec.ssh_config else [])]
    try:
        settings = [tuple(line.split(" ", 1)) for line in _run([*ssh, *given, "-G", host]).stdout.splitlines()]
        given += [f"-o{setting[0]}={PATIENCE_SECONDS[setting]}" for setting in settings if setting in PATIENCE_SECONDS]
        spec.ssh = " ".join([*given, host])
        command = f"{spec.python or 'python'} -c 'import pytest_benchmark, xdist'"
        done = _run([*ssh, *given, "-oBatchMode=yes", host, command])
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"ssh {host} failed ({error})"
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return f"ssh {host} said: {said}. Its Python is named by --tx ssh={host}//python=PATH"


def _run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, stdin=subprocess.DEVNULL)


def send_suite_along(config):
    """Have xdist copy this repository to the other machines, and make the paths on the command line fit for that."""
    if all(spec.popen for spec in specifications(config)):
        return
    given = config.invocation_params
    config.invocation_params = replace(given, args=[_absolute(argument, given.dir) for argument in given.args])
    config.option.rsyncdir = [*config.getoption("rsyncdir"), str(config.rootpath)]
    config.option.rsyncignore = [*config.getoption("rsyncignore"), "results"]


def _absolute(argument, directory):
    """Return an argument; as an absolute path where it names one, for xdist finds no other in what it copies."""
    path, colons, test = str(argument).partition("::")
    if path.startswith("-") or not (Path(directory) / path).exists():
        return str(argument)
    return f"{(Path(directory) / path).resolve()}{colons}{test}"
