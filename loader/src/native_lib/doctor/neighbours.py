"""Find libraries that open others of their wheel by a name that the system's loader cannot find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from native_lib.check.rule import WARNING
from native_lib.doctor.problem import Problem, libraries_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Library, Wheel
    from native_lib.doctor.installed import Environment


def plugins_unfound(environment: Environment) -> Iterator[Problem]:
    """Find ELF libraries that hold another one's bare file name, as dlopen() is given it.

    A name that a library needs is looked for among its search paths and the loaded libraries. One that
    it opens later is, too, but nobody has loaded it, and nobody sees that it is needed.
    """
    for provider, library in libraries_of(environment):
        ours = next((each for each in provider.binaries if each.path == library.file), None)
        if ours is None or ours.format != "ELF" or provider.known:
            continue
        file = environment.root_of(provider.distribution) / library.file
        content = file.read_bytes()
        for other in provider.binaries:
            if other.path != ours.path and not _finds(ours, other):
                name = next((n for n in _names(other) if b"\0%s\0" % n.encode() in content), "")
                if (
                    name
                    and name not in ours.needed
                    and not _is_opened_first(provider, library, name)
                ):
                    message = (
                        f"{file} seems to open {name} by its bare name, which the system's loader "
                        f"does not find: {other.path} is in no folder that it searches"
                    )
                    fix = (
                        f"this is for the authors of {provider.distribution}: open it by its path, or "
                        'have it opened first (page "A library that opens its own plugins" of '
                        "native-lib-template's docs)"
                    )
                    yield Problem(WARNING, "plugin-unfound", provider.distribution, message, fix)


def _names(binary: Binary) -> set[str]:
    return {name for name in (binary.leaf, binary.known_as) if name}


def _finds(binary: Binary, other: Binary) -> bool:
    """Tell whether dlopen() searches the other's folder; musl searches the program's paths only."""
    return binary.libc != "musl" and other.folder in binary.searched


def _is_opened_first(provider: Wheel, library: Library, name: str) -> bool:
    """Tell whether the provider's loader opens a library before another, which then finds its name."""
    all_of_them = [each for manifest in provider.manifests for each in manifest.libraries]
    first = [each for each in all_of_them if each.name in library.needs]
    return any(
        name == each.runtime_name or _is_opened_first(provider, each, name) for each in first
    )
