"""Have Python open providers' libraries when it starts, before anything else brings a copy."""

from __future__ import annotations

import importlib.util
import re
import site
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from native_lib.names import import_name
from native_lib.providers import installed_providers
from native_lib.vendor import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

_PREFIX = "native_lib_preload_"


class PreloadError(Exception):
    """The files cannot be written or removed; the message says why."""


def added(providers: Iterable[str]) -> list[Change]:
    """Return the files that open providers' libraries when this Python starts.

    Args:
        providers: distributions that are installed in this environment.

    Raises:
        ProvidersError: one is not installed, or is not a provider.
        PreloadError: one was not made here, and has no loader.
    """
    there = preloads()
    found = []
    for provider in providers:
        folder, name = _folder_for(provider), _PREFIX + _package(provider)
        if _package(provider) in there:
            folder = there[_package(provider)].parent
        # From Python 3.15 on (PEP 829); the `import` lines of .pth files will be ignored one day.
        start, call = ".pth", f"import {name}; {name}.preload()\n"
        if sys.version_info >= (3, 15):
            start, call = ".start", f"{name}:preload\n"
        module = Path(__file__).with_name("at_start.py").read_bytes()
        found += [Change(folder / f"{name}.py", module)]
        found += [Change(folder / f"{name}{start}", call.encode())]
    return found


def removed(providers: Iterable[str]) -> list[Change]:
    """Return the files that must go so that providers' libraries are not opened any more.

    Args:
        providers: distributions; they need not be installed any more.

    Raises:
        PreloadError: one has no distribution's name.
    """
    names = [_PREFIX + _package(provider) for provider in providers]
    found = []
    for module in (folder / f"{name}.py" for folder in _site_folders() for name in names):
        cached = Path(importlib.util.cache_from_source(str(module)))
        # What calls the module goes first: Python complains about a call without a module.
        files = [module.with_suffix(".start"), module.with_suffix(".pth"), module, cached]
        found += [Change(file, None) for file in files]
    return found


def preloads() -> dict[str, Path]:
    """Return what has a provider's libraries opened when this Python starts, by its import name."""
    files = [
        file
        for folder in _site_folders()
        for suffix in (".pth", ".start")
        for file in sorted(folder.glob(f"{_PREFIX}*{suffix}"))
    ]
    return {file.stem[len(_PREFIX) :]: file for file in files}


def _package(provider: str) -> str:
    name = import_name(provider)
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise PreloadError(f"{provider!r} is not the name of a distribution")
    return name


def _folder_for(provider: str) -> Path:
    """Return where Python looks when it starts: the user's folder, if the provider is there."""
    found = installed_providers([provider])[0]
    if found.is_known:
        raise PreloadError(
            f"{provider} was not made with native-lib, and has no loader that could be called at start"
        )
    root = found.folder.parent.resolve()
    users = [folder for folder in _users_folder() if folder.resolve() == root]
    return users[0] if users else Path(sysconfig.get_path("purelib"))


def _site_folders() -> list[Path]:
    """Return the folders in which Python looks for .pth and .start files, each once."""
    folders = [*map(Path, site.getsitepackages()), *_users_folder()]
    # Fedora's virtual environments have lib and lib64, which are the same folder.
    return list({folder.resolve(): folder for folder in reversed(folders)}.values())


def _users_folder() -> list[Path]:
    return [Path(site.getusersitepackages())] if site.ENABLE_USER_SITE else []
