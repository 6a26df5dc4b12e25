"""Where a process's code lies: at the same addresses in every run, or at random ones."""

# Every worker reads this before it starts anew: it imports next to nothing.

from __future__ import annotations

NO_RANDOMIZE = 0x0040000  # Linux's ADDR_NO_RANDOMIZE


def has_fixed_layout(personality: object = "/proc/self/personality") -> bool | None:
    """Tell whether this process's addresses are the same in every run; None where nobody can tell."""
    try:
        with open(str(personality)) as file:
            return bool(int(file.read(), 16) & NO_RANDOMIZE)
    except (OSError, ValueError):
        return None
