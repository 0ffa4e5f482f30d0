"""Compare the files of a release with what an index has, before they are published; pip asks it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.tags import platform_tags
from packaging.utils import InvalidWheelFilename

from native_lib import abi
from native_lib.check import run as checker
from native_lib.check.apart import Apart
from native_lib.check.choose import ChoiceError
from native_lib.check.config import read_config
from native_lib.check.report import printable
from native_lib.check.wheel import UnusableError
from native_lib.file_names import parse_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.version import Version

_SDIST = ".tar.gz"
# For scikit-build-core, as the template's projects have it.
_WITH_DEBUG_INFORMATION = ("-Cinstall.strip=false", "-Ccmake.build-type=RelWithDebInfo")


class ReleasedError(Exception):
    """What was asked cannot be found out; the message says why."""


def run_abi(files: Sequence[Path]) -> int:
    """Compare a provider's files with its last release, report, and return the exit status.

    Names of this machine's wheels are compared as they are. For the types, both releases' sdists are
    built with debug information, if there is an sdist among the files.

    Args:
        files: the wheels and the sdist that are to be released.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _abi(files, Path(folder))
    except ReleasedError as error:
        print(f"native-lib: {error}", file=sys.stderr)
        return 2


def run_published(files: Sequence[Path]) -> int:
    """Look whether an index has the providers of a consumer, report, and return the exit status.

    A provider must be there in a version that the consumer accepts, and have all that it calls.

    Args:
        files: the wheels that are to be released; those for other machines are passed over.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _published(files, Path(folder))
    except ReleasedError as error:
        print(f"native-lib: {error}", file=sys.stderr)
        return 2


def _abi(files: Sequence[Path], folder: Path) -> int:
    new = _wheels_here(files)[0]
    name, version = _name_and_version(new)
    earlier = f"{name}<{version}"
    old = _download(earlier, folder / "old", "--only-binary", ":all:")
    if old is None:
        print(f"there is no release {earlier}: nothing to compare")
        return 0
    status = abi.run(old, new, types=False)
    sdists = [file for file in files if file.name.endswith(_SDIST)]
    if status or not sdists:
        return status
    released = f"{name}=={_name_and_version(old)[1]}"
    source = _download(released, folder / "sdist", "--no-binary", name)
    before = _build(source, folder / "before") if source else None
    if before is None:  # it may be too old for today's tools
        print(f"types were not compared: {released} cannot be built from its sdist here")
        return 0
    after = _build(sdists[0], folder / "after")
    if after is None:
        raise ReleasedError(f"{sdists[0].name} cannot be built; pip says why above")
    return abi.run(before, after)


def _published(files: Sequence[Path], folder: Path) -> int:
    consumers = _wheels_here(files)
    requirements: dict[str, str] = {}
    with closing(Apart()) as apart:
        for path in consumers:
            try:
                wheel = apart.read(path)
            except UnusableError as error:
                raise ReleasedError(printable(f"{path}: {error}")) from None
            for required in wheel.requires:
                said = wheel.requirement(required.distribution)
                bound = f"{said.name}{said.specifier}" if said else required.requirement
                requirements[required.distribution] = bound
    if not requirements:
        print(f"{consumers[0].name} requires no provider")
        return 0
    providers = []
    for name, requirement in requirements.items():
        provider = _download(requirement, folder / name, "--only-binary", ":all:")
        if provider is None:
            print(
                f"native-lib: the index has no {requirement}: release {name} first",
                file=sys.stderr,
            )
            return 1
        print(f"the index has {provider.name}")
        providers.append(provider)
    try:
        config = read_config()
    except ChoiceError as error:
        raise ReleasedError(str(error)) from None
    return checker.run([*providers, *consumers], "table", config=config)


def _wheels_here(files: Sequence[Path]) -> list[Path]:
    """Return the wheels for this machine, the best one first; for any Python."""
    order = {platform: number for number, platform in enumerate((*platform_tags(), "any"))}
    found: dict[Path, int] = {}
    for file in files:
        if not file.is_file():
            raise ReleasedError(f"{file} is no file")
        try:
            platforms = {tag.platform for tag in parse_wheel(file.name)[2]}
        except InvalidWheelFilename:
            continue
        if platforms & order.keys():
            found[file] = min(order[platform] for platform in platforms & order.keys())
    if not found:
        names = ", ".join(file.name for file in files)
        raise ReleasedError(f"there is no wheel for this machine among {names}")
    return sorted(found, key=lambda file: found[file])


def _name_and_version(wheel: Path) -> tuple[str, Version]:
    name, version, _ = parse_wheel(wheel.name)
    return name, version


def _download(requirement: str, folder: Path, *options: str) -> Path | None:
    """Have pip get a wheel or an sdist; return None if the index has none.

    Raises:
        ReleasedError: it did not answer, which is not the same.
    """
    # No cache: pip would keep the list of releases for some minutes.
    arguments = ["--no-cache-dir", "--no-deps", "--retries", "3", "--dest", str(folder), *options]
    said = _pip("download", *arguments, requirement)
    found = next(folder.glob("*-*"), None)
    if found is None and ("No matching distribution" not in said or "Retrying" in said):
        raise ReleasedError(f"pip cannot get {requirement}:\n{said}")
    return found


def _build(sdist: Path, folder: Path) -> Path | None:
    """Build a wheel with debug information; return None, and print why, if that fails."""
    arguments = ["--no-deps", "--wheel-dir", str(folder), *_WITH_DEBUG_INFORMATION, str(sdist)]
    said = _pip("wheel", *arguments)
    found = next(folder.glob("*.whl"), None)
    if found is None:
        print(said)
    return found


def _pip(command: str, *arguments: str) -> str:
    """Run pip, with the index and the folders that its settings name; return what it said."""
    if importlib.util.find_spec("pip") is None:
        raise ReleasedError(
            f"pip is not installed here: {sys.executable} has no module of that name"
        )
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, "--disable-pip-version-check", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return done.stdout
