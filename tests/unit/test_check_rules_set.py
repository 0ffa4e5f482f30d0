"""Where the rules on providers and consumers together begin and end; no file is made."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import models
import pytest
from models import CONSUMERS_WHEEL, EXTENSION, NAME, binary, consumer, find, provider, wheel
from native_lib.check.binary import Import
from native_lib.check.links import libraries_of
from native_lib.check.rule import Finding
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from native_lib.check.wheel import Wheel

COPY = "foo_ext.libs/libfoo__foo-1a2b3c4d.so.1"
TEN = " ".join(f"foo_{number}" for number in range(10))


def bound(consumer: Wheel, *lines: str) -> Wheel:
    """Return a consumer with other lines of Requires-Dist."""
    return replace(consumer, requirements=tuple(map(Requirement, lines)))


# needed-unanswered and provider-absent ------------------------------------------------------------


@pytest.mark.parametrize(
    ("needed", "why"),
    [
        ("libfoo__other.so.1", "libfoo is here, but has no such library"),
        ("libother.so.1", "no wheel here, no file in this wheel and no system provides it"),
    ],
)
def test_why_a_name_is_unanswered(needed: str, why: str) -> None:
    found = find("needed-unanswered", provider(), consumer(needed))
    message = f"needs {needed}: {why}"
    assert found == [Finding(CONSUMERS_WHEEL, EXTENSION, needed, message)]


@pytest.mark.parametrize(
    ("lines", "rule", "message"),
    [
        (
            ["LibFoo"],
            "provider-absent",
            f"needs {NAME} of libfoo, which is not here: its names and symbols were not verified",
        ),
        # Without a requirement that is the fault, and there is nothing to add to it.
        (
            ["libbar"],
            "requirement-missing",
            f"needs {NAME} of libfoo, which Requires-Dist does not name",
        ),
    ],
)
def test_name_whose_provider_is_not_here(lines: list[str], rule: str, message: str) -> None:
    alone = bound(consumer("libc.so.6", NAME), *lines)
    assert find(rule, alone) == [Finding(CONSUMERS_WHEEL, EXTENSION, NAME, message)]
    for other in {"provider-absent", "requirement-missing", "needed-unanswered"} - {rule}:
        assert find(other, alone) == []


@pytest.mark.parametrize(
    ("needed", "more", "format", "rule"),
    [
        ("libfoo.so.1", [], "ELF", "provider-absent"),
        ("libfoo.so", [], "ELF", "provider-absent"),
        ("@rpath/libfoo.1.dylib", [], "Mach-O", "provider-absent"),
        ("libfoo16.so.16", [], "ELF", "provider-absent"),
        ("@rpath/libfoo16.16.dylib", [], "Mach-O", "provider-absent"),
        ("@rpath/libpng16.16.dylib", [], "Mach-O", "provider-absent"),
        ("@rpath/libglib-2.0.0.dylib", [], "Mach-O", "provider-absent"),
        ("foo.dll", [], "PE", "provider-absent"),
        ("libfoo-1.dll", [], "PE", "provider-absent"),
        # No linker makes these of a library foo …
        ("libcrypto.so.1.1", [], "ELF", "needed-unanswered"),
        ("libfoobar.so.1", [], "ELF", "needed-unanswered"),
        ("foo.so", [], "ELF", "needed-unanswered"),
        ("foo", [], "ELF", "needed-unanswered"),
        # … and who gives one library a private name gives it to all.
        ("libfoo.so.1", [NAME], "ELF", "needed-unanswered"),
    ],
)
def test_plain_name_of_a_provider_that_is_recorded(
    needed: str, more: list[str], format: str, rule: str
) -> None:
    record = replace(models.required("libfoo"), libraries=("foo", "png16", "glib-2.0"))
    user = replace(consumer(*more, needed, format=format), requires=(record,))
    for each in ("provider-absent", "needed-unanswered"):
        found = [f.value for f in find(each, user) if f.value == needed]
        assert found == [needed] * (each == rule)
    # The provider is here, and has another name.
    other = binary(models.FILE, "libother.so.1", format=format)
    assert needed in [f.value for f in find("needed-unanswered", provider(other), user)]


@pytest.mark.parametrize(
    ("lines", "record", "architecture", "exports", "found"),
    [
        (["libfoo"], [], "x86_64", "inflate", 0),
        (["libfoo"], [], "x86_64", "deflate", 1),
        (["libbar"], ["libfoo"], "x86_64", "deflate", 1),
        (["libbar"], ["libbar"], "x86_64", "deflate", 0),  # the system's is meant
        (["libfoo"], [], "aarch64", "deflate", 0),
    ],
)
def test_systems_name_of_a_provider_that_is_required(
    lines: list[str], record: list[str], architecture: str, exports: str, found: int
) -> None:
    name = "libz.so.1"
    of = binary(f"libfoo/lib/{name}", name, exports=exports, architecture=architecture)
    imports = frozenset({Import("inflate")})
    user = bound(consumer("libc.so.6", name, libc="glibc", imports=imports), *lines)
    user = replace(user, requires=tuple(map(models.required, record)))
    assert len(find("symbol-missing", provider(of), user)) == found
    for rule in ("needed-unanswered", "provider-platform"):
        assert find(rule, provider(of), user) == []
    # Not one that merely has a copy of it.
    assert find("symbol-missing", wheel("libfoo", of), user) == []


@pytest.mark.parametrize("lines", [["libbar>=1,<2"], ["libbaz", "libbar>=1,<2"], ["libbar>=2"]])
@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_plain_name_of_two_providers(lines: list[str], architecture: str) -> None:
    """The one is meant that is required, whatever the other is."""
    name = "libq.so.1"
    of = binary(models.FILE, name)
    theirs = provider(of), wheel("libbar", of, libraries=[models.library(of)])
    user = bound(consumer("libc.so.6", name, architecture=architecture), *lines)
    for wheels in ((*theirs, user), (*theirs[::-1], user)):
        assert find("requirement-missing", *wheels) == []
        messages = [f.message for f in find("provider-platform", *wheels)]
        assert ["libbar is here for" in message for message in messages] == (
            [True] * (architecture == "aarch64")
        )


def test_names_without_end() -> None:
    """As many names as files may need, in each of many files, and as many files that have none."""
    names = [f"lib{number}.so" for number in range(1000)]
    users = [binary(f"foo_ext/{n}.so", needed=(NAME, *names[n:], *names[:n])) for n in range(100)]
    others = [binary(f"libfoo/{n}.so", NAME) for n in range(1000)]
    requires = tuple(models.required(f"libfoo{number}") for number in range(1000))
    wheels = (wheel("foo-ext", *users, requires=requires), wheel("libfoo", *others))
    began = time.process_time()
    for rule, found in (("needed-unanswered", 100_000), ("requirement-bound", 0)):
        assert len(find(rule, *wheels)) == found
    assert time.process_time() - began < 20  # some two seconds


@pytest.mark.parametrize(
    ("leaf", "libraries"),
    [
        ("libpng16.so.16", {"png16": "", "png": "16"}),
        ("libpng16.16.dylib", {"png16.16": "", "png16": "", "png": "16"}),
        ("libglib-2.0.so.0", {"glib-2.0": "", "glib": "", "glib-2": ""}),
        ("libglib-2.0.0.dylib", {"glib-2.0.0": "", "glib": "", "glib-2.0": ""}),
        ("libz.so.1", {"z": ""}),
        (f"lib{'1' * 249}.so", {"1" * 249: "", "": "1" * 249}),
        (f"lib{'1' * 250}.so", {}),  # no file's name
        # Were it tried at each digit, it would take hours.
        (f"lib{'1' * 1_000_000}x.so", {}),
    ],
)
def test_libraries_that_a_name_is_made_of(leaf: str, libraries: dict[str, str]) -> None:
    """And the digits between a library's name and what follows it."""
    with_lib = {f"lib{library}": digits for library, digits in libraries.items()}
    assert libraries_of(leaf) == {**with_lib, **libraries}


