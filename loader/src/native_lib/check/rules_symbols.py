"""Rules on symbols that belong to another library."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from native_lib.check.links import leaf_of
from native_lib.check.rule import ERROR, Finding, Rule, WheelSet, some_of
from native_lib.check.system import interpreters_functions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.binary import Binary, Import
    from native_lib.check.wheel import Library, Wheel

_Export = tuple["Wheel", "Library", "Binary"]
_LINK_FILE = re.compile(r"(?:lib)?(.+?)\.(?:so|dylib|tbd|lib|dll\.a)")


def symbol_unlinked(wheels: WheelSet) -> Iterator[Finding]:
    exports = _provided(wheels)
    for wheel in wheels.wheels:
        for binary in wheel.binaries if exports and not wheel.opens_for_all else ():
            unlinked: dict[tuple[str, str], tuple[_Export, list[str]]] = {}
            for symbol in _without_library(binary):
                found = _whose(wheel, binary, exports.get(symbol.name, ()))
                if found and not wheels.scopes.may_have(wheel, binary, symbol):
                    key = found[0].distribution, found[1].name
                    unlinked.setdefault(key, (found, []))[1].append(symbol.name)
            for (provider, library, of), names in unlinked.values():
                yield Finding(
                    *(wheel.path.name, binary.path, names[0]),
                    f"needs {some_of(names)}, which nothing that it is linked with has; "
                    f"{leaf_of(of.known_as) or of.leaf} of {provider.distribution} "
                    f"{provider.version} exports {'it' if len(names) == 1 else 'them'}: "
                    f"{_how_to_link(library)}",
                )


def _provided(wheels: WheelSet) -> dict[str, list[_Export]]:
    """Return the set's providers by the names of the symbols that they export."""
    exports: dict[str, list[_Export]] = {}
    for provider in wheels.wheels:
        for library, binary in provider.libraries if not provider.opens_for_all else ():
            # On Windows each symbol is imported from a library by name, or the linker fails.
            for name in binary.own_names if binary.format != "PE" else ():
                exports.setdefault(name, []).append((provider, library, binary))
    return exports


def _without_library(binary: Binary) -> list[Import]:
    """Return the symbols for which a file names no library, and which Python and libm do not have."""
    ours = (
        symbol
        for symbol in binary.imports
        if not (symbol.library or symbol.is_weak or symbol.name.startswith(("Py", "_Py")))
        and symbol.name not in interpreters_functions()
    )
    return sorted(ours, key=lambda symbol: symbol.name)


def _whose(wheel: Wheel, binary: Binary, exports: list[_Export] | tuple[()]) -> _Export | None:
    fitting = (
        each
        for each in exports
        if each[0].distribution != wheel.distribution and each[2].fits(binary)
    )
    return next(fitting, None)


def _how_to_link(library: Library) -> str:
    names = (_LINK_FILE.fullmatch(leaf_of(file)) for file in library.link_files)
    option = next((f"-l{name[1]}" for name in names if name), "")
    return f"link it ({option})" if option else f"link {library.name}, not its headers alone"


RULES = (Rule("symbol-unlinked", ERROR, symbol_unlinked),)
