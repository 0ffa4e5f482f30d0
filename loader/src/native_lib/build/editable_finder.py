"""Load native libraries before an extension module of an editable install is imported.

The build of an editable install puts this file into a package of its own, whose `.pth` file imports it.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

from ._project import ROOT  # type: ignore[import-not-found]

_is_ours: dict[str, bool] = {}
_searching: set[str] = set()


class Finder:
    """Stands before the finders that know where the package is, and asks them."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the others find. If it is an extension module, load the libraries first."""
        parent = name.rpartition(".")[0]
        if parent not in _is_ours and parent in sys.modules:
            _is_ours[parent] = _is_of_project(sys.modules[parent])
        # The finder of a project inside this one asks back.
        if not _is_ours.get(parent) or name in _searching:
            return None
        _searching.add(name)
        try:
            spec = _by_others(name, path, target)
        finally:
            _searching.discard(name)
        if spec and str(spec.origin).endswith((".so", ".pyd")):
            _load(name.partition(".")[0])
        return spec


def _is_of_project(package: ModuleType) -> bool:
    """Tell whether a package lies in the project, and not in a virtual environment that does."""
    places = [getattr(package, "__file__", None), *getattr(package, "__path__", ())]
    place = os.path.realpath(next(filter(None, places), "/"))
    below = place[len(ROOT) :] if place.startswith(ROOT + os.sep) else ""
    return bool(below) and not {"site-packages", "dist-packages"} & {*below.split(os.sep)}  # noqa: PTH206


def _by_others(
    name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if finder is not Finder and hasattr(finder, "find_spec"):
            spec = finder.find_spec(name, path, target)
            if spec:
                return spec
    return None


def _load(package: str) -> None:
    # Not when Python starts: in most processes nothing is to be loaded.
    from types import SimpleNamespace

    from . import _native_requires as told
    from ._shared_lib_consumer import load_requirements

    # Messages name the consumer.
    facts = {**vars(told), "__name__": f"{package}._native_requires"}
    load_requirements(SimpleNamespace(**facts))


def install() -> None:
    """Put the finder first, once. Python may run `.pth` files twice, and others put themselves first again."""
    if Finder in sys.meta_path:
        sys.meta_path.remove(Finder)
    sys.meta_path.insert(0, Finder)
