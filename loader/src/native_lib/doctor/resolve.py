"""Which file answers each name that a binary needs, by the rules of this system's loader."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from native_lib.check import links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Wheel
    from native_lib.doctor.installed import Environment

PROVIDER, BESIDE, SYSTEM, UNFIT, NOBODY = "provider", "beside", "system", "unfit", "nobody"
# Where glibc and musl look last. Debian's multiarch folders are in glibc's cache, and in musl's none.
_DEFAULT = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")


@dataclass(frozen=True)
class Need:
    """A name that a binary needs, and what answers it.

    Attributes:
        consumer: the distribution that the binary is of.
        file: the binary.
        name: what it needs.
        by: PROVIDER, BESIDE (its own wheel), SYSTEM, UNFIT (a provider's, for another machine) or
            NOBODY.
        answer: the file that answers, where that is known.
        distribution: whose library it is, if a provider's: also where that one is missing.
    """

    consumer: str
    file: Path
    name: str
    by: str
    answer: str = ""
    distribution: str = ""


def needs_of(environment: Environment) -> Iterator[Need]:
    """Say of every name that a provider's or consumer's binary needs what answers it."""
    for wheel in environment.wheels:
        for link in links.links_of(wheel, environment.wheels):
            yield _need(environment, wheel, link)


def _need(environment: Environment, wheel: Wheel, link: links.Link) -> Need:
    file = environment.root_of(wheel.distribution) / link.binary.path
    about = (wheel.distribution, file, link.needed)
    if link.kind == links.PROVIDER:
        provider, binary = link.answers[0]
        answer = environment.root_of(provider.distribution) / binary.path
        return Need(*about, PROVIDER, str(answer), provider.distribution)
    if link.kind == links.OWN:
        return Need(*about, BESIDE)
    found = find(link.binary, file, link.needed)
    if link.kind == links.SYSTEM or found:
        return Need(*about, SYSTEM, found)
    by = UNFIT if link.kind == links.UNFIT else NOBODY
    return Need(*about, by, "", link.distribution)


def find(binary: Binary, file: Path, name: str) -> str:
    """Search for a library as this system's loader would; return its path, or nothing."""
    if binary.format == "ELF" and sys.platform == "linux":
        if "/" in name:
            return name if Path(name).exists() else ""
        # glibc looks at RPATH only without RUNPATH, and before the environment's folders; musl takes
        # one for the other, after those.
        own = [expand(path, file) for path in binary.runpath or binary.rpath]
        given = os.environ.get("LD_LIBRARY_PATH", "").split(":")
        is_last = binary.runpath or binary.libc == "musl"
        order = [*given, *own] if is_last else [*own, *given]
        return _first(order, name) or _cache().get(name, "") or _first(_DEFAULT, name)
    if binary.format == "Mach-O" and sys.platform == "darwin":
        places = [name]
        if name.startswith("@rpath/"):
            places = [f"{expand(path, file)}/{name[7:]}" for path in binary.rpath]
        return next((p for p in (expand(p, file) for p in places) if Path(p).exists()), "")
    return ""


def expand(path: str, file: Path) -> str:
    """Replace what loaders replace by the folder of the file that has the path."""
    return re.sub(r"^(?:\$ORIGIN|\$\{ORIGIN\}|@loader_path)(?=/|$)", str(file.parent), path)


def _first(folders: list[str] | tuple[str, ...], name: str) -> str:
    found = (Path(folder, name) for folder in folders if folder)
    return next((str(path) for path in found if path.is_file()), "")


@lru_cache
def _cache() -> dict[str, str]:
    """Return glibc's cache of libraries; musl has none."""
    for program in ("/sbin/ldconfig", "/usr/sbin/ldconfig"):
        try:
            said = subprocess.run([program, "-p"], capture_output=True, text=True, check=False)
        except OSError:
            continue
        lines = (line.partition(" => ") for line in said.stdout.splitlines())
        return {left.split()[0]: right for left, arrow, right in reversed(list(lines)) if arrow}
    return {}
