"""What an examination's findings mean: rows, the framework's own first, one more for each further trouble."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

from benchmarks.doctor.advice import REINSTALL, advise
from pytest_duet.doctor.row import BROKEN, MISSING, OK, WARNING, Row
from pytest_duet.sensors.gpu import cuda_text

# Float32 products of these sizes are within 5e-7 of float64's here; TF32 keeps 10 bits of a factor (some 3e-4),
# bfloat16 7 (some 2e-3).
FP32_ERROR = 1e-5
LOW_PRECISION_ERROR = 1e-2


def rows(found, asked=False, device="auto", gpu=None):
    """Return the :class:`Row` list of one framework.

    :param found: :class:`benchmarks.doctor.examine.Findings`.
    :param asked: whether somebody named this framework: then its absence is broken, not missing.
    :param device: as the framework was told, ``"auto"``, ``"cpu"`` or ``"gpu"``.
    :param gpu: the fingerprint of the GPU that NVML sees here, or None.
    """
    if found.failure and found.failure.kind != "failed":
        return [_absent(found, BROKEN if asked and found.failure.kind == "missing" else MISSING)]
    troubles = [*_troubles(found, device, gpu)]
    summary = summarize(found)
    if not troubles:
        return [Row(found.name, OK, summary)]
    worst, *others = sorted(troubles, key=lambda row: -row.rank)
    return [replace(worst, found="; ".join(filter(None, [worst.found, summary]))), *others]


def _absent(found, state):
    advice = ""
    if found.failure.kind == "missing":
        packages = " ".join(dict.fromkeys(name.partition(".")[0] for name in found.requires))
        advice = f"`tox run --notest -e {found.home}`" if found.home else f"`pip install {packages}`"
    return Row(found.name, state, found.failure.text, advice)


def _troubles(found, device, gpu):
    if found.failure and not _unseen_gpu(found, device, gpu):  # which says the same, and why
        what = advise(found.failure, found.executable, (found.requires or (None,))[0])
        yield Row(found.name, BROKEN, found.failure.text, what, found.failure.detail)
    for look in (_cudnn, _unseen_gpu, _product, _parity, _copies, _flags):
        text = look(found, device, gpu)
        if text:
            yield Row(found.name, *text)


def _cudnn(found, device, gpu):
    """A cuDNN may be newer by a minor release than the one compiled with, not older, and not of another major one.

    So says cuDNN's own "API compatibility", and so PyTorch and JAX refuse to run.
    """
    built = _numbers(found.about.get("cudnn"))
    for library in found.libraries:
        loaded = _numbers(library["version"])
        if library["name"] != "libcudnn" or not built or not loaded:
            continue
        if built[0] != loaded[0] or loaded[:2] < built[: len(loaded[:2])]:
            what = "unset LD_LIBRARY_PATH" if "site-packages" not in library["path"] else REINSTALL
            return (
                BROKEN,
                f"loaded cuDNN {library['version']} ({library['path']}), compiled with {found.about['cudnn']}",
                f"{what}; cuDNN {built[0]}.{built[1] if len(built) > 1 else 0} or a newer {built[0]}.x is needed",
            )
    return None


def _unseen_gpu(found, device, gpu):
    unseen = found.device == "cpu" or (found.failure and found.failure.cause == "no GPU")
    if gpu is None or device == "cpu" or found.about.get("cpu_only") or not unseen:
        return None
    cuda, driver = found.about.get("cuda"), gpu["driver_cuda"]
    why = f" ({first_line(found.about['no_gpu_because'])})" if found.about.get("no_gpu_because") else ""
    text = f"sees no GPU, and NVML sees {gpu['name']}{why}"
    if "cuda" in found.about and cuda is None:
        return BROKEN, f"{text}: a build without CUDA", "install its CUDA build: `tox -e gpu`, or requirements-gpu.txt"
    if cuda and driver and _numbers(cuda)[0] > driver // 1000:
        text += f": built for CUDA {cuda}, and driver {gpu['driver']} knows CUDA up to {cuda_text(driver)}"
        return BROKEN, text, f"update the driver, or install a build for CUDA {driver // 1000}"
    return BROKEN, text, "unset CUDA_VISIBLE_DEVICES and JAX_PLATFORMS; else install its build for this machine's CUDA"


def _product(found, device, gpu):
    if found.product is None:
        return None
    error, where = found.product["relative_error"], found.device
    distrust = f"do not trust this build on {where}: {REINSTALL}"
    if error is None:
        return BROKEN, f"a matrix product on {where} is not finite", distrust
    if error > LOW_PRECISION_ERROR:
        return BROKEN, f"a matrix product on {where} is wrong: relative error {error:.1e}", distrust
    if error > FP32_ERROR:
        text = f"float32 is not float32 on {where}: a product's relative error is {error:.1e}, as TF32's or bfloat16's"
        return BROKEN, text, "unset what lowers its precision (NVIDIA_TF32_OVERRIDE, JAX_*, XLA_FLAGS, DNNL_*)"
    return None


def _parity(found, device, gpu):
    if found.parity is None:
        return None
    return BROKEN, first_line(found.parity), "read CONTRIBUTING.md on parity: the trainer computes something else"


def _copies(found, device, gpu):
    paths = defaultdict(set)
    for library in found.libraries:
        paths[library["name"]].add(library["path"])
    double = {name: sorted(places) for name, places in paths.items() if len(places) > 1}
    if not double:
        return None
    text = "; ".join(f"{name} is loaded twice: {' and '.join(places)}" for name, places in sorted(double.items()))
    return WARNING, text, "keep one: unset LD_LIBRARY_PATH, or uninstall the package that brings the other"


def _flags(found, device, gpu):
    flags = found.about.get("xla_flags")
    return (WARNING, f"XLA_FLAGS are set: {flags}", "unset them, unless they are what you measure") if flags else None


def summarize(found):
    """Return in one line what a framework is and does here."""
    return ", ".join(filter(None, [*_imported(found), *_built(found), *_proven(found)]))


def _imported(found):
    if not found.imported:
        return
    seconds = found.imported["import_seconds"]
    yield from (f"{name} {version}" for name, version in found.imported["versions"].items() if version != "unknown")
    yield f"{found.environment}, Python {found.imported['python']}" if found.environment else ""
    yield "" if seconds is None or seconds < 0.005 else f"imports in {seconds:.1f} s"  # NumPy was there already


def _built(found):
    about = found.about
    if "cuda" in about:
        cudnn = f" and cuDNN {about['cudnn']}" if about.get("cudnn") else ""
        yield f"for CUDA {about['cuda']}{cudnn}" if about["cuda"] else "CPU build"
    if about.get("devices"):
        yield f"sees {' and '.join(dict.fromkeys(about['devices']))}"
    if about.get("tf32_by_default"):
        yield "TF32 by default (off here)"


def _proven(found):
    if found.product and found.product["relative_error"] is not None:
        yield f"product within {found.product['relative_error']:.0e}"
    if found.device and not found.parity:
        yield f"trains on {found.device}"


def libraries(findings):
    """Return ``(library, version, path, frameworks)`` of all that the frameworks loaded, each once, by name."""
    users = defaultdict(list)
    for found in findings:
        for library in found.libraries if found.imported else ():
            users[library["name"], library["version"] or "?", library["path"]].append(found.name)
    return [(*key, ", ".join(names)) for key, names in sorted(users.items())]


def first_line(text):
    return (text or "").strip().partition("\n")[0]


def _numbers(version):
    return [int(number) for number in re.findall(r"\d+", version or "")]
