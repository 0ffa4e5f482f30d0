"""Folders laid out as build systems expect one, made of links to what providers have."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import sysconfig
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Union

from native_lib.paths import is_file, is_folder, is_there
from native_lib.support.shared_lib_fixes import pip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from native_lib.providers import InstalledLibrary, InstalledProvider

# Says that a folder is a prefix, and of what; so it may be replaced.
MARKER = "native-lib-prefix.json"
# Not all users of Windows may make symbolic links there.
_COPIES = sys.platform == "win32"
_CONFIG_FILES = (
    "*Config.cmake",
    "*-config.cmake",
    "*ConfigVersion.cmake",
    "*-config-version.cmake",
)
# By path below the prefix: the file or folder to link to, or a file's text.
_Plan = dict[str, Union[Path, str]]


class PrefixError(Exception):
    """A prefix cannot be made; the message says why."""


def make_prefix(out: Path, providers: Sequence[InstalledProvider]) -> None:
    """Make a prefix, or bring an earlier one up to date; one that is right is left alone.

    Args:
        out: where; a folder that is empty, or an earlier prefix.
        providers: what `installed_providers` returns.

    Raises:
        PrefixError: something else is there, two providers have a file of the same name, a
            provider lacks a file, or the folder cannot be written.
    """
    with _os_errors():
        _write(out.resolve(), _plan(providers))


def cached_prefix(providers: Sequence[InstalledProvider]) -> Path:
    """Return a prefix in the cache, which is made if it is not there or not right.

    Its name comes from what it links to: the same providers have the same one, other versions or
    other environments another.

    Args:
        providers: what `installed_providers` returns.

    Raises:
        PrefixError: as `make_prefix`.
    """
    with _os_errors():
        plan = _plan(providers)
    return _cached(repr(sorted((path, str(content)) for path, content in plan.items())), plan)


def project_prefix(providers: Sequence[InstalledProvider], project: str) -> Path:
    """Return the prefix of a project's builds in the cache, brought up to date.

    Its path depends on the project and the Python only. What a build folder remembers of an earlier
    build stays right, though every build in isolation installs the providers elsewhere.

    Args:
        providers: what `installed_providers` returns.
        project: what tells it from others.

    Raises:
        PrefixError: as `make_prefix`.
    """
    with _os_errors():
        plan = _plan(providers)
    return _cached(repr((project, sys.version, sysconfig.get_platform())), plan)


def _cached(key: str, plan: _Plan) -> Path:
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    out = cache_folder() / "prefix" / name
    # Where packages are built, a home folder often is none.
    with _os_errors("; set NATIVE_LIB_CACHE to a folder that can be written"):
        if not is_there(out):
            _remove_dead(out.parent)
        _write(out, plan)
    return out


@contextmanager
def _os_errors(fix: str = "") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PrefixError(f"{error.filename}: {error.strerror}{fix}") from error


def _remove_dead(cache: Path) -> None:
    """Remove prefixes whose providers are gone. Each isolated build has an environment of its own."""
    for marker in cache.glob(f"*/{MARKER}"):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            providers = json.loads(marker.read_bytes())["providers"].values()
            if not any(is_there(provider["folder"]) for provider in providers):
                shutil.rmtree(marker.parent, ignore_errors=True)


def cache_folder() -> Path:
    """Return the folder of this user for files that can be made again.

    Raises:
        PrefixError: there is none.
    """
    told = os.environ.get("NATIVE_LIB_CACHE")
    if told:
        return Path(told).absolute()
    try:
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            cache = Path(local) if local else Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            cache = Path.home() / "Library" / "Caches"
        else:
            cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
            # By XDG's specification a relative path is to be ignored.
            cache = cache if cache.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        raise PrefixError("there is no home folder for a cache; set NATIVE_LIB_CACHE") from None
    return cache / "native-lib"


def _plan(providers: Sequence[InstalledProvider]) -> _Plan:
    facts = {
        each.distribution: {"version": each.version, "folder": str(each.folder)}
        for each in providers
    }
    plan: _Plan = {MARKER: json.dumps({"providers": facts}, indent=2, sort_keys=True) + "\n"}
    owners: dict[str, str] = {}
    for provider in providers:
        for path, content in _libraries_and_packages(provider):
            if plan.setdefault(path, content) != content:
                raise _both(path, owners[path], provider.distribution)
            owners[path] = provider.distribution
    for name in ("include", "share"):
        # NVIDIA's packages have one folder together.
        folders = {each.folder / name: each.distribution for each in reversed(providers)}
        there = [(owner, folder) for folder, owner in folders.items() if is_folder(folder)]
        _merge(plan, name, there[::-1])
    return plan


def _both(path: str, one: str, other: str) -> PrefixError:
    return PrefixError(f"{one} and {other} both have {path}; make a prefix of each")


def _libraries_and_packages(provider: InstalledProvider) -> Iterator[tuple[str, Path | str]]:
    lib = provider.folder / "lib"
    # On Windows programs lie beside the DLLs.
    links = {f"bin/{PurePosixPath(program).name}": program for program in provider.programs}
    for library in provider.libraries:
        links |= _links(library)
    for path, name in links.items():
        source = provider.folder / name
        if provider.is_known and source.suffix == ".lib" and not is_file(source):
            continue  # who did not make it here may call it otherwise, or ship none
        if not is_file(source):
            what = f'"{provider.distribution}=={provider.version}"'
            fix = pip(f"install --force-reinstall --no-deps {what}")
            raise PrefixError(f"{source} is missing; {fix}")
        yield path, source
    for file in sorted((lib / "pkgconfig").glob("*.pc")):
        # No link: pkgconf follows it, and the paths in the file are relative to the folder it is in.
        yield f"lib/pkgconfig/{file.name}", file.read_text("utf-8", "surrogateescape")
    for pattern in _CONFIG_FILES:
        for file in sorted((lib / "cmake").glob(f"*/{pattern}")):
            yield f"lib/cmake/{file.parent.name}/{file.name}", _forward(file)


def _links(library: InstalledLibrary) -> dict[str, str]:
    """Return which file of the provider has which name in the prefix.

    Unlike the wheel's link file, which only linkers read, the name to link by is the library itself: a
    build may open it and ask for its version. On musl, too: the anchor is for the loader alone.
    """
    file = PurePosixPath(library.file)
    names = [PurePosixPath(each).stem for each in library.link_files]
    if file.suffix == ".dll":
        # Named as the DLL, without its ABI suffix.
        stem = file.stem.rpartition("-")[0] or file.stem
        import_library = str(file.with_name(f"{stem}.lib"))
        links = {f"lib/{name}.lib": import_library for name in (stem, *(names or [library.name]))}
        return {f"bin/{file.name}": str(file), **links}
    suffix = ".dylib" if file.suffix == ".dylib" else ".so"
    names = [f"{name}{suffix}" for name in names or [f"lib{library.name}"]]
    return {f"lib/{name}": str(file) for name in (file.name, *names)}


def _forward(file: Path) -> str:
    """Return a file for CMake that includes another, whose paths are relative to its own folder."""
    lines = ["# Written by native-lib: the package is in the provider's wheel."]
    if not file.stem.lower().endswith("version"):
        # native_library_consumer() insists on the provider's own folder.
        lines.append(f"set(${{CMAKE_FIND_PACKAGE_NAME}}_DIR [==[{file.parent.as_posix()}]==])")
    return "\n".join([*lines, f"include([==[{file.as_posix()}]==])", ""])


def _merge(plan: _Plan, path: str, folders: Sequence[tuple[str, Path]]) -> None:
    """Add what providers' folders have: a folder that only one of them has is one link."""
    found: dict[str, list[tuple[str, Path]]] = {}
    for owner, folder in folders:
        for entry in sorted(folder.iterdir()):
            if entry.name != "__pycache__":
                found.setdefault(entry.name, []).append((owner, entry))
    for name, entries in found.items():
        are_folders = [is_folder(entry) for _, entry in entries]
        if all(are_folders) and (len(entries) > 1 or _COPIES):
            _merge(plan, f"{path}/{name}", entries)
        elif len(entries) == 1 and f"{path}/{name}" not in plan:
            plan[f"{path}/{name}"] = entries[0][1]
        else:
            raise _both(f"{path}/{name}", entries[0][0], entries[-1][0])


