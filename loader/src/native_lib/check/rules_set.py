"""Rules on providers and consumers together."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from native_lib.check import links
from native_lib.check.compatibility import incompatible, next_incompatible
from native_lib.check.rule import ERROR, NOTE, Finding, Rule, WheelSet
from native_lib.check.system import interpreters_functions
from native_lib.known.manifest import promised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    from native_lib.check.binary import Binary, Import
    from native_lib.check.links import Link
    from native_lib.check.scope import Scopes
    from native_lib.check.wheel import Library, Wheel

# A file that exports this part of a provider's symbols is a copy of it: versions differ in a few.
_COPY = 0.9


def _at(link: Link, message: str, severity: str = "") -> Finding:
    return Finding(link.wheel.path.name, link.binary.path, link.needed, message, severity)


def needed_unanswered(wheels: WheelSet) -> Iterator[Finding]:
    for link in wheels.links:
        if link.kind == links.UNANSWERED:
            why = "no wheel here, no file in this wheel and no system provides it"
            # A private name says whose it is.
            absent = "" if link.distribution else wheels.not_given(link.wheel, link.binary)
            if link.distribution:
                why = f"{link.distribution} is here, but has no such library"
            yield _at(link, f"needs {link.needed}: {absent or why}", NOTE if absent else "")


def library_copied(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for binary in wheel.binaries:
            copied = _copied(wheel, binary, wheels)
            if copied:
                name, whose = copied
                message = f"has a copy of {name}, {whose}"
                yield Finding(wheel.path.name, binary.path, name, message)


def _copied(wheel: Wheel, binary: Binary, wheels: WheelSet) -> tuple[str, str] | None:
    """Return which library a binary is a copy of, and whose library that is."""
    for provider in wheels.wheels:
        if _is_consumer(wheel, provider):
            for library, original in provider.libraries:
                if binary.fits(original) and _is_copy(binary, library, original, provider):
                    return library.runtime_name, f"which {provider.distribution} provides"
    # A private name says it, even if the provider is not here or the wheel does not mention it.
    name = links.unmangled(binary.leaf)
    owner = links.private_distribution(name)
    if name != binary.leaf and owner and owner != wheel.distribution:
        return name, f"by its name a library of {owner}"
    return None


def _is_consumer(wheel: Wheel, provider: Wheel) -> bool:
    is_provider = wheel.distribution != provider.distribution and bool(provider.manifests)
    return is_provider and wheel.uses(provider.distribution)


def _is_copy(binary: Binary, library: Library, original: Binary, provider: Wheel) -> bool:
    leaf = links.unmangled(binary.leaf)
    if leaf.lower() == original.leaf.lower():
        return True
    # The system's file of this library has other names and no prefix. Digits in its name belong to the
    # version, as in libpng16, or it is another library: libz3 is not libz.
    digits = links.libraries_of(leaf).get(library.name.lower())
    version = "".join(map(str, provider.version.release))
    if not binary.is_extension_module and digits is not None and version.startswith(digits):
        return True
    names = original.own_names
    return bool(names) and len(names & binary.own_names) >= _COPY * len(names)


def requirement_missing(wheels: WheelSet) -> Iterator[Finding]:
    for link in wheels.links:
        if link.distribution and not links.is_required(link.wheel, link.distribution):
            yield _at(
                link,
                f"needs {link.needed} of {link.distribution}, which Requires-Dist does not name",
            )


def requirement_bound(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        for required in wheel.requires:
            for requirement in wheel.requirements_on(required.distribution):
                for version in incompatible(required.version, required.compatibility):
                    # A project can admit more than the rule does.
                    if requirement.specifier.contains(version) and not required.admits(version):
                        yield Finding(
                            *(wheel.path.name, required.path, str(requirement)),
                            f"Requires-Dist: {requirement} admits {version}; built against "
                            f"{required.version}, {required.compatibility}",
                        )
                        break
    for link in wheels.links:
        # Without a record, the provider shows only which newer versions are incompatible.
        if link.distribution in link.wheel.recorded:
            continue
        manifests = [
            promised(manifest, provider, link.wheel.binaries)
            for provider, _ in link.answers
            # A package that was not made here promises nothing about what it was not built against.
            if not provider.known or links.is_admitted(link.wheel, provider)
            for manifest in provider.manifests
        ]
        for requirement, manifest in product(
            link.wheel.requirements_on(link.distribution), manifests
        ):
            newer = next_incompatible(manifest.version, manifest.compatibility)
            admitted = newer and _admitted_newer(requirement.specifier, newer)
            if admitted:
                yield _at(
                    link,
                    f"Requires-Dist: {requirement} admits {admitted}, which is incompatible with "
                    f"{manifest.version} ({manifest.compatibility})",
                )


def _admitted_newer(specifier: SpecifierSet, newer: Version) -> str:
    far = f"{newer.major + 7}.0"
    return next((v for v in (str(newer), far) if specifier.contains(v)), "")


def provider_version(wheels: WheelSet) -> Iterator[Finding]:
    for link in wheels.links:
        if not link.answers:
            continue
        if not any(links.is_admitted(link.wheel, provider) for provider, _ in link.answers):
            there = ", ".join(sorted({str(provider.version) for provider, _ in link.answers}))
            lines = " or ".join(map(str, link.wheel.requirements_on(link.distribution)))
            yield _at(link, f"Requires-Dist: {lines} admits none of the versions here: {there}")


def symbol_missing(wheels: WheelSet) -> Iterator[Finding]:
    of_binary: dict[tuple[str, str, str], list[Link]] = {}
    for link in wheels.links:
        key = (str(link.wheel.path), link.binary.path, link.binary.architecture)
        of_binary.setdefault(key, []).append(link)
    for found in of_binary.values():
        providing = [link for link in found if link.kind == links.PROVIDER]
        for link in providing:
            for provider, library in link.answers:
                for symbol in _attributed(link, providing, wheels.scopes):
                    if not library.has(symbol):
                        # Another library, loaded before, may have a symbol whose library is not told.
                        absent = "" if symbol.library else wheels.not_given(link.wheel, link.binary)
                        yield Finding(
                            *(link.wheel.path.name, link.binary.path, str(symbol)),
                            f"needs {symbol}, which {link.needed} of {provider.distribution} "
                            f"{provider.version} does not export" + (absent and f": {absent}"),
                            NOTE if absent else "",
                        )


def _attributed(link: Link, providing: list[Link], scopes: Scopes) -> Iterator[Import]:
    """Return the symbols that must come from a link's library, as far as the file tells."""
    binary = link.binary
    for symbol in sorted(binary.imports, key=lambda symbol: symbol.name):
        if symbol.is_weak or symbol.name.startswith(("Py", "_Py")):
            continue
        if symbol.library:
            if symbol.library == link.needed:
                yield symbol
        # ELF names no library for a symbol without a version. It must be a provider's if nothing else
        # that the file needs can have it.
        elif (
            binary.format == "ELF"
            and binary.libc != "musl"
            and not symbol.version
            and link is providing[0]
            and symbol.name not in interpreters_functions()
            and not scopes.may_have(link.wheel, binary, symbol, but=link.answers)
        ):
            yield symbol