# library-copied -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("copied", "found"), [(10, 1), (9, 1), (8, 0), (5, 0), (0, 0)])
def test_how_many_symbols_make_a_copy(copied: int, found: int) -> None:
    """Nine tenths of the provider's; what the file has of its own does not count."""
    own = " ".join(f"own_{number}" for number in range(20))
    exports = f"{own} {' '.join(TEN.split()[:copied])}"
    original = binary(models.FILE, NAME, exports=TEN)
    copies = find("library-copied", provider(original), consumer(exports=exports))
    message = f"has a copy of {NAME}, which libfoo provides"
    assert copies == [Finding(CONSUMERS_WHEEL, EXTENSION, NAME, message)] * found


def test_one_symbol_of_two_makes_no_copy() -> None:
    assert find("library-copied", provider(), consumer(exports="foo_one")) == []


@pytest.mark.parametrize("exports", ["", "_init _fini"])
def test_a_provider_without_symbols_of_its_own_is_copied_by_name_only(exports: str) -> None:
    """What linkers define in every file is nobody's copy."""
    original = provider(binary(models.FILE, NAME, exports=exports))
    assert find("library-copied", original, consumer(exports=exports)) == []
    copy = wheel("foo-ext", binary(COPY), bounds=["libfoo"])
    assert len(find("library-copied", original, copy)) == 1


