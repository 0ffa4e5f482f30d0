"""Compare a provider's libraries with those of an earlier release, within what it promised."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from native_lib.check.apart import Apart
from native_lib.check.compatibility import can_replace
from native_lib.check.leaks import NO_HEADER, leaked
from native_lib.check.report import printable
from native_lib.check.rule import some_of
from native_lib.check.wheel import UnusableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from native_lib.check.binary import Binary, Export
    from native_lib.check.wheel import Manifest, Wheel

ABIDIFF = "abidiff"
# abidiff's exit status: the first two bits are errors, the others are changes.
_FAILED = 0b0011
_DEBUG_INFORMATION = b".debug_info"  # the section's name


class AbiError(Exception):
    """Two wheels cannot be compared; the message says why."""


@dataclass(frozen=True)
class Comparison:
    """What changed between two releases.

    Attributes:
        old: the earlier wheel.
        new: the later wheel.
        promised: whether consumers that were built against the old one must run with the new one.
        lost: what consumers may need and no longer find, one line each.
        notes: what was not compared, and why; and lost symbols that were never the library's own.
    """

    old: Wheel
    new: Wheel
    promised: bool
    lost: tuple[str, ...]
    notes: tuple[str, ...]


def compare(old_path: Path, new_path: Path, *, types: bool = True) -> Comparison:
    """Compare two wheels of a provider.

    Args:
        old_path: the wheel of an earlier release.
        new_path: the wheel to be released, for the same platform.
        types: whether to compare types, too.

    Returns:
        What was found. Names and versions of exported symbols are compared on every platform; types
        where both libraries hold debug information and Debian's abigail-tools are installed.

    Raises:
        AbiError: these are not two wheels of one provider for one platform, or not in this order, or
            one cannot be read.
    """
    with closing(Apart()) as apart:
        old, new = _read(apart, old_path), _read(apart, new_path)
    before, after = _manifest(old), _manifest(new)
    if old.distribution != new.distribution:
        raise AbiError(f"{old.path.name} and {new.path.name} are different distributions")
    if old.version > new.version:
        # In the wrong order, what was lost would look added.
        raise AbiError(
            f"{old.path.name} is a later release than {new.path.name}: name the earlier one first"
        )
    lost: list[str] = []
    notes: list[str] = []
    for library, binary in old.libraries:
        named = [later for other, later in new.libraries if other.name == library.name]
        if not named:
            lost.append(f"the library {library.name} is missing")
            continue
        # A universal file has one binary for each architecture.
        successor = next((later for later in named if binary.fits(later)), None)
        if successor is None:
            raise AbiError(
                f"{old.path.name} is for {binary.platform}, {new.path.name} for "
                f"{', '.join(later.platform for later in named)}: choose two for one platform"
            )
        leaks = leaked(old, library, binary.own_exports)
        missing, told = _names(binary, successor, leaks)
        lost += missing
        notes += told
        if types:
            changes, why_not = _types(old, binary, new, successor, leaks)
            lost += changes
            notes += why_not
    promised = can_replace(after.version, before.version, before.compatibility)
    return Comparison(old, new, promised, tuple(dict.fromkeys(lost)), tuple(dict.fromkeys(notes)))


def _read(apart: Apart, path: Path) -> Wheel:
    try:
        return apart.read(path)
    except UnusableError as error:
        raise AbiError(f"{path}: {error}") from None


def _manifest(wheel: Wheel) -> Manifest:
    if len(wheel.manifests) != 1:
        count = len(wheel.manifests) or "no"
        raise AbiError(f"{wheel.path.name} is not a provider: it has {count} _native_libs.py")
    return wheel.manifests[0]


def _names(old: Binary, new: Binary, leaks: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return what the later binary no longer exports, and whether its name changed; then what leaked."""
    lost: list[str] = []
    leaked_by: dict[str, list[str]] = {}
    if old.format != "PE" and old.runtime_name != new.runtime_name:
        lost.append(f"{old.runtime_name} is now {new.runtime_name}")
    elif old.format == "PE" and old.leaf.lower() != new.leaf.lower():
        lost.append(f"{old.leaf} is now {new.leaf}")
    for export in sorted(old.own_exports, key=str):
        if new.has(export) or _is_emitted_by_users(export):
            continue
        if export.name in leaks:
            leaked_by.setdefault(leaks[export.name], []).append(str(export))
        else:
            lost.append(f"{new.leaf} no longer exports {export}")
    notes = [
        f"{new.leaf} no longer exports {some_of(names)}: not promised, "
        f"{'declared in no header' if kind == NO_HEADER else f'leaked from {kind}'}"
        for kind, names in leaked_by.items()
    ]
    return lost, notes


