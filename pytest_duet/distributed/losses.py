"""A machine that goes costs its own rows, and nothing else.

xdist ends the whole session, or starts another worker in its place, when one goes; and where each machine runs
everything, it waits for all to have collected before any may begin. This is for xdist 3.8, whose insides it touches.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial


def let_machines_go(dsession):
    """Have xdist's ``DSession`` go on without a machine that is lost."""
    dsession.worker_errordown = partial(_lose, dsession)


def _lose(dsession, node, error):
    """Take the place of ``DSession.worker_errordown``."""
    dsession.config.hook.pytest_testnodedown(node=node, error=error)
    scheduler = dsession.sched
    with suppress(KeyError):  # it went before it was ready
        crashed = scheduler.remove_node(node)
        if crashed:
            dsession.handle_crashitem(crashed, node)
    scheduler._removed2pending.pop(node, None)  # nobody takes over what it was to run
    dsession._active_nodes.remove(node)
    if not scheduler.collection_is_completed and node not in scheduler.node2collection:
        scheduler.numnodes -= 1
        if scheduler.node2collection and len(scheduler.node2collection) >= scheduler.numnodes:
            scheduler.collection_is_completed = True
            scheduler.schedule()
    if not dsession._active_nodes:
        dsession.shuttingdown = True