@pytest.mark.parametrize(
    ("lines", "record", "found"),
    [
        (["libfoo>=1"], [], 1),
        ([], ["libfoo"], 1),
        (["libbar"], ["libbar", "libfoo"], 1),
        ([], [], 0),
        (["libbar"], ["libbar"], 0),
    ],
)
def test_copies_are_looked_for_in_consumers(
    lines: list[str], record: list[str], found: int
) -> None:
    """By Requires-Dist or by the record: a wheel that uses something else may have its own copy."""
    name = "libfoo.so.1"
    original = provider(binary(f"libfoo/lib/{name}", name, exports="foo_one"))
    copy = binary("foo_ext.libs/libfoo-1a2b3c4d.so.1", exports="foo_one")
    requires = tuple(map(models.required, record))
    user = wheel("foo-ext", copy, bounds=lines, requires=requires)
    assert [f.value for f in find("library-copied", original, user)] == [name] * found


def test_a_provider_has_no_copy_of_its_own_library() -> None:
    """Not under a name with a hash, not in a release beside it, not if it requires an extra of it."""
    hashed = binary("libfoo.libs/libfoo__foo-1a2b3c4d.so.1", exports="foo_one foo_two")
    for lines in ([], ["libfoo[tools]"]):
        ours = provider(None, hashed, bounds=lines)
        assert find("library-copied", ours, provider(version="1.0.1")) == []


@pytest.mark.parametrize(
    ("leaf", "found"),
    [
        ("libfoo__foo-1a2b3c4d.so.1", 1),
        ("libfoo__foo.so.1", 0),  # no tool has copied it
        ("libbar-1a2b3c4d.so.1", 0),  # nobody's private name
    ],
)
def test_copies_by_name_without_the_provider(leaf: str, found: int) -> None:
    path = f"foo_ext.libs/{leaf}"
    message = f"has a copy of {NAME}, by its name a library of libfoo"
    expected = [Finding(CONSUMERS_WHEEL, path, NAME, message)] * found
    assert find("library-copied", wheel("foo-ext", binary(path))) == expected


@pytest.mark.parametrize(
    ("leaf", "original"),
    [("FOO-1a2b3c4d.DLL", "foo.dll"), ("foo-1a2b3c4d.dll", "Foo.dll"), ("foo.dll", "foo.dll")],
)
@pytest.mark.parametrize(("architecture", "found"), [("x86_64", 1), ("aarch64", 0)])
def test_copies_by_name(leaf: str, original: str, architecture: str, found: int) -> None:
    """In any case, and of what one process can load beside it."""
    theirs = provider(binary(f"libfoo/bin/{original}", format="PE"))
    copy = binary(f"foo_ext.libs/{leaf}", format="PE", architecture=architecture)
    user = wheel("foo-ext", copy, bounds=["libfoo"])
    assert [f.value for f in find("library-copied", theirs, user)] == [original] * found


