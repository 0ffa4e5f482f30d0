"""Put the build support into projects, keep it up to date, and move projects of the old layout.

A project of ours holds it in one folder, native-lib/: what its side needs, and a licence file. A
package that another build system builds holds its loader's files only, as ``_shared_lib_*``.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from native_lib.paths import is_file, is_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = "native-lib"
_SUPPORT = Path(__file__).parent / "support"
_EVERYBODY = ("LICENSE", "NativeLibrary.cmake")
# By what a project's CMakeLists.txt calls.
_SIDES = {
    "provider": (
        *("NativeLibraryProvider.cmake", "native_library_texts.py", "native_library_stub.py"),
        "pyinstaller_hook.py",
        *("shared_lib_manager.py", "shared_lib_programs.py"),
        *("shared_lib_explain.py", "shared_lib_fixes.py", "shared_lib_wordings.py"),
    ),
    "consumer": (
        *("NativeLibraryConsumer.cmake", "native_library_metadata.py"),
        *("shared_lib_consumer.py", "shared_lib_explain.py", "shared_lib_fixes.py"),
    ),
    "source": ("fetch_source.py",),
    "archive": (
        *("NativeLibraryArchive.cmake", "native_library_archive.py", "native_library_prebuilt.py"),
    ),
}
# What tells that a folder is one side's, or has been.
_SIGNS = {
    name: side
    for side, names in _SIDES.items()
    for name in names
    if not name.endswith(("explain.py", "fixes.py", "wordings.py"))
}
_LOADER_OF = {"provider": "_shared_lib_manager.py", "consumer": "_shared_lib_consumer.py"}
_LOADERS = tuple(_LOADER_OF.values())
# What the loaders import when something is wrong; the last one is the provider's.
_ERRORS = ("_shared_lib_explain.py", "_shared_lib_fixes.py", "_shared_lib_wordings.py")
# Where the old layout had what native-lib/ has now.
_OLD_FOLDER = "cmake"
# Folders of other people's files, or of copies.
_PASSED_OVER = {
    *(".git", ".nox", ".tox", ".venv", "venv", "node_modules", "site-packages", "build", "upstream")
}

# How a project's own files name the support.
_IMPORT = re.compile(
    r"^[ \t]*from \.(?: import (?:.*\W)?)?(_shared_lib_(?:manager|consumer))\b", re.MULTILINE
)
_INCLUDE = re.compile(
    r"(?P<before>^[ \t]*include\(\"?(?:\$\{CMAKE_CURRENT_(?:SOURCE|LIST)_DIR\}/)?)"
    r"(?P<folder>[^\"$)]*/)?NativeLibrary(?:\.cmake)?(?P<after>\"?\))",
    re.MULTILINE,
)
_CALL = re.compile(
    r"^[ \t]*native_library_(provider|consumer|source|archive|prebuilt)\(", re.MULTILINE
)
_HOOK = re.compile(
    r"^provider *= *\{(?=[^}]*\bpath *= *[\"'](?P<path>[^\"']*))"
    r"(?=[^}]*\bmodule *= *[\"'](?P<module>native_library_metadata|fetch_source)[\"'])[^}\n]*\}",
    re.MULTILINE,
)


class VendorError(Exception):
    """The project cannot take the files; the message says why."""


@dataclass(frozen=True)
class Change:
    """A file of a project, and what must be in it."""

    path: Path
    # None: the file goes.
    content: bytes | None

    @property
    def word(self) -> str:
        """What is to be done about it: missing, drifted, old, or nothing."""
        if self.content is None:
            return "old" if is_file(self.path) else ""
        if not is_file(self.path):
            return "missing"
        # Line endings are the version control's affair.
        is_same = self.path.read_bytes().splitlines() == self.content.splitlines()
        return "" if is_same else "drifted"


def support_files(sides: Iterable[str]) -> dict[str, bytes]:
    """Return what the folder native-lib/ holds.

    Args:
        sides: of ``provider``, ``consumer``, ``source`` (upstream's is fetched) and ``archive`` (CMake
            does not build the library).

    Returns:
        The content of each file by its name.
    """
    names = [*_EVERYBODY, *(name for side in sides for name in _SIDES[side])]
    paths = {name: _SUPPORT / name for name in dict.fromkeys(names)}
    return {name: path.read_bytes() for name, path in paths.items()}


def changes(
    project: Path,
    sides: Iterable[str] = (),
    *,
    loader_only: bool = False,
) -> list[Change]:
    """Find all that must be in a folder of sources, by what is there and what names it.

    Args:
        project: the folder to look through; one project or several.
        sides: which sides' files its folder native-lib/ is to get in the first place.
        loader_only: the folder is a Python package, which is to get these sides' loaders only.

    Returns:
        The files, also those that are as they must be.

    Raises:
        VendorError: a folder is missing or lies elsewhere, nothing is vendored and nothing was asked
            for, or a project of the old layout cannot be moved.
    """
    if not is_folder(project):
        raise VendorError(f"{project} is not a folder")
    sides = list(sides)
    found: dict[Path, bytes | None] = {}
    for folder, names in _walk(project):
        is_project = not {"CMakeLists.txt", "pyproject.toml"}.isdisjoint(names)
        if is_project or is_folder(folder / FOLDER):
            found.update(_of_project(folder, project))
        for loader in _LOADERS:
            is_missing = not sides and _imports(folder / "__init__.py", loader)
            if (loader in names or is_missing) and not _is_built_by_cmake(folder, project):
                found.update(_loader(folder, loader))
    if loader_only:
        for loader in _loaders_of(project, sides):
            found.update(_loader(project, loader))
    elif sides:
        found.update(_folder(project / FOLDER, sides))
    if not found:
        raise VendorError(
            f"{project} vendors no file yet; say what it is: --provider, --consumer, or both, and "
            "--upstream if it fetches upstream's sources, --archive if CMake does not build the library"
        )
    return [Change(path, found[path]) for path in sorted(found)]


def apply(changes: list[Change]) -> None:
    """Write and remove; if one file cannot be written, nothing is changed.

    Raises:
        OSError: one cannot be.
    """
    new = [change.path for change in changes if not change.path.exists()]
    new_folders = {folder for path in new for folder in path.parents if not folder.exists()}
    try:
        for change in changes:
            if change.content is None and not os.access(change.path.parent, os.W_OK):
                raise PermissionError(13, "Permission denied", str(change.path))
            if change.content is not None:
                change.path.parent.mkdir(parents=True, exist_ok=True)
            # Changes nothing, and fails where writing would.
            change.path.open("ab").close()
    except OSError:
        for path in new:
            with suppress(OSError):
                path.unlink()
        for folder in sorted(new_folders, reverse=True):
            with suppress(OSError):
                folder.rmdir()
        raise
    for change in changes:
        if change.content is not None:
            change.path.write_bytes(change.content)
    for change in changes:
        if change.content is None:
            change.path.unlink()
            with suppress(OSError):  # it has other files
                change.path.parent.rmdir()


def still_named(project: Path, removed: Iterable[Path]) -> list[str]:
    """Return the lines of a project's tasks, workflows and texts that name files that are gone."""
    names = {path.name for path in removed if path.name == "fetch_source.py"}
    lines = []
    for folder, files in _walk(project, hidden=True):
        for file in (folder / name for name in sorted(files)):
            if names and file.suffix in {".py", ".yml", ".yaml", ".md", ".ini"} and is_file(file):
                text = file.read_text(encoding="utf-8", errors="replace").splitlines()
                lines += [
                    f"{file}:{number}: {line.strip()}"
                    for number, line in enumerate(text, 1)
                    if re.search(rf"(?<!{FOLDER}/)\bfetch_source\.py", line)
                    and file.parent.name != FOLDER
                ]
    return lines


