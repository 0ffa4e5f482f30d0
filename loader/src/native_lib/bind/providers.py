"""Find the providers of what a wheel's binaries need: installed here, or wheels that were named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from native_lib.bind import BindError
from native_lib.check.links import leaf_of, private_distribution
from native_lib.check.read_wheel import read_wheel
from native_lib.check.wheel import UnusableError
from native_lib.doctor.installed import find_installed, read_installed
from native_lib.known import PLATFORMS
from native_lib.known.read import known
from native_lib.support.shared_lib_fixes import pip

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from native_lib.check.wheel import Wheel


@dataclass(frozen=True)
class Provider:
    """A provider, and where its files are.

    Attributes:
        wheel: what it has; if it is installed, its paths are below `root`.
        root: where it is installed; None if it is a wheel.
        is_named: whether the caller named it.
    """

    wheel: Wheel
    root: Path | None = None
    is_named: bool = False


def read_named(named: Iterable[str]) -> tuple[Provider, ...]:
    """Read the providers that somebody named.

    Args:
        named: paths of wheels, and names of distributions that are installed here.

    Raises:
        BindError: one cannot be read, or is not a provider.
    """
    found = []
    for name in named:
        if name.endswith(".whl"):
            try:
                provider = Provider(read_wheel(Path(name)), is_named=True)
            except UnusableError as error:
                raise BindError(f"{name}: {error}") from None
        else:
            provider = _installed(name, is_named=True) or Provider(_missing(name))
        if not provider.wheel.manifests:
            raise BindError(f"{name} is not a provider: it has no manifest _native_libs.py")
        found.append(provider)
    return tuple(found)


def _missing(name: str) -> Wheel:
    raise BindError(f"the provider {name} is not installed here: {pip(f'install {name}')}")


def providers_for(wheel: Wheel, named: Sequence[Provider]) -> tuple[Provider, ...]:
    """Return the providers that a wheel may need: those named, and of the installed ones those whose
    private names its binaries need or that its metadata names, with the providers that they require.

    Raises:
        BindError: one that is installed cannot be read.
    """
    names = {private_distribution(name) for binary in wheel.binaries for name in binary.needed}
    names |= {canonicalize_name(line.name) for line in wheel.requirements} | wheel.recorded
    needed = {(leaf_of(name), b.format) for b in wheel.binaries for name in b.needed}
    found = {provider.wheel.distribution: provider for provider in named}
    waiting = sorted(names - {"", wheel.distribution})
    waiting += [need for provider in named for need in sorted(provider.wheel.recorded)]
    seen = set(waiting)
    for name in waiting:
        provider = found.get(name) or _installed(name, needed)
        if provider and provider.wheel.manifests:
            found[name] = provider
            more = provider.wheel.recorded - seen - {wheel.distribution}
            if provider.wheel.known:
                required = {canonicalize_name(line.name) for line in provider.wheel.requirements}
                more |= {each for each in required - seen if provider.wheel.known.is_brought(each)}
            seen |= more
            waiting += sorted(more)
    there = {provider.wheel.distribution for provider in named}
    return (*named, *(each for name, each in found.items() if name not in there))


def _installed(
    name: str, needed: Iterable[tuple[str, str]] = (), *, is_named: bool = False
) -> Provider | None:
    """Read a provider, unless it is none, or is not made here and has nothing of what is needed."""
    installed = find_installed(name)
    if installed is None:
        return None
    # Reading all of numpy because a wheel requires it would take seconds.
    if not installed.named("_native_libs.py"):
        it = known(name)
        if it is None or not (
            is_named or any(it.may_have(leaf, PLATFORMS[form]) for leaf, form in needed)
        ):
            return None
    try:
        return Provider(read_installed(installed), installed.root, is_named)
    except UnusableError as error:
        raise BindError(f"{installed.name} {installed.version}: {error}") from None