def provider_platform(wheels: WheelSet) -> Iterator[Finding]:
    there: dict[str, set[str]] = {}
    for wheel in wheels.wheels:
        platforms = there.setdefault(wheel.distribution, set())
        platforms.update(binary.platform for binary in wheel.binaries)
    for link in wheels.links:
        if link.kind == links.UNFIT:
            theirs = ", ".join(sorted(there[link.distribution]))
            yield _at(
                link,
                f"needs {link.needed} for {link.binary.platform}; {link.distribution} is here for "
                f"{theirs or 'no platform'}",
            )


def provider_absent(wheels: WheelSet) -> Iterator[Finding]:
    for link in wheels.links:
        if link.kind == links.ABSENT and links.is_required(link.wheel, link.distribution):
            yield _at(
                link,
                f"needs {link.needed} of {link.distribution}, which is not here: its names and "
                "symbols were not verified",
                ERROR if wheels.is_complete else "",
            )


RULES = (
    Rule("needed-unanswered", ERROR, needed_unanswered),
    Rule("library-copied", ERROR, library_copied),
    Rule("requirement-missing", ERROR, requirement_missing),
    Rule("requirement-bound", ERROR, requirement_bound),
    Rule("provider-version", ERROR, provider_version),
    Rule("symbol-missing", ERROR, symbol_missing),
    Rule("provider-platform", ERROR, provider_platform),
    Rule("provider-absent", NOTE, provider_absent),
)
