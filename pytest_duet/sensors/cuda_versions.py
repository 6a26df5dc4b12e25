"""NVIDIA's version numbers as text."""

from __future__ import annotations


def cuda_text(number: int) -> str:
    """Return CUDA's version, such as 12080 for 12.8, as text."""
    return f"{number // 1000}.{number % 1000 // 10}"


def cudnn_text(number: int) -> str:
    """Return cuDNN's version as text: 91002 is 9.10.2, and 8902, before release 9, is 8.9.2 (cudnn_version.h)."""
    major, rest = divmod(number, 10_000) if number >= 90_000 else divmod(number, 1_000)
    return f"{major}.{rest // 100}.{rest % 100}"