@pytest.mark.parametrize(
    ("leaf", "more", "found"),
    [
        ("libz-1a2b3c4d.so.1", {}, 1),
        ("libz.so.1", {}, 1),
        ("libz.so", {}, 1),
        ("libz.1.dylib", {"format": "Mach-O"}, 1),
        ("z.dll", {"format": "PE"}, 1),
        ("Z-1a2b3c4d.dll", {"format": "PE"}, 1),
        # With the first digits of the provider's version, 1.6.58, and with others.
        ("libz1.so.1", {}, 1),
        ("libz16.so.16", {}, 1),
        ("libz16.16.dylib", {"format": "Mach-O"}, 1),
        ("libz3.so", {}, 0),
        ("libz3.4.dylib", {"format": "Mach-O"}, 0),
        ("libz3.dll", {"format": "PE"}, 0),
        ("libz-3.dll", {"format": "PE"}, 1),
        ("libzstd.so.1", {}, 0),
        ("z.abi3.so", {}, 0),
        ("libz.so", {"exports": "PyInit_libz"}, 0),
        ("libz-1a2b3c4d.so.1", {"architecture": "aarch64"}, 0),
    ],
)
def test_copies_by_the_librarys_name(leaf: str, more: dict[str, str], found: int) -> None:
    """The system's file has neither the provider's name nor its symbols."""
    of = binary(models.FILE, "libfoo__z.so.1", exports="foo_one", format=more.get("format", "ELF"))
    theirs = provider(of, libraries=[models.library(of, name="z")], version="1.6.58")
    user = wheel("foo-ext", binary(f"foo_ext.libs/{leaf}", **more), bounds=["libfoo"])
    assert len(find("library-copied", theirs, user)) == found
    # Of who does not use the provider it is its own.
    assert find("library-copied", theirs, replace(user, requirements=())) == []


# requirement-bound and provider-version -----------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        ("libfoo>=1.0.0,<2", "libbar>=1.0.0,<2", []),
        ("libfoo>=1.0.0,<2", "libbar>=1.0.0", ["libbar>=1.0.0"]),
        ("libfoo>=1.0.0", "libbar>=1.0.0", ["libfoo>=1.0.0", "libbar>=1.0.0"]),
        ("libother", "libbar>=1.0.0", ["libbar>=1.0.0"]),
    ],
)
def test_every_provider_of_a_record_is_looked_at(first: str, second: str, wrong: list[str]) -> None:
    """And each is told once, with the first version that is wrong."""
    requires = (models.required("libfoo"), models.required("libbar"))
    user = wheel("foo-ext", bounds=[first, second], requires=requires)
    assert find("requirement-bound", user) == [
        Finding(
            *(CONSUMERS_WHEEL, "foo_ext/_native_requires.py", line),
            f"Requires-Dist: {line} admits 2; built against 1.0.0, SameMajorVersion",
        )
        for line in wrong
    ]


