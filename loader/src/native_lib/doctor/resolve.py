"""Find the file that this system's loader uses for each name that a binary needs."""

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
from native_lib.doctor import process
from native_lib.paths import is_file, is_there
from native_lib.support.shared_lib_explain import is_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Library, Wheel
    from native_lib.doctor.installed import Environment

PROVIDER, BESIDE, SYSTEM, UNFIT, NOBODY = "provider", "beside", "system", "unfit", "nobody"
# Where glibc and musl search last. Debian's multiarch folders are in glibc's cache; musl has none.
_DEFAULT = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
_ELF, _MACHO = r"\$ORIGIN|\$\{ORIGIN\}", "@loader_path"


@dataclass(frozen=True)
class Need:
    """A name that a binary needs, and the file that provides it.

    Attributes:
        consumer: the distribution that the binary belongs to.
        file: the binary.
        name: what it needs.
        by: PROVIDER, BESIDE (its own wheel), SYSTEM, UNFIT (a provider's, for another machine) or
            NOBODY.
        answer: the file that provides it, if that is known.
        distribution: the provider whose library it is, even if that is missing; else empty.
    """

    consumer: str
    file: Path
    name: str
    by: str
    answer: str = ""
    distribution: str = ""


def needs_of(environment: Environment) -> Iterator[Need]:
    """Find, for each name that a binary of a provider or consumer needs, what provides it."""
    for wheel in environment.wheels:
        for link in links.links_of(wheel, environment.wheels):
            yield _need(environment, wheel, link)


def _need(environment: Environment, wheel: Wheel, link: links.Link) -> Need:
    file = environment.root_of(wheel.distribution) / link.binary.path
    about = (wheel.distribution, file, link.needed)
    if link.kind == links.PROVIDER:
        provider, binary = link.answers[0]
        answer = str(environment.root_of(provider.distribution) / binary.path)
        made = () if provider.known else provider.manifests
        for library in (lib for m in made for lib in m.libraries):
            if library.file == binary.path:
                answer = instead_of(library) or answer
        return Need(*about, PROVIDER, answer, provider.distribution)
    if link.kind == links.OWN:
        return Need(*about, BESIDE)
    found = find(link.binary, file, link.needed)
    if link.kind == links.SYSTEM or found:
        return Need(*about, SYSTEM, found)
    theirs = (w for w in environment.wheels if w.distribution == link.distribution)
    is_unfit = link.kind == links.UNFIT and any(wheel.binaries for wheel in theirs)
    return Need(*about, UNFIT if is_unfit else NOBODY, "", link.distribution)


def instead_of(library: Library) -> str:
    """Return the file that the provider's loader uses instead of its own, or an empty text.

    That is the file that an environment variable names. For a plain name, it may also be a file that is
    already loaded, or the system's where that is preferred.
    """
    named = os.environ.get(variable_of(library), "")
    leaf = links.leaf_of(library.runtime_name)
    if named or has_private_name(library):
        return named
    loaded = process.loaded_names().get(leaf, "")
    prefers = is_on(os.environ.get(f"PREFER_{_tag(library)}_SYSTEM_LIBRARY", ""))
    return loaded or (_by_system(leaf, []) if prefers and sys.platform == "linux" else "")


def has_private_name(library: Library) -> bool:
    """Tell whether a library's name is private; for a plain name, another file may be used."""
    return "__" in links.leaf_of(library.runtime_name)


def variable_of(library: Library) -> str:
    """Return the name of the environment variable that names another file for a library."""
    return f"NATIVE_LIB_{_tag(library)}_PATH"


def _tag(library: Library) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in library.name).upper()


def find(binary: Binary, file: Path, name: str) -> str:
    """Search for a library as this system's loader would; return its path, or nothing."""
    if binary.format == "ELF" and sys.platform == "linux":
        if "/" in name:
            return name if is_there(name) else ""
        # glibc searches RPATH only if there is no RUNPATH, and before LD_LIBRARY_PATH. musl treats
        # both alike, after LD_LIBRARY_PATH.
        own = [expand(path, file, _ELF) for path in binary.runpath or binary.rpath]
        if binary.runpath or binary.libc == "musl":
            return _by_system(name, own)
        return _first(own, name) or _by_system(name, [])
    if binary.format == "Mach-O" and sys.platform == "darwin":
        places = [name]
        if name.startswith("@rpath/"):
            places = [f"{expand(path, file, _MACHO)}/{name[7:]}" for path in binary.rpath]
        return next((p for p in (expand(p, file, _MACHO) for p in places) if is_there(p)), "")
    return ""


def _by_system(name: str, own: list[str]) -> str:
    """Search the environment's folders, then a binary's own, then the system's."""
    given = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return _first([*given, *own], name) or _cache().get(name, "") or _first(_DEFAULT, name)


def expand(path: str, file: Path, origin: str) -> str:
    """Replace $ORIGIN or @loader_path by the folder of the file that has the path."""
    folder = str(file.parent)
    return re.sub(rf"^(?:{origin})(?=/|$)", lambda _: folder, path)


def _first(folders: list[str] | tuple[str, ...], name: str) -> str:
    found = (Path(folder, name) for folder in folders if folder)
    return next((str(path) for path in found if is_file(path)), "")


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
