"""Has a worker import a project's code from the working tree of another revision, and its tests from today's.

Whatever would come from the project's own folder comes from the same place in that tree, however it got on the path: by
``pip install -e``, ``src/``, ``pythonpath`` in the settings or the folder of a ``conftest.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_duet.plugin.items.settings import Settings


def use_revision(settings: Settings) -> RevisionFinder:
    """Look there first, from now on."""
    assert settings.revision
    tests = [Path(each) for each in settings.tests]
    finder = RevisionFinder(Path(settings.project), Path(settings.revision.tree), tests, settings.revision.name)
    sys.meta_path.insert(0, finder)
    return finder


class RevisionFinder:
    """What Python asks for every module, before all others that it asks.

    :param project: the folder of the repository; ``tree`` is that of the revision.
    :param tests: folders, and files, of today's tests.
    :param name: of the revision, for messages.
    """

    def __init__(self, project: Path, tree: Path, tests: Sequence[Path], name: str) -> None:
        self._project, self._tree, self._tests, self._name = project.resolve(), tree.resolve(), tests, name
        self._ours: dict[str, bool] = {}  # of folders: whether they lie in either

    def come_first(self) -> None:
        """Be asked before pytest's own finder, which has put itself before all others and knows of no revision."""
        sys.meta_path.remove(self)
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return where a module is to be loaded from; None where the others may say so."""
        # A part of somebody else's package: to look for it twice would be part of what its import takes.
        if path is not None and not any(map(self._is_ours, map(str, path))):
            return None
        found = self._others(name, path, target)
        if found is None or not (found.origin or found.submodule_search_locations):
            return None
        if not found.has_location or not found.origin:  # a namespace package: folders alone
            folders = list(map(str, found.submodule_search_locations or ()))
            moved = [str(self._moved(Path(folder), name)) for folder in folders]
            if moved == folders:
                return None
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = moved
            return spec
        origin = Path(found.origin)
        moved_to = self._moved(origin, name)
        if moved_to == origin:
            return None if self._is_ours(str(origin.parent)) else found  # what was found need not be looked for again
        if self._is_test(moved_to):  # whose assertions pytest rewrites
            for finder in sys.meta_path:
                if type(finder).__name__ == "AssertionRewritingHook":
                    rewritten: ModuleSpec | None = finder.find_spec(name, [str(moved_to.parent)])
                    if rewritten is not None:
                        return rewritten
        inside = [str(moved_to.parent)] if found.submodule_search_locations is not None else None
        return spec_from_file_location(name, moved_to, submodule_search_locations=inside)

    def _is_ours(self, folder: str) -> bool:
        if folder not in self._ours:
            real = Path(folder).resolve()
            inside = any(each == real or each in real.parents for each in (self._project, self._tree))
            self._ours[folder] = inside and "site-packages" not in real.parts  # an environment in the project's folder
        return self._ours[folder]

    def _others(self, name: str, path: Any, target: Any) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None or type(finder).__name__ == "AssertionRewritingHook":
                continue
            found: ModuleSpec | None = find(name, path, target)
            if found is not None:
                return found
        return None

    def _moved(self, file: Path, name: str) -> Path:
        """Return where a file or folder is to come from: the tree for the project's code, the project for its tests."""
        real = file.resolve()
        if self._tree in real.parents:
            today = self._project / real.relative_to(self._tree)
            return today if self._is_test(today) and today.exists() else file
        if self._project not in real.parents or self._is_test(real) or "site-packages" in real.parts:
            return file
        then = self._tree / real.relative_to(self._project)
        if not then.exists():
            raise ModuleNotFoundError(f"{name} is not in {self._name}: there is no {real.relative_to(self._project)}")
        return then

    def _is_test(self, file: Path) -> bool:
        return file.name == "conftest.py" or any(kept == file or kept in file.parents for kept in self._tests)