ON_LINUX, ON_WINDOWS = "; sys_platform == 'linux'", "; sys_platform == 'win32'"
BELOW, FROM = "; python_version < '3.12'", "; python_version >= '3.12'"


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (["libfoo>=1.0.0", "LibFoo<2"], []),
        (["libfoo<2", "libbar", "libfoo>=1.0.0"], []),
        ([f"libfoo>=1.0.0{BELOW}", f"libfoo<2{BELOW}"], []),
        ([f"libfoo>=1.0.0,<2{BELOW}", f"libfoo>=1.0.0,<3{FROM}"], ["libfoo<3,>=1.0.0"]),
        ([f"libfoo{FROM}", f"libfoo>=1.0.0,<2{BELOW}"], ["libfoo"]),
        ([f"libfoo{BELOW}", f"libfoo{FROM}"], ["libfoo", "libfoo"]),
        # What always holds does so beside the others.
        (["libfoo>=1.0.0,<2", f"libfoo!=1.5{BELOW}"], []),
        ([f"libfoo<2{BELOW}", "libfoo>=1.0.0"], ["libfoo>=1.0.0"]),
        # The wheel is for Linux.
        ([f"libfoo>=1.0.0,<2{ON_LINUX}", "libfoo"], []),
        (["libfoo", f"libfoo>=1.0.0,<2{ON_LINUX}"], []),
        ([f"libfoo>=1.0.0{ON_LINUX}", "libfoo<2; os_name == 'posix'"], []),
        ([f"libfoo>=1.0.0{ON_LINUX}", f"libfoo{FROM}", "libfoo<2"], []),
        ([f"libfoo>=1.0.0,<2{ON_LINUX} and python_version < '3.12'", "libfoo"], ["libfoo"]),
    ],
)
def test_lines_on_one_provider(lines: list[str], wrong: list[str]) -> None:
    """pip takes those together that hold; which markers do, a wheel does not tell."""
    recorded = replace(bound(consumer(NAME), *lines), requires=(models.required("libfoo"),))
    found = find("requirement-bound", recorded)
    assert [f.value.partition(";")[0] for f in found] == wrong
    # What the provider tells, without a record, is the same here.
    found = find("requirement-bound", provider(), bound(consumer(NAME), *lines))
    assert len(found) == len(wrong)


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        (models.LINUX, 0),
        ("py3-none-manylinux_2_17_x86_64.musllinux_1_2_x86_64", 0),
        ("py3-none-linux_x86_64.macosx_11_0_arm64", 1),  # on macOS the bare line is alone
        ("py3-none-any", 1),
        ("py3-none-amiga", 1),
    ],
)
def test_marker_that_holds_on_some_platform(tag: str, found: int) -> None:
    lines = [f"libfoo>=1.0.0,<2{ON_LINUX}", "libfoo"]
    recorded = wheel("foo-ext", bounds=lines, tag=tag, requires=(models.required("libfoo"),))
    assert len(find("requirement-bound", recorded)) == found


@pytest.mark.parametrize(
    ("line", "admitted"),
    [
        ("libfoo", "2"),
        ("libfoo>=1", "2"),
        ("libfoo<=2", "2"),  # the next one, and no later one
        ("libfoo!=2", "9.0"),  # later ones
        ("libfoo==9.*", "9.0"),
        ("libfoo<2", ""),  # of what is too old the provider here says nothing
        ("libfoo>=1,<2", ""),
        ("libbar", ""),
    ],
)
def test_bound_without_a_record(line: str, admitted: str) -> None:
    user = bound(consumer("libc.so.6", NAME), line)
    findings = find("requirement-bound", provider(), user)
    assert [(f.wheel, f.file, f.value) for f in findings] == [
        (CONSUMERS_WHEEL, EXTENSION, NAME)
    ] * bool(admitted)
    assert all(f" admits {admitted}, which is incompatible" in f.message for f in findings)


def test_a_record_is_asked_before_the_provider_that_is_here() -> None:
    """What was promised when the consumer was built counts, and of that provider only."""
    strict = provider(compatibility="SameMinorVersion")
    user = consumer(NAME)
    assert len(find("requirement-bound", strict, user)) == 1
    recorded = replace(user, requires=(models.required("libfoo"),))
    assert find("requirement-bound", strict, recorded) == []
    of_another = replace(user, requires=(models.required("libbar"),))
    assert len(find("requirement-bound", strict, of_another)) == 1


