"""Write the manifest that a package which was not made with this project does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from native_lib.check.leaks import is_standard
from native_lib.check.links import leaf_of
from native_lib.check.wheel import Library, Manifest, root_of
from native_lib.known import ANY_NEWER, PLATFORMS, is_path_like, library_name, requirement_of
from native_lib.known.read import known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from packaging.version import Version

    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Wheel


def manifest_of_known(
    distribution: str,
    version: Version,
    files: Iterable[str],
    binaries: Iterable[Binary],
    read: Callable[[str], bytes],
) -> tuple[Manifest, ...]:
    """Return what a manifest would say; nothing of a package that nobody described.

    Args:
        distribution: its normalised name.
        version: its version.
        files: what RECORD lists, or what is in the wheel.
        binaries: those of the files that are binaries.
        read: reads a file.

    Raises:
        KnownError: a description is wrong.
    """
    it = known(distribution)
    if it is None:
        return ()
    libraries: dict[str, Library] = {}
    for binary in binaries:
        # The pattern chooses; the name that others find it by proves that it is no copy under another.
        chosen = it.chooses(root_of(binary.path), PLATFORMS[binary.format])
        if chosen and leaf_of(binary.known_as) == binary.leaf:
            name = library_name(binary.leaf)
            libraries.setdefault(name, Library(name, binary.path, binary.known_as, anchor=""))
    headers = [
        file
        for file in files
        for pattern in (it.stable.headers if it.stable else ())
        if is_path_like(root_of(file), pattern)
    ]
    return (
        Manifest(
            path=it.folder,
            distribution=distribution,
            version=version,
            compatibility=it.compatibility,
            libraries=tuple(libraries.values()),
            requirement=requirement_of(distribution, str(version), it.compatibility, it.bound),
            known=it,
            stable=frozenset(
                name
                for file in headers
                if it.stable
                for name in it.stable.names(read(file).decode("utf-8", "replace"))
            ),
        ),
    )


def promised(manifest: Manifest, provider: Wheel, users: Iterable[Binary]) -> Manifest:
    """Return a manifest with what it promises to these binaries: more, if they use its stable ABI only.

    Args:
        manifest: the provider's.
        provider: what it has.
        users: binaries that are linked with its libraries, with their symbols.
    """
    it = manifest.known
    if it is None or not manifest.stable:
        return manifest
    exported = {name for _, binary in provider.libraries for name in binary.own_names}
    taken = {symbol.name for binary in users for symbol in binary.imports} & exported
    # Its libraries also have inline functions of the C++ library, as every C++ file has.
    if all(name in manifest.stable or is_standard(name) for name in taken):
        name, version = manifest.distribution, str(manifest.version)
        return manifest.with_promise(ANY_NEWER, requirement_of(name, version, ANY_NEWER, it.bound))
    return manifest
