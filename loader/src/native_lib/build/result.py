"""Check what a back end built, and bind it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.tags import sys_tags

from native_lib.bind.bind import entries_of, missing_bounds, plan_of, read
from native_lib.bind.metadata import with_requirements
from native_lib.bind.providers import read_named
from native_lib.bind.wheel_file import replacing
from native_lib.build.config import BuildError, distribution_of
from native_lib.check.links import leaf_of, libraries_of, private_distribution
from native_lib.check.markers import may_hold
from native_lib.check.read_wheel import read_wheel
from native_lib.check.records import requirements_of
from native_lib.check.wheel import UnusableError
from native_lib.doctor.resolve import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.bind.providers import Provider
    from native_lib.build.config import Config
    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Wheel


def providers_of(config: Config) -> tuple[Provider, ...]:
    """Read the providers that a project names, as they are installed."""
    return read_named([distribution_of(told) for told in config.providers])


def with_bounds(metadata: bytes, config: Config) -> bytes:
    """Return METADATA with what a wheel requires that needs each provider."""
    tags = frozenset([next(sys_tags())])
    told = requirements_of(metadata, lambda marker: may_hold(marker, tags))
    manifests = [each for provider in providers_of(config) for each in provider.wheel.manifests]
    return with_requirements(metadata, missing_bounds(told, tags, entries_of(manifests).values()))


def bound(built: Path, folder: Path, config: Config) -> Path:
    """Write a bound wheel into a folder.

    Args:
        built: the wheel as the back end made it.
        folder: where it goes, under the same name.
        config: the project's.

    Raises:
        BuildError, BindError: it does not need what pyproject.toml names, or cannot be bound.
    """
    try:
        wheel = read_wheel(built, read, has_hashes=False)
    except UnusableError as error:
        raise BuildError(f"{built.name}: {error}") from None
    _refuse_unnamed(wheel, config)
    if not config.providers:
        with replacing(folder / built.name) as new:
            shutil.copyfile(built, new)
        return folder / built.name
    named = providers_of(config)
    plan = plan_of(built, named)
    plan.warn()
    for provider in named:
        if provider.wheel.distribution not in plan.needed:
            raise BuildError(f"{built.name}: {_not_needed(wheel, provider)}")
    return plan.write(folder)


def _refuse_unnamed(wheel: Wheel, config: Config) -> None:
    """Refuse a wheel that needs a provider for which pyproject.toml, or the builder, did not ask."""
    named = {distribution_of(told) for told in config.providers}
    own = {leaf_of(binary.known_as).lower() for binary in wheel.binaries}
    for binary, needed in _needs(wheel):
        name = private_distribution(needed)
        told = f"{wheel.path.name}: {binary.path} needs {leaf_of(needed)} of {name}"
        if name in config.system:
            raise BuildError(
                f"{told}, and NATIVE_LIB_SYSTEM asks for the system's {config.system[name]}: the file is "
                "from an earlier build; remove its build folder, such as build/, and build again"
            )
        if name and name not in named and leaf_of(needed).lower() not in own:
            raise BuildError(
                f"{told}, which [tool.native-lib] does not name: add it to libraries, as in "
                f'libraries = {{ foo = "{name}" }}'
            )


def _not_needed(wheel: Wheel, provider: Provider) -> str:
    """Say what the binaries need in the place of a provider's library."""
    libraries = [lib for manifest in provider.wheel.manifests for lib in manifest.libraries]
    names = " or ".join(leaf_of(each.runtime_name) for each in libraries)
    said = f"none of its binaries needs {names} of {provider.wheel.distribution}; "
    upstreams = {each.name.lower() for each in libraries}
    for binary, needed in _needs(wheel):
        if upstreams & libraries_of(leaf_of(needed)).keys():
            # As if it were installed: only what the system has can be found so.
            where = Path(find(binary, Path("/") / binary.path, needed)).parent
            of = f" of {where}" if where.is_absolute() else ""
            return (
                f"{said}it linked {leaf_of(needed)}{of}: its build did not look where CMAKE_PREFIX_PATH, "
                "PKG_CONFIG_PATH, CPATH and LIBRARY_PATH point"
            )
    if not wheel.binaries:
        return (
            f"{said}it has none: a package that opens the library with ctypes or cffi's ABI mode needs no "
            f'"native_lib.build"; build it with its back end alone, and write '
            f"{provider.wheel.distribution} with a bound into its dependencies"
        )
    return (
        f"{said}nor another library of that name: it is not used, or a copy is linked statically; if it is "
        "not used, do not name it in [tool.native-lib]"
    )


def _needs(wheel: Wheel) -> Iterator[tuple[Binary, str]]:
    return ((binary, needed) for binary in wheel.binaries for needed in binary.needed)


def refuse_difference(prepared: Path, built: bytes, what: str) -> None:
    """Refuse a wheel whose METADATA is not what the back end said before.

    Args:
        prepared: the file METADATA that was said.
        built: that of the wheel.
        what: the wheel's name, for the message.
    """
    before, after = prepared.read_bytes().splitlines(), built.splitlines()
    if before == after:
        return
    lines = [
        *(f"{line!r} is only in the first" for line in before if line not in after),
        *(f"{line!r} is only in the wheel" for line in after if line not in before),
        "the order differs",
    ]
    raise BuildError(
        f"{what}: METADATA differs from what prepare_metadata_for_build_wheel returned: {lines[0]}; build "
        "again, in a clean folder"
    )