@pytest.mark.parametrize(
    ("line", "versions", "there"),
    [
        ("libfoo>=1.0.1", ["1.0.0"], "1.0.0"),
        ("libfoo>=2", ["1.3", "1.1", "1.0", "1.2"], "1.0, 1.1, 1.2, 1.3"),
        ("libfoo>=1.0.1", ["1.0.0", "1.0.1"], ""),
        ("libfoo>=1.0.1", ["1.1.0rc1"], ""),  # a release candidate is tried with its consumers
        ("libbar>=2", ["1.0.0"], ""),
        ("libfoo>=2", [], ""),
    ],
)
def test_versions_that_a_bound_admits(line: str, versions: list[str], there: str) -> None:
    user = bound(consumer("libc.so.6", NAME), line)
    found = find("provider-version", *(provider(version=version) for version in versions), user)
    message = f"Requires-Dist: {line} admits none of the versions here: {there}"
    assert found == ([Finding(CONSUMERS_WHEEL, EXTENSION, NAME, message)] if there else [])


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["libfoo>=1", "libfoo<1"], 1),
        ([f"libfoo>=2{FROM}", f"libfoo<2{BELOW}"], 0),  # for another Python, with another provider
        ([f"libfoo>=2{FROM}", f"libfoo>=3{BELOW}"], 1),
    ],
)
def test_versions_that_several_lines_admit(lines: list[str], found: int) -> None:
    assert len(find("provider-version", provider(), bound(consumer(NAME), *lines))) == found


# symbol-missing -----------------------------------------------------------------------------------

# A library of the consumer's own, which exports nothing.
OWN = "libown.so"
# Without it a library has no table of versions, and nobody can ask it for one.
FROM_GLIBC = frozenset({Import("malloc", "GLIBC_2.2.5", "libc.so.6")})


def missing(
    symbols: list[Import], *needed: str, exports: str = "foo_one foo_two", **more: str
) -> list[str]:
    """Return the messages on a consumer's symbols; the provider exports what is said."""
    user = consumer(*needed, imports=frozenset(symbols), **more)
    with_own = replace(user, binaries=(*user.binaries, binary(f"foo_ext/{OWN}", OWN)))
    theirs = provider(binary(models.FILE, NAME, exports=exports, imports=FROM_GLIBC))
    return [f"{f.value}: {f.message}" for f in find("symbol-missing", theirs, with_own)]


def told(symbol: str) -> str:
    return f"{symbol}: needs {symbol}, which {NAME} of libfoo 1.0.0 does not export"


def test_modules_work_without_being_linked_to_libm() -> None:
    """As indexed_gzip's, cffi's and pyzmq's: every CPython on Linux has loaded it, and the others."""
    names = ("log10", "lgamma_r", "dlopen", "pthread_mutexattr_init")
    assert missing([Import(name) for name in names], NAME, "libc.so.6") == []
    assert missing([Import("log11")], NAME, "libc.so.6") == [told("log11")]


@pytest.mark.parametrize(
    ("exports", "found"),
    [
        ("foo_one@FOO_1", []),
        ("foo_one@FOO_2", [told("foo_one@FOO_1")]),
        ("foo_two@FOO_1", [told("foo_one@FOO_1")]),
        # A library without a version script answers any version, as glibc sees it.
        ("foo_one", []),
        ("foo_two", [told("foo_one@FOO_1")]),
    ],
)
def test_versions_of_symbols(exports: str, found: list[str]) -> None:
    symbol = Import("foo_one", "FOO_1", NAME)
    # To what is said of a symbol's library, the others are nothing.
    for needed in ([NAME], [NAME, OWN, "libz.so.1"]):
        assert missing([symbol], *needed, exports=exports) == found


@pytest.mark.parametrize(
    ("symbol", "is_told"),
    [
        (Import("foreign"), True),
        (Import("foreign", is_weak=True), False),
        (Import("foreign", "GLIBC_2.99", "libc.so.6"), False),
        (Import("foo_one"), False),
        (Import("PyLong_AsLong"), False),
        (Import("_Py_Dealloc"), False),
        (Import("python"), True),
    ],
)
def test_symbols_that_must_be_the_providers(symbol: Import, is_told: bool) -> None:
    found = missing([symbol], NAME, "libc.so.6")
    assert found == ([told(symbol.name)] if is_told else [])


