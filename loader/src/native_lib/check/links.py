"""What answers each name that a binary needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from native_lib.check.system import is_system_library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Wheel

OWN, SYSTEM, PROVIDER = "own", "system", "provider"
ABSENT = "absent"  # its provider is required, and not in the set
UNFIT = "unfit"  # its provider is in the set for other platforms only
UNANSWERED = "unanswered"

# auditwheel's 8 digits, delvewheel's 32.
_MANGLED = re.compile(r"-[0-9a-f]{8,64}(?=\.)")
# A private name: <import name of the provider>__<library>.
_PRIVATE = re.compile(r"([a-z0-9][a-z0-9_]*?)__[^_]")


@dataclass(frozen=True)
class Link:
    """A name that a binary needs, and what answers it."""

    wheel: Wheel
    binary: Binary
    needed: str
    kind: str
    distribution: str = ""  # whose library it is, as far as that is known
    answers: tuple[tuple[Wheel, Binary], ...] = ()  # of PROVIDER: one for each version in the set


def unmangled(leaf: str) -> str:
    """Return a file's name without what repair tools put into a copy's: libz-1a2b3c4d.so.1."""
    return _MANGLED.sub("", leaf)


def leaf_of(name: str) -> str:
    """Return the last part of an install name; other names have one part."""
    return PurePosixPath(name).name


def links_of(wheel: Wheel, wheels: tuple[Wheel, ...]) -> Iterator[Link]:
    """Find what answers the names that a wheel's binaries need, among these wheels."""
    for binary in wheel.binaries:
        for needed in binary.needed:
            yield _link(wheel, binary, needed, wheels)


def _link(wheel: Wheel, binary: Binary, needed: str, wheels: tuple[Wheel, ...]) -> Link:
    if any(_is_beside(other, binary, needed) for other in wheel.binaries):
        return Link(wheel, binary, needed, OWN)
    if is_system_library(needed, binary, wheel.tags):
        return Link(wheel, binary, needed, SYSTEM)
    others = [other for other in wheels if other.distribution != wheel.distribution]
    found = [(o, b) for o in others for b in o.binaries if _answers(b, needed)]
    distribution = private_distribution(needed)
    if distribution:
        # A private name says whose it is; another wheel's file of that name is a copy.
        ours = [(o, b) for o, b in found if o.distribution == distribution]
        found = ours or [(o, b) for o, b in found if o.manifests]
    fitting = tuple(_admitted(wheel, [(o, b) for o, b in found if b.fits(binary)]))
    if fitting:
        return Link(wheel, binary, needed, PROVIDER, fitting[0][0].distribution, fitting)
    if found:
        return Link(wheel, binary, needed, UNFIT, found[0][0].distribution)
    present = {other.distribution for other in others}
    if distribution and distribution in present:
        # Names differ between platforms: the set may have the provider for others only.
        fits = any(
            b.fits(binary) for o in others if o.distribution == distribution for b in o.binaries
        )
        return Link(wheel, binary, needed, UNANSWERED if fits else UNFIT, distribution)
    if distribution:
        return Link(wheel, binary, needed, ABSENT, distribution)
    # A provider with plain names: the consumer's record says that there is one.
    for required in wheel.requires:
        if required.distribution not in present:
            return Link(wheel, binary, needed, ABSENT, required.distribution)
    return Link(wheel, binary, needed, UNANSWERED)


def private_distribution(needed: str) -> str:
    """Return the distribution that a private name says, or nothing for a plain name."""
    private = _PRIVATE.match(leaf_of(needed))
    return canonicalize_name(private[1]) if private else ""


def _is_beside(other: Binary, binary: Binary, needed: str) -> bool:
    """Tell whether a file of the same wheel is what a search by name finds."""
    if binary.format == "PE":
        return other.leaf.lower() == needed.lower()
    return other.leaf == leaf_of(needed) or (bool(needed) and other.runtime_name == needed)


def _answers(provider: Binary, needed: str) -> bool:
    """Tell whether a library of another wheel has this name once it has been opened."""
    if provider.format == "PE":
        return provider.leaf.lower() == needed.lower()
    return provider.runtime_name == needed


def _admitted(wheel: Wheel, found: list[tuple[Wheel, Binary]]) -> list[tuple[Wheel, Binary]]:
    """Drop versions that Requires-Dist does not admit, if there is one that it does."""
    admitted = [(o, b) for o, b in found if is_admitted(wheel, o)]
    return admitted or found


def is_admitted(wheel: Wheel, provider: Wheel) -> bool:
    """Tell whether a wheel's Requires-Dist admits this version of a provider, if it names it."""
    requirement = wheel.requirement(provider.distribution)
    return requirement is None or requirement.specifier.contains(provider.version, prereleases=True)