def _is_emitted_by_users(export: Export) -> bool:
    """Tell whether every user has its own copy: true of C++ inline functions, not of vtables and type names."""
    return export.is_weak and re.match(r"_Z(?!T[VIST])", export.name) is not None


def _types(
    old_wheel: Wheel, old: Binary, new_wheel: Wheel, new: Binary, leaks: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Compare types with abidiff; return what changed, and what was not compared and why."""
    if old.format != "ELF":
        return [], [f"{new.leaf}: types were not compared: abidiff reads ELF files only"]
    program = shutil.which(ABIDIFF)
    if program is None:
        return [], [
            f"{new.leaf}: types were not compared: abidiff is not installed (Debian: abigail-tools)"
        ]
    with tempfile.TemporaryDirectory() as folder:
        files = [
            _extract(wheel, binary, Path(folder, name))
            for wheel, binary, name in ((old_wheel, old, "old"), (new_wheel, new, "new"))
        ]
        if not all(_DEBUG_INFORMATION in file.read_bytes() for file in files):
            why_not = "both wheels need debug information (CFLAGS=-g, install.strip=false)"
            return [], [f"{new.leaf}: types were not compared: {why_not}"]
        # Additions break nobody, and consumers cannot use a type that is in no header.
        options = ["--no-added-syms", "--no-show-locs", "--drop-private-types"]
        for number, file in enumerate(files, start=1):
            headers = file.with_name("include")
            if headers.is_dir():
                options += [f"--headers-dir{number}", str(headers)]
        (Path(folder) / "leaks").write_text(_suppressed(leaks), encoding="utf-8")
        options += ["--suppressions", str(Path(folder) / "leaks")]
        done = subprocess.run(
            [program, *options, *map(str, files)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    said = [printable(line.rstrip()) for line in done.stdout.splitlines() if line.strip()]
    if done.returncode < 0 or done.returncode & _FAILED:
        raise AbiError(f"abidiff failed ({done.returncode}): {' '.join(said)}")
    if not done.returncode:
        return [], []
    return [f"{new.leaf}: types or functions changed (abidiff):", *said], []


def _suppressed(names: Iterable[str]) -> str:
    """Return abidiff's specification of symbols that it does not report."""
    either = "|".join(map(re.escape, sorted(names)))
    kinds = ("function", "variable") if either else ()
    return "".join(f"[suppress_{kind}]\n  symbol_name_regexp = ^({either})$\n" for kind in kinds)


def _extract(wheel: Wheel, binary: Binary, folder: Path) -> Path:
    """Write a library into a folder, and its package's headers beside it."""
    folder.mkdir()
    file = folder / PurePosixPath(binary.path).name
    headers = f"{PurePosixPath(binary.path).parents[1]}/include/"
    with zipfile.ZipFile(wheel.path) as archive:
        file.write_bytes(archive.read(binary.path))
        for name in wheel.files:
            if name.startswith(headers):
                header = folder / "include" / name.removeprefix(headers)
                header.parent.mkdir(parents=True, exist_ok=True)
                header.write_bytes(archive.read(name))
    return file


def run(old: Path, new: Path, *, types: bool = True) -> int:
    """Compare, report, and return the exit status: 1 for a broken promise, 2 for unusable input."""
    try:
        found = compare(old, new, types=types)
    except AbiError as error:
        print(f"native-lib: {printable(str(error))}", file=sys.stderr)
        return 2
    later = f"{found.new.distribution} {found.new.version}"
    earlier = str(found.old.version)
    for line in (*found.notes, *found.lost):
        print(line)
    if not found.lost:
        print(f"{later} has all that {earlier} has")
        return 0
    if not found.promised:
        print(f"{later} does not promise to replace {earlier}")
        return 0
    print(
        f"native-lib: {later} cannot replace {earlier}, although {earlier} promises it "
        f"({found.old.manifests[0].compatibility}): wheels built against {earlier} would fail to "
        "import, or crash. Restore what is lost, or release this as a version that is not bound by the promise.",
        file=sys.stderr,
    )
    return 1
