"""Wheels as the checker's rules see them, without a file: a test changes one thing and asks a rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from native_lib.check.binary import Binary, Export
from native_lib.check.rule import Finding, WheelSet
from native_lib.check.rules import RULES
from native_lib.check.wheel import Library, Manifest, Required, Wheel
from packaging.requirements import Requirement
from packaging.tags import parse_tag
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

LINUX = "py3-none-linux_x86_64"
NAME = "libfoo__foo.so.1"
FILE = f"libfoo/lib/{NAME}"
EXTENSION = "foo_ext/_ext.abi3.so"
PROVIDERS_WHEEL = f"libfoo-1.0.0-{LINUX}.whl"
CONSUMERS_WHEEL = f"foo_ext-1.0.0-{LINUX}.whl"


def binary(path: str = FILE, name: str = "", /, **more: Any) -> Binary:
    """Return a binary; its `exports` are names or name@version, with spaces between."""
    values = {"format": "ELF", "architecture": "x86_64", "runtime_name": name, "exports": ""} | more
    parts = (export.partition("@") for export in values["exports"].split())
    values["exports"] = frozenset(Export(symbol, version) for symbol, _, version in parts)
    return Binary(path=path, **values)


def library(of: Binary, **more: Any) -> Library:
    """Return what a manifest that is right says of a binary."""
    facts = {"name": "foo", "file": of.path, "runtime_name": of.known_as, "anchor": ""}
    return Library(**(facts | more))


def required(distribution: str, version: str = "1.0.0") -> Required:
    """Return an entry of a consumer's record."""
    path, compatibility = "foo_ext/_native_requires.py", "SameMajorVersion"
    return Required(path, distribution, Version(version), compatibility, distribution, ("foo",))


def wheel(
    distribution: str,
    *binaries: Binary,
    tag: str = LINUX,
    version: str = "1.0.0",
    bounds: Iterable[str] = (),
    libraries: Iterable[Library] = (),
    compatibility: str = "SameMajorVersion",
    **more: Any,
) -> Wheel:
    """Return a wheel; with libraries it is a provider."""
    package = distribution.replace("-", "_")
    words = (f"{package}/_native_libs.py", distribution, Version(version), compatibility)
    libraries = tuple(libraries)
    values: dict[str, Any] = {
        "path": Path(f"{package}-{version}-{tag}.whl"),
        "tags": parse_tag(tag),
        "requirements": tuple(map(Requirement, bounds)),
        "digests": {binary.path: binary.path for binary in binaries},
        "manifests": (Manifest(*words, libraries),) if libraries else (),
    }
    values |= {"files": (), "symlinks": (), "requires": (), "texts": {}, "vendored": {}}
    values |= {
        "imports": {},
        "distribution": distribution,
        "version": Version(version),
        "binaries": binaries,
    }
    return Wheel(**(values | more))


def provider(of: Binary | None = None, *binaries: Binary, **more: Any) -> Wheel:
    """Return the wheel of a library: its first binary."""
    of = of or binary(FILE, NAME, exports="foo_one foo_two")
    return wheel("libfoo", of, *binaries, **({"libraries": [library(of)]} | more))


def consumer(*needed: str, **more: Any) -> Wheel:
    """Return a wheel with an extension module that needs these names; `more` is the module's."""
    extension = binary(EXTENSION, needed=needed, **more)
    return wheel("foo-ext", extension, bounds=["libfoo>=1.0.0,<2"])


def find(rule_id: str, *wheels: Wheel, **more: Any) -> list[Finding]:
    """Ask one rule about wheels."""
    (rule,) = (rule for rule in RULES if rule.id == rule_id)
    return list(rule.find(WheelSet(wheels, **more)))
