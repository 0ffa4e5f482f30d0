"""Tell a library's own symbols from those of static dependencies that leaked into its exports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from native_lib.check.system import library_of_symbol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from native_lib.check.binary import Export
    from native_lib.check.wheel import Library, Wheel

_WORD = re.compile(rb"[A-Za-z_]\w*")
_PASTED = re.compile(rb"##")
# What g++ and clang++ emit into each user of a template of their library: namespaces std, __gnu_cxx,
# __cxxabiv1, std::__1.
_STANDARD = re.compile(
    r"_Z(?:GV|GR|T[VISTC])?Z?N?[rVK]*[RO]?(?:S[tabsiod]|9__gnu_cxx|10__cxxabiv1)"
)
# Headers that declare fewer of the exports say little about the others: macros make the names.
_MOST_ARE_DECLARED = 0.5
# What leaked, where no well-known library has it.
CXX, NO_HEADER = "the C++ library", "no header"
# What libraries are called besides what their projects are.
_ALSO = {
    "zlib": {"z", "libz"},
    "bzip": {"bz", "libbz"},
    "xz": {"lzma", "liblzma"},
    "openssl": {"ssl", "crypto", "libressl", "boringssl"},
}
_FEW = 3  # fewer names that look like another library's may be the library's own


@dataclass(frozen=True)
class Headers:
    """What a provider's headers say.

    Attributes:
        declared: the exported names that are in them.
        paste: whether macros in them may make names that are not.
    """

    declared: frozenset[str] = frozenset()
    paste: bool = False


def headers_of(texts: Iterable[bytes], exported: frozenset[str]) -> Headers:
    """Look for exported names in a provider's headers."""
    declared: set[str] = set()
    paste = False
    for text in texts:
        declared.update(word.decode() for word in set(_WORD.findall(text)))
        paste = paste or _PASTED.search(text) is not None
    return Headers(exported & declared, paste)


def is_standard(name: str) -> bool:
    """Tell whether a C++ symbol is the standard library's."""
    return _STANDARD.match(name) is not None


def leaked(wheel: Wheel, library: Library, exports: Iterable[Export]) -> dict[str, str]:
    """Return the exported names that are not the library's own, with what they are.

    A name that a header of the wheel declares is its own. Others leaked if a known library has them
    and it is not that library, if they are the C++ library's, or if no header declares them, where
    headers declare most names of C.

    Args:
        wheel: a provider.
        library: one of its libraries.
        exports: the library's.
    """
    headers = wheel.headers
    others = [export for export in exports if export.name not in headers.declared]
    theirs: dict[str, list[str]] = {}
    for name in sorted({export.name for export in others}):
        known = library_of_symbol(name)
        if known and not _is(known, wheel, library):
            theirs.setdefault(known, []).append(name)
    found = {name: known for known, names in theirs.items() if len(names) >= _FEW for name in names}
    # Types of exceptions and the like are the library's, even if they are made of standard ones.
    standard = (e.name for e in others if (e.is_weak or e.is_unique) and is_standard(e.name))
    found.update(dict.fromkeys(standard, CXX))
    of_c = {export.name for export in exports if not export.name.startswith("_Z")}
    declared = headers.declared & of_c
    if not headers.paste and len(declared) > _MOST_ARE_DECLARED * len(of_c - found.keys()):
        found.update(dict.fromkeys(of_c - declared - found.keys(), NO_HEADER))
    return found


def _is(known: str, wheel: Wheel, library: Library) -> bool:
    """Tell whether a provider's library is the one of this name, or a variant: zlib-ng of zlib."""
    names = {library.name.lower(), wheel.distribution.lower()}
    words = {word for name in names for word in re.split(r"[-_.\d]+", name)}
    return bool(words & _ALSO.get(known, set())) or any(known in name for name in names)
