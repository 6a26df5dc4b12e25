"""``python -m pytest_duet COMMAND``: what is done with saved runs, outside of a pytest session."""

from __future__ import annotations

import sys

from pytest_duet.commands.cli import Suite, main

if __name__ == "__main__":
    sys.exit(main(None, "python -m pytest_duet", Suite()))