def _folder(folder: Path, sides: Iterable[str]) -> dict[Path, bytes | None]:
    return {folder / name: content for name, content in support_files(sides).items()}


def _loaders_of(package: Path, sides: list[str]) -> list[str]:
    """Return the loaders that a package is to get without the rest of the support."""
    if not sides or not set(sides) <= _LOADER_OF.keys():
        raise VendorError(
            "--loader-only goes with --provider, --consumer, or both, and nothing else"
        )
    if not is_file(package / "__init__.py"):
        raise VendorError(
            f"{package} has no __init__.py: with --loader-only name the folder of the Python package, as in "
            "src/foo_ext"
        )
    return [_LOADER_OF[side] for side in sides]


def _loader(package: Path, loader: str) -> dict[Path, bytes | None]:
    errors = _ERRORS if loader == _LOADERS[0] else _ERRORS[:-1]
    files = {package / name: _SUPPORT / name.removeprefix("_") for name in (loader, *errors)}
    files[package / "_shared_lib_LICENSE"] = _SUPPORT / "LICENSE"
    return {path: file.read_bytes() for path, file in files.items()}


def _of_project(folder: Path, root: Path) -> dict[Path, bytes | None]:
    """Return what a folder with a CMakeLists.txt or pyproject.toml must have, and must not."""
    lists, settings = folder / "CMakeLists.txt", folder / "pyproject.toml"
    cmake, toml = _text(lists), _text(settings)
    included = [each["folder"] for each in _INCLUDE.finditer(cmake) if each["folder"]]
    hooks = [(each["path"], each["module"]) for each in _HOOK.finditer(toml)]
    calls = _calls(cmake)
    # Others may have a fetch_source.py of their own; ours reads source.toml.
    old = [folder / _OLD_FOLDER / "NativeLibrary.cmake"]
    old.append(folder / _OLD_FOLDER / "native_library_metadata.py")
    if is_file(folder / "source.toml"):
        old.append(folder / "fetch_source.py")
    old = [path for path in old if is_file(path)]
    if f"{_OLD_FOLDER}/" in included or (_OLD_FOLDER, "native_library_metadata") in hooks or old:
        return _moved(folder, root, old)
    found: dict[Path, bytes | None] = {}
    places = [folder / place for place in included] + [folder / path for path, _ in hooks]
    places += [folder / FOLDER] if is_folder(folder / FOLDER) else []
    for place in {Path(os.path.normpath(place)) for place in places}:
        if place.name == FOLDER and _is_below(place, root):
            sides = [side for name, side in _SIGNS.items() if is_file(place / name)]
            sides += calls if f"{FOLDER}/" in included else []
            sides += ["consumer" if "meta" in module else "source" for _, module in hooks]
            if sides or f"{FOLDER}/" in included:  # else it is somebody else's
                found.update(_folder(place, sides))
    return found


