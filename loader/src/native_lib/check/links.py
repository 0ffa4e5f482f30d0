"""Find the file that provides each name that a binary needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from native_lib.check.system import is_system_library
from native_lib.known import PLATFORMS
from native_lib.known.read import all_known, known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Library, Wheel
    from native_lib.known import Known

OWN, SYSTEM, PROVIDER = "own", "system", "provider"
ABSENT = "absent"  # its provider is required, and not in the set
UNFIT = "unfit"  # its provider is in the set for other platforms only
UNANSWERED = "unanswered"

# auditwheel's 8 digits, delvewheel's 32.
_MANGLED = re.compile(r"-[0-9a-f]{8,64}(?=\.)")
# A private name: <import name of the provider>__<library>.
_PRIVATE = re.compile(r"([a-z0-9][a-z0-9_]*?)__[^_]")
_MAX_LEAF = 255  # no system has longer file names
# What may follow a library's name: -1, .1.2, or digits that may also belong to the name; after such
# digits, -1 or .1.2 again. libpng16.16.dylib may be png16 or png, libglib-2.0.0.dylib glib-2.0.
_NUMBERS = tuple(map(re.compile, (r"[-.]\d[.\d]*$", r"\.\d+$", r"(?<![-.\d])(\d+)[.\d]*$")))


@dataclass(frozen=True)
class Link:
    """A name that a binary needs, and what provides it."""

    wheel: Wheel
    binary: Binary
    needed: str
    kind: str
    distribution: str = ""  # whose library it is, as far as that is known
    answers: tuple[tuple[Wheel, Binary], ...] = ()  # of PROVIDER: one for each version in the set


def unmangled(leaf: str) -> str:
    """Return a file's name without the hash that repair tools add: libz-1a2b3c4d.so.1."""
    return _MANGLED.sub("", leaf)


def is_bundled(path: str) -> bool:
    """Tell whether a file is where repair tools put copies, or has the name of such a copy."""
    leaf = path.rpartition("/")[2]
    return re.search(r"\.(?:libs|dylibs)/", path) is not None or unmangled(leaf) != leaf


def looks_like(path: str, library: Library) -> bool:
    """Tell whether a file looks like a copy of a provider's library, by the library's plain names."""
    plain = {f"lib{library.name}", library.name, leaf_of(library.runtime_name).split(".")[0]}
    folder, _, leaf = path.rpartition("/")
    # Names end in the ABI: foo-1.dll, libpng16.so.16.
    return bool(folder) and any(
        re.match(rf"{re.escape(stem)}(?:-?\d[\d.]*)?\.", unmangled(leaf)) for stem in plain
    )


def leaf_of(name: str) -> str:
    """Return the last part of an install name; other names have one part."""
    return name.rpartition("/")[2]


def libraries_of(leaf: str) -> dict[str, str]:
    """Return the library names that a file may have, each with the digits that follow it.

    libfoo.so.1 and foo-1.dll give foo; libfoo16.so gives foo16, and foo with 16.
    """
    if len(leaf) > _MAX_LEAF:
        return {}
    name = re.fullmatch(r"(.+?)\.(so(?:\.[.\d]*)?|dylib|dll)", leaf.lower())
    if name is None:
        return {}
    stems = {name[1]: ""}
    for pattern in _NUMBERS:
        number = pattern.search(name[1])
        if number:
            digits = number[1] if pattern.groups else ""
            stems.setdefault(name[1][: number.start()], digits)
    with_lib = {stem: digits for stem, digits in stems.items() if stem.startswith("lib")}
    without = {stem[3:]: digits for stem, digits in with_lib.items()}
    return {**(stems if name[2] == "dll" else with_lib), **without}


