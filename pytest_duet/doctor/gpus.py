"""The GPUs and what can be learnt of them: rows, and the reason where there is nothing to be learnt."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_duet.doctor.row import BROKEN, OK, WARNING, Row
from pytest_duet.sensors import gpu
from pytest_duet.sensors.gpu import POWER_CAP, cuda_text
from pytest_duet.sensors.gpu_holders import Held

GIB = 2**30
DEVICE_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")  # the last is WSL's
NO_MODULE = "ImportError"
NO_LIBRARY = "NVMLError_LibraryNotFound"
AMISS = {  # what kept NVML from answering, by its exception: what that means, and what to do
    NO_MODULE: ("the Python package nvidia-ml-py is not installed", "`pip install nvidia-ml-py`"),
    NO_LIBRARY: (
        "NVML's library is not found (libnvidia-ml.so.1, part of the driver)",
        "install the NVIDIA driver; in a container, start it with --gpus all and NVIDIA_DRIVER_CAPABILITIES=all",
    ),
    "NVMLError_DriverNotLoaded": (
        "the driver's kernel module is not loaded",
        "`sudo modprobe nvidia`, then read `dmesg`; in a container, start it with --gpus all",
    ),
    "NVMLError_LibRmVersionMismatch": (
        "the driver was updated while it was loaded: its library and its kernel module are of two versions",
        "reboot the machine",
    ),
    "NVMLError_NoPermission": (
        "this user may not use the GPU",
        "join the group that owns /dev/nvidia* (often `video`), or mend the container's device permissions",
    ),
    "NVMLError_GpuIsLost": ("a GPU has fallen off the bus", "reboot the machine; if it happens again, the card is bad"),
}
Card = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """What NVML says of this machine.

    :param amiss: the name of the exception that kept it from saying anything, and its text; None where it answers.
    :param cards: for each GPU its fingerprint, its health, ``clock_mhz``, ``throttle_reasons``, ``used_bytes``,
        ``holders`` (:meth:`pytest_duet.sensors.gpu.Gpu.holders`) and ``visible``, whether CUDA_VISIBLE_DEVICES leaves
        it to be seen.
    :param device_file: whether the kernel offers an NVIDIA GPU to this process.
    :param hidden: whether CUDA_VISIBLE_DEVICES hides all GPUs; each is then judged all the same.
    """

    amiss: tuple[str, str] | None = None
    cards: tuple[Card, ...] = ()
    device_file: bool = False
    hidden: bool = False


def look() -> Look:
    device_file = any(Path(name).exists() for name in DEVICE_FILES)
    try:
        every = gpu.all_gpus()
        visible = {one.card_uuid() for one in gpu.visible_gpus()}
        cards = tuple(_card(one, visible) for one in every)
    except ImportError as error:
        return Look((NO_MODULE, str(error)), device_file=device_file)
    except Exception as error:  # NVML has a class for each of its some thirty errors, and this is where they are told
        return Look((type(error).__name__, str(error)), device_file=device_file)
    return Look(cards=cards, device_file=device_file, hidden=bool(cards) and not visible)


def _card(one: gpu.Gpu, visible: set[str | None]) -> Card:
    return {
        "visible": one.uuid() in visible,  # where NVML tells no UUIDs, all are None, and alike
        **one.fingerprint(),
        **one.health(),
        "clock_mhz": one.clock_mhz(),
        "throttle_reasons": one.throttle_reasons(),
        "used_bytes": one.used_bytes(),
        "holders": one.holders(),
        "mps_servers": one.mps_servers(),
    }


def rows(look: Look, device: str = "auto") -> list[Row]:
    """Return the :class:`Row` of NVML where it is amiss, else those of each GPU.

    :param device: where a GPU is asked for (``"gpu"``), its absence is broken.
    """
    if look.amiss:
        return [_amiss(*look.amiss, look.device_file, device)]
    if not look.cards:
        what = "update the driver, or look for the card with `lspci -d 10de:`"
        return [Row("GPU", BROKEN if device == "gpu" else WARNING, "the driver is there and sees no GPU", what)]
    found = []
    for number, card in enumerate(look.cards):
        found += _of_card(f"GPU {number}", card, elsewhere=not (card["visible"] or look.hidden))
    if look.hidden:
        text = "CUDA_VISIBLE_DEVICES hides all GPUs"
        found.append(Row("GPU", BROKEN if device == "gpu" else WARNING, text, "unset it, unless that is meant"))
    return found


def _amiss(name: str, text: str, device_file: bool, device: str) -> Row:
    found, what = AMISS.get(name, (f"NVML does not answer: {text or name}", "run `nvidia-smi` and read what it says"))
    if name in (NO_MODULE, NO_LIBRARY) and not device_file:
        if device == "gpu":
            return Row("GPU", BROKEN, f"no NVIDIA GPU is to be seen: {found}", what)
        return Row("GPU", OK, f"none ({found}): everything runs on the CPU")
    if device_file or device == "gpu":
        return Row("GPU", BROKEN, f"{found}; the GPU's memory, clocks and other users are unknown", what)
    return Row("GPU", WARNING, found, what)


def _of_card(subject: str, card: Card, elsewhere: bool) -> list[Row]:
    if elsewhere:
        return [Row(subject, OK, f"{_describe(card)}; CUDA_VISIBLE_DEVICES hides it")]
    return [Row(subject, OK, _describe(card)), *(Row(subject, *trouble) for trouble in _troubles(card))]


def _describe(card: Card) -> str:
    driver_cuda, power = card["driver_cuda"], card["power_limit_milliwatts"]
    known = {
        "{}": card["name"],
        "{:.0f} GiB": card["memory_bytes"] and card["memory_bytes"] / GIB,
        "driver {}": card["driver"],
        "knows CUDA {}": driver_cuda and cuda_text(driver_cuda),
        "SM clock now {} MHz": card["clock_mhz"],
        "at most {} MHz": card["max_sm_clock_mhz"],
        "power cap {:.0f} W": power and power / 1000,
        "{} °C": card["temperature_celsius"],
        "ECC {}": _on_or_off(card["ecc"]),
        "MIG {}": _on_or_off(card["mig"]),
    }
    return ", ".join(form.format(value) for form, value in known.items() if value is not None)


def _on_or_off(value: bool | None) -> str | None:
    return None if value is None else "on" if value else "off"


def _troubles(card: Card) -> Iterator[tuple[str, str, str]]:
    """Yield the state, what was found and what to do, for each thing that makes a card's figures doubtful."""
    reasons = [reason for reason in card["throttle_reasons"] or () if reason != POWER_CAP]
    if reasons:
        what = "let it cool, and look at fans and power supply"
        yield WARNING, f"its clocks are down now: {', '.join(reasons)}", what
    others = ", ".join(str(pid) for pid in sorted(card["holders"] or ()) if pid != os.getpid())
    if others:
        held = "" if card["used_bytes"] is None else f" ({card['used_bytes'] / GIB:.1f} GiB in use)"
        what = f"wait for them or end them (`ps -fp {others.replace(' ', '')}`), or choose another GPU"
        yield WARNING, f"other processes compute on it: {others}{held}", what
    if card["mps_servers"]:
        servers = ", ".join(map(str, card["mps_servers"]))
        what = "as long as nobody else computes through it, it takes nothing; `nvidia-cuda-mps-control` ends it"
        yield WARNING, f"an MPS server, process {servers}, lets others share it", what
    limit, default = card["power_limit_milliwatts"], card["power_default_milliwatts"]
    if limit is not None and default is not None and limit < default:
        what = f"`sudo nvidia-smi -pl {default // 1000}`, or compare only with runs under the same cap"
        yield WARNING, f"its power is capped at {limit / 1000:.0f} W, by default {default / 1000:.0f} W", what
    errors = card["uncorrected_memory_errors"]
    if errors:
        what = "reboot; if they come back, replace it"
        yield BROKEN, f"{errors} uncorrected memory errors since the last reboot", what
    if card["mig"]:
        what = "name the instance by its UUID (`nvidia-smi -L`) in CUDA_VISIBLE_DEVICES"
        what += ", and compare with the same size alone"
        yield WARNING, "it is cut into MIG instances, each a smaller GPU, and its energy cannot be told", what


def memory_by_process(looks: Iterable[Held | None]) -> list[Row]:
    """Return the row that says whether NVML shows what each process holds here; none where nobody held a GPU.

    :param looks: one for each process that was examined; None where it held no GPU.
    """
    held = [look for look in looks if look is not None]
    if not held:
        return []
    if any(look.process_bytes is not None for look in held):
        return [Row("GPU memory", OK, "NVML shows what each process holds")]
    what = "start the container with --pid=host; until then the device's rise in memory stands in for the process's"
    return [Row("GPU memory", WARNING, f"NVML does not show what a process holds: {held[0].hidden}", what)]
