"""Where the rules on what loads a wheel's libraries begin and end; no binary is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import models
import pytest
from models import (
    CONSUMERS_WHEEL,
    EXTENSION,
    NAME,
    binary,
    consumer,
    find,
    library,
    provider,
    required,
    wheel,
)
from native_lib.check.records import code_with_loader, imported_by
from native_lib.check.rule import Finding
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from native_lib.check.binary import Binary
    from native_lib.check.wheel import Wheel

LOADER = {"foo_ext/_shared_lib_consumer.py": b""}
RECORD = (required("libfoo"),)
CALL = frozenset({"load_requirements"})
BAR = "libfoo__bar.so.1"
BARS_FILE = f"libfoo/lib/{BAR}"


def loading(*needed: str, **changes: Any) -> Wheel:
    """Return a consumer that loads what it needs, unless a change prevents that."""
    facts: dict[str, Any] = {"vendored": LOADER, "requires": RECORD, "imported": CALL}
    more = {key: changes.pop(key) for key in ("format", "runpath") if key in changes}
    return replace(consumer(*(needed or (NAME,)), **more), **(facts | changes))


def with_two(*, needs: tuple[str, ...] = (), needed: tuple[str, ...] = ()) -> Wheel:
    """Return a provider of the libraries foo and bar; `needs` and `needed` are foo's."""
    foo = binary(models.FILE, NAME, needed=needed)
    bar = binary(BARS_FILE, BAR)
    libraries = [library(foo, needs=needs), library(bar, name="bar")]
    return provider(foo, bar, libraries=libraries)


def unloaded(user: Wheel, *providers: Wheel) -> list[str]:
    """Return why a consumer's libraries are not loaded."""
    return [
        found.message.partition("nothing loads it: ")[2]
        for found in find("not-loaded", *(providers or (provider(),)), user)
    ]


# not-loaded ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, []),
        ({"requires": ()}, ["the wheel has a loader, and no _native_requires.py"]),
        (
            {"requires": (), "files": ("foo_ext/_native_requires.py",)},
            ["_native_requires.py is empty"],
        ),
        (
            {"vendored": {}},
            ["the wheel has _native_requires.py, and no _shared_lib_consumer.py that reads it"],
        ),
        ({"imported": frozenset()}, ["no code calls load_requirements()"]),
        # The plain form, or code of its own.
        ({"requires": (), "imported": frozenset({"libfoo"})}, []),
        ({"vendored": {}, "imported": frozenset({"libfoo"})}, []),
        # Nothing here shows how it loads its libraries.
        ({"requires": (), "vendored": {}}, []),
    ],
)
def test_loader_and_record(changes: dict[str, Any], why: list[str]) -> None:
    assert unloaded(loading(**changes)) == why


def test_message_on_what_is_not_loaded() -> None:
    """Told once for each name, at the first file."""
    user = loading(imported=frozenset())
    second = binary("foo_ext/_second.so", needed=(NAME,))
    message = f"needs {NAME} of libfoo, and nothing loads it: no code calls load_requirements()"
    assert find("not-loaded", provider(), replace(user, binaries=(*user.binaries, second))) == [
        Finding(CONSUMERS_WHEEL, EXTENSION, NAME, message)
    ]


def test_loader_of_another_distribution() -> None:
    loader = Requirement("native-lib-loader>=0.1")
    for requirements in ((loader,), ()):
        user = loading(vendored={})
        user = replace(user, requirements=(*user.requirements, *requirements))
        assert bool(unloaded(user)) is not bool(requirements)


@pytest.mark.parametrize(
    ("recorded", "needs", "needed", "found"),
    [
        (("foo", "bar"), (), (), 0),
        (("bar",), (), (), 0),
        ((), (), (), 0),  # the loader then loads all
        (("foo",), (), (), 1),
        (("foo",), ("bar",), (), 0),  # the manifest says what is opened before foo
        (("foo",), (), (BAR,), 0),  # the system's loader finds it for foo
    ],
)
def test_a_library_that_the_record_does_not_name(
    recorded: tuple[str, ...], needs: tuple[str, ...], needed: tuple[str, ...], found: int
) -> None:
    """As a build with FOO_LIBRARIES links all, and the record has those that it was told."""
    user = loading(BAR, requires=(replace(required("libfoo"), libraries=recorded),))
    why = ["_native_requires.py names neither it nor a library that needs it"] * found
    assert unloaded(user, with_two(needs=needs, needed=needed)) == why


def libbar(*needed: str, **more: Any) -> Wheel:
    """Return another provider, whose library may need the first one's."""
    of = binary("libbar/lib/libbar__bar.so.1", "libbar__bar.so.1", needed=needed)
    return wheel("libbar", of, libraries=[library(of, name="bar")], **more)