def _write(out: Path, plan: _Plan) -> None:
    if all(_is_right(out / path, content) for path, content in plan.items()):
        return
    if is_there(out) and not (is_folder(out) and (is_file(out / MARKER) or not any(out.iterdir()))):
        raise PrefixError(
            f"{out} is neither empty nor a prefix that native-lib made: name another folder"
        )
    # Beside, and then renamed: a build never sees half of it, and two processes don't meet.
    beside = out.parent / f"{out.name}.{uuid.uuid4().hex[:8]}"
    try:
        _fill(beside / "new", plan)
        with suppress(FileNotFoundError):
            out.rename(beside / "old")
        (beside / "new").rename(out)
    except OSError:
        # Another process may have been faster.
        if not all(_is_right(out / path, content) for path, content in plan.items()):
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _fill(folder: Path, plan: Mapping[str, Path | str]) -> None:
    for path, content in plan.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            file.write_bytes(content.encode("utf-8", "surrogateescape"))
        elif _COPIES:
            shutil.copy2(content, file)
        else:
            file.symlink_to(content)


def _is_right(file: Path, content: Path | str) -> bool:
    try:
        if isinstance(content, str):
            return file.read_bytes() == content.encode("utf-8", "surrogateescape")
        if _COPIES:
            return _stamp(file) == _stamp(content)
        return os.readlink(file) == str(content) and is_there(content)  # noqa: PTH115
    except OSError:
        return False


def _stamp(file: Path) -> tuple[int, int]:
    facts = file.stat()
    return facts.st_size, facts.st_mtime_ns