def _moved(folder: Path, root: Path, old: list[Path]) -> dict[Path, bytes | None]:
    """Return what makes a project of the old layout one of the new."""
    lists, settings = folder / "CMakeLists.txt", folder / "pyproject.toml"
    cmake = _INCLUDE.sub(rf"\g<before>{FOLDER}/NativeLibrary.cmake\g<after>", _text(lists))
    if f"{FOLDER}/NativeLibrary.cmake" not in cmake:
        raise VendorError(
            f"{lists} does not say include({_OLD_FOLDER}/NativeLibrary.cmake), so this cannot move it "
            f"to {FOLDER}/: write include({FOLDER}/NativeLibrary.cmake) there, and run this again"
        )
    toml = _HOOK.sub(
        lambda hook: re.sub(r"(path *= *[\"'])[^\"']*", rf"\g<1>{FOLDER}", hook[0]), _text(settings)
    )
    for module in ("native_library_metadata", "fetch_source"):
        if re.search(rf"^[^#\n]*\b{module}\b", _HOOK.sub("", toml), re.MULTILINE):
            raise VendorError(
                f"{settings} names {module} in a way that this does not understand: write provider = "
                f'{{ path = "{FOLDER}", module = "{module}" }} on one line, and run this again'
            )
    sides = {*_calls(cmake), *(_SIGNS[path.name] for path in old if path.name in _SIGNS)}
    sides |= {"consumer" for hook in _HOOK.finditer(toml) if "metadata" in hook["module"]}
    sides |= {"source" for hook in _HOOK.finditer(toml) if "fetch" in hook["module"]}
    copies = [
        place / name
        for place, names in _walk(folder)
        for name in (*_LOADERS, *_ERRORS)
        if name in names and _is_built_by_cmake(place, root)
    ]
    sides |= {_SIGNS[path.name[1:]] for path in copies if path.name[1:] in _SIGNS}
    found: dict[Path, bytes | None] = dict.fromkeys([*old, *copies])
    found.update(_folder(folder / FOLDER, [side for side in _SIDES if side in sides]))
    found[lists] = cmake.encode("utf-8")
    if toml:
        found[settings] = toml.encode("utf-8")
    return found


def _calls(cmake: str) -> list[str]:
    """Return the sides whose functions a CMakeLists.txt calls."""
    return ["archive" if name == "prebuilt" else name for name in _CALL.findall(cmake)]


def _is_built_by_cmake(package: Path, root: Path) -> bool:
    """Tell whether a package's project has the loader put into the wheel by its build."""
    for folder in (package, *package.parents):
        if is_folder(folder / FOLDER):
            return True
        if is_file(folder / "CMakeLists.txt"):
            return _INCLUDE.search(_text(folder / "CMakeLists.txt")) is not None
        if folder == root or is_file(folder / "pyproject.toml"):
            break
    return False


def _imports(file: Path, loader: str) -> bool:
    return loader.removesuffix(".py") in _IMPORT.findall(_text(file))


def _walk(folder: Path, *, hidden: bool = False) -> Iterable[tuple[Path, set[str]]]:
    passed_over = _PASSED_OVER if hidden else {*_PASSED_OVER, ".github"}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in passed_over]
        yield Path(root), set(names)


def _text(file: Path) -> str:
    # A link may lead nowhere.
    return file.read_bytes().decode("utf-8", "replace") if file.is_file() else ""


def _is_below(path: Path, folder: Path) -> bool:
    # As written: what is reached through a link is the project's, too.
    whole, part = (Path(os.path.normpath(each.absolute())) for each in (folder, path))
    return part.is_relative_to(whole)