def test_what_the_record_of_a_provider_loads() -> None:
    record = (replace(required("libbar"), libraries=("bar",)),)
    user = loading("libbar__bar.so.1", NAME, requires=record)
    assert unloaded(user, provider(), libbar(NAME)) == []
    assert unloaded(user, provider(), libbar(requires=RECORD)) == []
    assert len(unloaded(user, provider(), libbar())) == 1
    # Two that require each other do not make the search endless.
    circle = replace(provider(), requires=record)
    assert unloaded(user, circle, libbar(requires=RECORD)) == []


def test_providers_that_are_not_here() -> None:
    """Of a recorded one nobody knows what it loads; without a record nothing is loaded at all."""
    user = loading("libbar__bar.so.1", NAME)
    assert unloaded(user, libbar()) == []
    assert len(unloaded(user, provider())) == 1
    assert len(unloaded(loading(NAME, requires=()), libbar())) == 1


@pytest.mark.parametrize(
    ("format", "path", "found"),
    [
        ("ELF", "$ORIGIN/../libfoo/lib", 0),
        ("ELF", "${ORIGIN}/../libfoo/lib/", 0),
        ("ELF", "$ORIGIN/../libfoo", 1),
        ("ELF", "@loader_path/x", 1),
        ("Mach-O", "@loader_path/../libfoo/lib", 0),
    ],
)
def test_search_paths_to_the_provider(format: str, path: str, found: int) -> None:
    user = loading(NAME, format=format, runpath=(path,), requires=())
    assert len(unloaded(user, provider(binary(models.FILE, NAME, format=format)))) == found


# record-differs -----------------------------------------------------------------------------------


def differing(user: Wheel, *providers: Wheel) -> list[str]:
    return [found.message for found in find("record-differs", *(providers or (provider(),)), user)]


def names(who: str, distribution: str) -> str:
    return f"{who} names {distribution}, and no file of the wheel needs a library of it"


def test_entries_that_nothing_needs() -> None:
    assert differing(loading()) == []
    assert differing(loading("libc.so.6")) == [names("the record", "libfoo")]
    assert differing(loading("libc.so.6", requires=())) == [names("Requires-Dist", "libfoo")]
    # It has code of its own for the library, or nothing but code, or another way to load.
    own: Binary = binary(EXTENSION, needed=("libc.so.6",))
    cases: list[dict[str, Any]] = [
        {"imported": frozenset({"libfoo"})},
        {"binaries": ()},
        {"requires": (), "vendored": {}},
    ]
    for changes in cases:
        assert differing(loading(**({"binaries": (own,)} | changes))) == []


def test_what_a_needed_library_needs_is_needed() -> None:
    record = (replace(required("libbar"), libraries=("bar",)), *RECORD)
    user = loading("libbar__bar.so.1", requires=record)
    assert differing(user, provider(), libbar(NAME)) == []
    assert differing(user, provider(), libbar()) == [names("the record", "libfoo")]


def test_systems_library_in_place_of_the_providers() -> None:
    of = binary("libfoo/lib/libz.so.1", "libz.so.1")
    user = loading("libz.so.1", requires=())
    why = "the wheel has a loader, and no _native_requires.py"
    message = f"needs libz.so.1 of libfoo, and gets the system's: {why}"
    assert differing(user, provider(of)) == [message]
    assert unloaded(user, provider(of)) == []
    assert differing(loading("libz.so.1"), provider(of)) == []


# What is read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"import libfoo\n", {"libfoo"}),
        (b"from libfoo.sub import x\n", {"libfoo", "x"}),
        (b"    from libfoo import loader\n", {"libfoo", "loader"}),
        (b'load_library_module(\n    "libfoo", required=True)\n', {"libfoo"}),
        (b"importlib.import_module('libfoo')\n", {"libfoo"}),
        (b"load_requirements(_native_requires)\n", {"load_requirements"}),
        (b"libfoo = 1\n", set()),
    ],
)
def test_what_a_source_imports(source: bytes, expected: set[str]) -> None:
    assert set(imported_by(source)) == expected


def test_sources_that_are_read() -> None:
    own = ("a/__init__.py", "a/sub/code.py", "b/_native_requires.py", "b/code.py")
    others = ("c/code.py", "setup.py", "a/data.txt", "ab/code.py", "a/_shared_lib_manager.py")
    loader = "a/_shared_lib_consumer.py"
    assert list(code_with_loader([*others, *own, loader])) == list(own)
    assert list(code_with_loader(others)) == []
