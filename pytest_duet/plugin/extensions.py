"""The hooks outside of a pytest session: a command asks the same extensions as a session does.

pytest is not imported here: a command is to answer before pytest would be there.
"""

from __future__ import annotations

from typing import Any

import pluggy

PROJECT = "pytest"  # so that functions marked by ``pytest.hookimpl`` are found as well
PREFIX = "pytest_duet_"
hookimpl = pluggy.HookimplMarker(PROJECT)


class _Extensions(pluggy.PluginManager):
    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """Take the functions of this plugin's hooks alone, marked or not: a module may hold pytest's, too."""
        if not name.startswith(PREFIX):
            return None
        return super().parse_hookimpl_opts(plugin, name) or {}


def manager(*plugins: object) -> pluggy.PluginManager:
    """Return a manager whose ``hook`` calls :mod:`pytest_duet.plugin.hookspecs` on modules or objects.

    :raises pluggy.PluginValidationError: where one of them has a function that fits no hook.
    """
    from pytest_duet.plugin import hookspecs

    made = _Extensions(PROJECT)
    made.add_hookspecs(hookspecs)
    for plugin in plugins:
        made.register(plugin)
    made.check_pending()
    return made