class _Index:
    """The binaries of a set, by the names that others find them by."""

    def __init__(self, wheels: Iterable[Wheel]) -> None:
        self._by_name: dict[str, list[tuple[Wheel, Binary]]] = {}
        self._by_file: dict[str, list[tuple[Wheel, Binary]]] = {}  # of Windows
        # One of each platform, by distribution.
        self.platforms: dict[str, dict[str, Binary]] = {}
        self.required: dict[str, set[str]] = {}  # by distribution, what its wheels require
        for wheel in wheels:
            platforms = self.platforms.setdefault(wheel.distribution, {})
            names = {canonicalize_name(line.name) for line in wheel.requirements}
            self.required.setdefault(wheel.distribution, set()).update(names)
            # Of a package that was not made here, some are for others: not the libgomp of torch.
            chosen = {library.file for m in wheel.manifests if m.known for library in m.libraries}
            for binary in wheel.binaries:
                platforms.setdefault(binary.platform, binary)
                if wheel.known and binary.path not in chosen:
                    continue
                if binary.format == "PE":
                    self._by_file.setdefault(binary.leaf.lower(), []).append((wheel, binary))
                elif binary.runtime_name:
                    self._by_name.setdefault(binary.runtime_name, []).append((wheel, binary))

    def answering(self, needed: str) -> list[tuple[Wheel, Binary]]:
        """Return the libraries that have this name once they have been opened."""
        return [*self._by_name.get(needed, ()), *self._by_file.get(needed.lower(), ())]


def links_of(wheel: Wheel, wheels: tuple[Wheel, ...]) -> Iterator[Link]:
    """Find, among these wheels, what provides the names that a wheel's binaries need."""
    return _Search(wheel, _Index(wheels)).links()


def all_links(wheels: tuple[Wheel, ...]) -> Iterator[Link]:
    """Find, among these wheels, what provides the names that their binaries need."""
    index = _Index(wheels)
    for wheel in wheels:
        yield from _Search(wheel, index).links()


_Answer = tuple[str, str, "tuple[tuple[Wheel, Binary], ...]"]  # as the last fields of Link


class _Search:
    """Looks for what a wheel's binaries need: in the wheel, then in the set."""

    def __init__(self, wheel: Wheel, index: _Index) -> None:
        self._wheel, self._index = wheel, index
        self._names = {binary.runtime_name for binary in wheel.binaries} - {""}
        self._files = {binary.leaf for binary in wheel.binaries}
        self._files |= {leaf_of(file) for file in wheel.unread_files}
        self._lower = {file.lower() for file in self._files}
        needed = {name for binary in wheel.binaries for name in binary.needed}
        private = {private_distribution(name) for name in needed}
        # A plain name does not say whose it is; the record of the consumer does.
        self._absent = {
            library.lower(): required.distribution
            for required in wheel.requires
            if not self._is_present(required.distribution) and required.distribution not in private
            for library in required.libraries
        }

        required = {name: known(name) for name in sorted(index.required[wheel.distribution])}
        self._known = {name: it for name, it in required.items() if it}

    def links(self) -> Iterator[Link]:
        answers: dict[tuple[str, str], _Answer] = {}  # many files need the same
        for binary in self._wheel.binaries:
            for needed in dict.fromkeys(binary.needed):
                key = needed, binary.platform
                if key not in answers:
                    is_own = self._is_beside(binary, needed)
                    answers[key] = (OWN, "", ()) if is_own else self._answer(binary, needed)
                yield Link(self._wheel, binary, needed, *answers[key])

    def _is_beside(self, binary: Binary, needed: str) -> bool:
        """Tell whether a search by name finds this file of the same wheel."""
        if binary.format == "PE":
            return needed.lower() in self._lower
        return leaf_of(needed) in self._files or needed in self._names

    def _answer(self, binary: Binary, needed: str) -> _Answer:
        wheel, index = self._wheel, self._index
        found = [(o, b) for o, b in index.answering(needed) if o.distribution != wheel.distribution]
        if is_system_library(needed, binary, wheel.tags):
            # A consumer that requires a provider of that name needs that one.
            found = [(o, b) for o, b in found if o.manifests and wheel.uses(o.distribution)]
            if not any(b.fits(binary) for _, b in found):
                return SYSTEM, "", ()
        distribution = private_distribution(needed)
        if distribution:
            # A private name says whose it is; a file of that name in another wheel is a copy.
            ours = [(o, b) for o, b in found if o.distribution == distribution]
            found = ours or [(o, b) for o, b in found if o.manifests]
        # If several have this plain name, a consumer needs the one that it uses, and never a repair tool's
        # copy in a wheel that it does not use.
        found = [(o, b) for o, b in found if wheel.uses(o.distribution)] or [
            (o, b) for o, b in found if not is_bundled(b.path)
        ]
        fitting = tuple(_admitted(wheel, [(o, b) for o, b in found if b.fits(binary)]))
        if fitting:
            return PROVIDER, fitting[0][0].distribution, fitting
        if found:
            return UNFIT, found[0][0].distribution, ()
        if distribution and self._is_present(distribution):
            return self._lacking(binary, distribution), distribution, ()
        if distribution:
            return ABSENT, distribution, ()
        for library in sorted(self._absent.keys() & libraries_of(leaf_of(needed)).keys()):
            return ABSENT, self._absent[library], ()
        return self._of_known(binary, needed) or (UNANSWERED, "", ())

    def _lacking(self, binary: Binary, distribution: str) -> str:
        """Return what is wrong with a provider of the set that has not what a binary needs."""
        # Names differ between platforms: the set may have the provider for others only.
        fits = any(b.fits(binary) for b in self._index.platforms[distribution].values())
        return UNANSWERED if fits else UNFIT

    def _of_known(self, binary: Binary, needed: str) -> _Answer | None:
        """Look for a package that was not made here, and that the wheel requires."""
        leaf, platform = leaf_of(needed), PLATFORMS[binary.format]
        for name, it in self._known.items():
            if it.may_have(leaf, platform):
                return self._lacking(binary, name) if self._is_present(name) else ABSENT, name, ()
            if self._is_brought_by(name, it, leaf, platform):
                return ABSENT, name, ()
        return None

    def _is_brought_by(self, name: str, it: Known, leaf: str, platform: str) -> bool:
        """Tell whether a library comes with a package of which another brings it along."""
        # If that other one is here, it says which; torch for CPUs brings none of NVIDIA's.
        brought = self._index.required.get(name)
        if brought is None:
            return any(each.may_have(leaf, platform) for each in all_known() if it.may_bring(each))
        absent = (each for each in brought if it.is_brought(each) and not self._is_present(each))
        return any(each.may_have(leaf, platform) for each in map(known, absent) if each)

    def _is_present(self, distribution: str) -> bool:
        return distribution in self._index.platforms and distribution != self._wheel.distribution


