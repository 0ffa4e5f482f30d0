"""Rules on the archive itself: RECORD, WHEEL, and the names of its members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from native_lib.check.rule import ERROR, WARNING, Finding, Rule, WheelSet, some_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from native_lib.check.packing import Packing
    from native_lib.check.wheel import Wheel

# Systems whose file systems usually do not tell upper from lower case.
_CASELESS = ("any", "win", "macosx", "ios")


def metadata_missing(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, packing in _packed(wheels):
        for name in packing.lacks:
            path = f"{packing.info}/{name}"
            yield Finding(wheel.path.name, "", path, f"has no {path}: installers refuse it")


def wheel_record(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, packing in _packed(wheels):
        kinds = (
            (packing.altered, "has another hash or size than RECORD says"),
            (packing.unrecorded, "is not in RECORD"),
            (packing.absent, "is in RECORD, and not in the wheel"),
        )
        for names, complaint in kinds:
            for name in names:
                yield Finding(wheel.path.name, name, name, f"{name} {complaint}")


def member_twice(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, packing in _packed(wheels):
        for name in packing.twice:
            message = (
                f"{name} is in the archive more than once: which one counts, each tool decides"
            )
            yield Finding(wheel.path.name, name, name, message)


def member_case(wheels: WheelSet) -> Iterator[Finding]:
    for wheel in wheels.wheels:
        if not any(tag.platform.startswith(_CASELESS) for tag in wheel.tags):
            continue
        same: dict[str, list[str]] = {}
        for name in wheel.files:
            same.setdefault(name.lower(), []).append(name)
        for names in same.values():
            if len(names) > 1:
                message = f"{' and '.join(names)} are one file on Windows and macOS"
                yield Finding(wheel.path.name, names[0], names[1], message)


def wheel_tags(wheels: WheelSet) -> Iterator[Finding]:
    for wheel, packing in _packed(wheels):
        if "WHEEL" in packing.lacks or packing.tags == wheel.tags:
            continue
        only = (
            ("only its file name has", wheel.tags - packing.tags),
            ("only WHEEL has", packing.tags - wheel.tags),
        )
        parts = [f"{which} {some_of(sorted(map(str, tags)))}" for which, tags in only if tags]
        path = f"{packing.info}/WHEEL"
        value = min(map(str, wheel.tags ^ packing.tags))
        yield Finding(wheel.path.name, path, value, f"tags differ: {'; '.join(parts)}")


def _packed(wheels: WheelSet) -> Iterator[tuple[Wheel, Packing]]:
    return ((wheel, wheel.packing) for wheel in wheels.wheels if wheel.packing)


RULES = (
    Rule("metadata-missing", ERROR, metadata_missing),
    Rule("wheel-record", ERROR, wheel_record),
    Rule("member-twice", ERROR, member_twice),
    Rule("member-case", WARNING, member_case),
    Rule("wheel-tags", WARNING, wheel_tags),
)
