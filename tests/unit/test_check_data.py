"""The checker's lists of system libraries and symbols are in order, and each is used."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from native_lib.check import system

DATA = Path(system.__file__).with_name("data")
TABLES: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text("utf-8")) for file in sorted(DATA.iterdir())
}
SYMBOL = r"[A-Za-z_]\w*"
FORMS = {
    **dict.fromkeys(("glibc", "glibc-versioned", "musl", "musl-compiler"), r"lib.+\.so(\.\d+)?"),
    "often-elf": r"lib.+\.so(\.\d+)+",
    "often-macho": r"lib.+\.dylib",
    "often-pe": r"[a-z0-9_-]+\.dll",  # lower case: Windows compares without it
    "windows": r"[a-z0-9_]+\.(dll|drv|cpl)",
    "zlib-symbols": SYMBOL,
    "libm-symbols": SYMBOL,
    "android": r"lib\w+\.so",
    "manylinux": r"(GLIBC|GLIBCXX|CXXABI|GCC|LIBATOMIC|ZLIB)_[\w.]+(@\w+)?",
    "musl-symbols": SYMBOL,
    "expat-symbols": rf"XML_{SYMBOL}",
    "without-libraries": r"[a-z0-9]+(-[a-z0-9]+)*",  # normalised
}


def names(table: str) -> set[str]:
    return set(TABLES[table]["names"])


def test_forms_of_all_lists_are_known() -> None:
    assert FORMS.keys() == TABLES.keys()


@pytest.mark.parametrize("table", TABLES)
def test_list_is_sorted_and_says_its_source(table: str) -> None:
    content = TABLES[table]
    assert list(content) == ["source", "names"]
    assert len(content["source"].split()) > 3
    assert content["names"]
    assert list(content["names"]) == sorted(set(content["names"]))
    assert [name for name in content["names"] if not re.fullmatch(FORMS[table], name)] == []
    assert (DATA / f"{table}.json").read_text("utf-8") == json.dumps(content, indent=2) + "\n"


@pytest.mark.parametrize("table", TABLES)
def test_list_is_read(table: str) -> None:
    source = Path(system.__file__).read_text("utf-8")
    assert f'"{table}"' in source or f'"{table}.json"' in source


def test_no_name_is_listed_twice_for_one_purpose() -> None:
    assert names("glibc-versioned") < names("glibc")
    assert names("often-elf").isdisjoint(names("glibc") | names("musl"))
    assert names("often-pe").isdisjoint(names("windows"))
    assert names("musl").isdisjoint(names("musl-compiler"))
    assert names("zlib-symbols").isdisjoint(names("expat-symbols"))


@pytest.mark.parametrize(
    ("leaf", "format", "expected"),
    [
        ("libz.so.1", "ELF", True),
        ("libc.so", "ELF", True),  # musl's
        ("libsqlite3.so.0", "ELF", True),
        ("libfoo.so.1", "ELF", False),
        ("LIBZ.SO.1", "ELF", False),
        ("libz.1.dylib", "Mach-O", True),
        ("libz.1.dylib", "ELF", False),
        ("Kernel32.DLL", "PE", True),
        ("zlib1.dll", "PE", True),
        ("foo-1.dll", "PE", False),
    ],
)
def test_names_that_are_taken(leaf: str, format: str, expected: bool) -> None:
    assert system.is_taken(leaf, format) is expected