def own_answers(link: Link) -> tuple[tuple[Wheel, Binary], ...]:
    """Return the files of a link's own wheel that have its name; none if it is of another kind."""
    needed = link.needed.lower() if link.binary.format == "PE" else link.needed
    return tuple(
        (link.wheel, binary)
        for binary in (link.wheel.binaries if link.kind == OWN else ())
        if binary.fits(link.binary) and _answers(binary, needed)
    )


def _answers(binary: Binary, needed: str) -> bool:
    if binary.format == "PE":
        return binary.leaf.lower() == needed
    return needed == binary.runtime_name or leaf_of(needed) == binary.leaf


def is_required(wheel: Wheel, distribution: str) -> bool:
    """Tell whether Requires-Dist names a distribution, or one that brings it along."""
    if wheel.requirement(distribution) is not None:
        return True
    required = (known(line.name) for line in wheel.requirements)
    return any(each.is_brought(distribution) for each in required if each)


def private_distribution(needed: str) -> str:
    """Return the distribution in a private name, or an empty text for a plain name."""
    private = _PRIVATE.match(leaf_of(needed))
    return canonicalize_name(private[1]) if private else ""


def _admitted(wheel: Wheel, found: list[tuple[Wheel, Binary]]) -> list[tuple[Wheel, Binary]]:
    """Drop versions that Requires-Dist does not admit, if it admits any of them."""
    admitted = [(o, b) for o, b in found if is_admitted(wheel, o)]
    return admitted or found


def is_admitted(wheel: Wheel, provider: Wheel) -> bool:
    """Tell whether a wheel's Requires-Dist admits this version of a provider, if it names it."""
    requirements = wheel.requirements_on(provider.distribution)
    return not requirements or any(
        requirement.specifier.contains(provider.version, prereleases=True)
        for requirement in requirements
    )