@pytest.mark.parametrize(
    ("needed", "libc", "is_told"),
    [
        ([NAME], "", True),
        ([NAME, "libc.so.6", "ld-linux-x86-64.so.2"], "glibc", True),
        ([NAME, "libz.so.1"], "glibc", True),  # has no such symbol
        ([NAME, "libX11.so.6"], "glibc", False),  # has no versions
        ([NAME, OWN], "glibc", True),  # its exports are read
        ([NAME, "libunknown.so.1"], "glibc", False),
        # musl's libraries have no versions, and its loader is its libc.
        ([NAME], "musl", False),
        ([NAME, "libc.so"], "musl", False),
        ([NAME, "ld-musl-x86_64.so.1"], "musl", False),
    ],
)
def test_symbols_that_may_be_anothers(needed: list[str], libc: str, is_told: bool) -> None:
    found = missing([Import("foreign")], *needed, libc=libc)
    assert found == ([told("foreign")] if is_told else [])


@pytest.mark.parametrize(
    ("needed", "symbol", "is_told"),
    [
        ("libz.so.1", "inflate", False),
        ("libz.so.1", "z_inflate", True),
        ("libz.so.1", "XML_Parse", False),
        ("libexpat.so.1", "XML_Parse", False),
        ("libexpat.so.1", "XML_OfLaterReleases", False),
        ("libexpat.so.1", "inflate", True),
    ],
)
def test_symbols_that_systems_libraries_without_versions_have(
    needed: str, symbol: str, is_told: bool
) -> None:
    found = missing([Import(symbol)], NAME, "libc.so.6", needed, libc="glibc")
    assert found == ([told(symbol)] if is_told else [])


def test_missing_symbols_are_told_in_order() -> None:
    """And none hides the next: not one that may be missing, not one that is there."""
    symbols = [Import(name) for name in ("z_b", "z_d", "z_a", "z_c", "foo_one")]
    found = missing([*symbols, Import("a_weak", is_weak=True)], NAME)
    assert found == [told("z_a"), told("z_b"), told("z_c"), told("z_d")]


@pytest.mark.parametrize("format", ["Mach-O", "PE"])
@pytest.mark.parametrize(("of", "is_told"), [(NAME, True), (OWN, False), ("", False)])
def test_symbols_of_other_platforms_say_their_library(format: str, of: str, is_told: bool) -> None:
    """Or, on macOS, that any library will do."""
    theirs = provider(binary(models.FILE, NAME, format=format))
    user = consumer(NAME, format=format, imports=frozenset({Import("foreign", library=of)}))
    found = find("symbol-missing", theirs, user)
    assert [f.value for f in found] == ["foreign"] * is_told


@pytest.mark.parametrize(
    ("symbol", "found"),
    [
        (Import("bar_one"), []),
        # Told once, though there are two whose it could be.
        (Import("foreign"), [NAME]),
        # The file says whose it is: the other one's does not count.
        (Import("bar_one", "BAR_1", NAME), [NAME]),
        (Import("bar_one", "BAR_1", "libbar__bar.so.1"), []),
    ],
)
def test_symbols_of_two_providers(symbol: Import, found: list[str]) -> None:
    other = binary("libbar/lib/libbar__bar.so.1", "libbar__bar.so.1", exports="bar_one@BAR_1")
    libbar = wheel("libbar", other, libraries=[models.library(other)])
    user = consumer(NAME, "libbar__bar.so.1", imports=frozenset({symbol}))
    findings = find("symbol-missing", provider(), libbar, user)
    assert [f.message.split()[3] for f in findings] == found


def test_files_that_need_other_things() -> None:
    """What the one needs besides says nothing of the other's symbols."""
    user = consumer(NAME, imports=frozenset({Import("foreign")}))
    # Of the same path in another wheel, and of another path in the same wheel.
    other = replace(consumer(NAME, "libX11.so.6"), path=Path("other.whl"))
    (found,) = find("symbol-missing", provider(), user, other)
    assert found.wheel == CONSUMERS_WHEEL
    second = binary("foo_ext/_second.so", needed=(NAME, "libX11.so.6"))
    (found,) = find("symbol-missing", provider(), replace(user, binaries=(*user.binaries, second)))
    assert found.file == EXTENSION


def test_a_systems_library_that_the_wheel_brings_along() -> None:
    """Its symbols may be without versions, whatever the system's have; they are read."""
    user = consumer(NAME, "libgcc_s.so.1", imports=frozenset({Import("foreign")}))
    assert len(find("symbol-missing", provider(), user)) == 1
    for exports, found in (("foreign", 0), ("other", 1)):
        own = binary("foo_ext.libs/libgcc_s.so.1", "libgcc_s.so.1", exports=exports)
        brings = replace(user, binaries=(*user.binaries, own))
        assert len(find("symbol-missing", provider(), brings)) == found


@pytest.mark.parametrize(
    ("needed", "found"),
    [((), 1), (("libc.so.6",), 1), (("libX11.so.6",), 0), (("libunknown.so",), 0)],
)
def test_what_a_bundled_library_needs(needed: tuple[str, ...], found: int) -> None:
    """Its libraries have symbols for the file, too."""
    user = consumer(NAME, "libbar-0a1b2c3d.so", imports=frozenset({Import("foreign")}))
    own = binary("foo_ext.libs/libbar-0a1b2c3d.so", "libbar-0a1b2c3d.so", needed=needed)
    brings = replace(user, binaries=(*user.binaries, own))
    assert len(find("symbol-missing", provider(), brings)) == found


def test_every_version_that_is_here_must_have_the_symbols() -> None:
    """The newer one does not answer for the older one, which pip may install as well."""
    newer = provider(binary(models.FILE, NAME, exports="foo_one foo_new"), version="1.1.0")
    user = consumer(NAME, imports=frozenset({Import("foo_new")}))
    (found,) = find("symbol-missing", provider(), newer, user)
    assert "libfoo 1.0.0 does not export" in found.message


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        # torchvision's copy has the SONAME of NVIDIA's library, for which torchaudio requires torch.
        ("bar.libs/libcudart.faf08d9a.so.13", "needed-unanswered"),
        ("bar/lib/libcudart.so.13", "requirement-missing"),
    ],
)
def test_a_copy_in_a_wheel_that_is_not_used_is_nobodys_answer(path: str, rule: str) -> None:
    other, user = wheel("bar", binary(path, "libcudart.so.13")), consumer("libcudart.so.13")
    for each in ("needed-unanswered", "requirement-missing"):
        assert len(find(each, other, bound(user))) == (each == rule)
    # If the wheel requires it, the copy may be meant for it.
    assert find("needed-unanswered", other, bound(user, "bar")) == []
    assert find("requirement-missing", other, bound(user, "bar")) == []


# provider-platform --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("libraries", "there"),
    [
        (
            [("x86_64", "musl"), ("aarch64", "glibc"), ("i686", "glibc"), ("aarch64", "musl")],
            "ELF aarch64 glibc, ELF aarch64 musl, ELF i686 glibc, ELF x86_64 musl",
        ),
        ([("aarch64", "musl"), ("aarch64", "musl")], "ELF aarch64 musl"),
        ([], "no platform"),
    ],
)
def test_platforms_that_a_provider_is_here_for(
    libraries: list[tuple[str, str]], there: str
) -> None:
    theirs = [
        provider(binary(models.FILE, NAME, architecture=architecture, libc=libc))
        for architecture, libc in libraries
    ] or [wheel("libfoo")]
    user = consumer("libc.so.6", NAME, libc="glibc")
    found = find("provider-platform", *theirs, wheel("bar", binary()), user)
    message = f"needs {NAME} for ELF x86_64 glibc; libfoo is here for {there}"
    assert found == [Finding(CONSUMERS_WHEEL, EXTENSION, NAME, message)]
    # Of versions and symbols nothing is known then.
    for rule in ("provider-version", "provider-absent", "needed-unanswered", "symbol-missing"):
        assert find(rule, *theirs, user) == []
