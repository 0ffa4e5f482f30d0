"""Draw who shares what: providers on the left, whoever needs them on the right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from math import ceil
from typing import TYPE_CHECKING

from native_lib.check.report import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_GAP, _SPACE, _MARGIN = 18, 150, 20
_PADDING, _LINE, _NARROWEST = 12, 16, 120
_LARGE, _SMALL = 13, 11
_MOST = 8  # libraries that are named; the rest is counted
# The picture has its own background, for light and dark pages.
_STYLE = f"""
text {{ font: {_LARGE}px system-ui, sans-serif; fill: #1b1f24 }}
.small {{ font-size: {_SMALL}px; fill: #57606a }}
.page {{ fill: #ffffff }}
.provider {{ fill: #dbeafe; stroke: #1d4ed8 }}
.consumer {{ fill: #f3f4f6; stroke: #6b7280 }}
.missing {{ fill: #ffffff; stroke-dasharray: 6 4 }}
.broken {{ stroke: #b91c1c; stroke-width: 3 }}
path {{ fill: none; stroke: #1d4ed8; stroke-width: 1.5 }}
path.broken {{ stroke: #b91c1c; stroke-dasharray: 6 4 }}
"""
# Letter widths, in units of the font's size. Readers have different sans-serif fonts: these are the
# widths of the widest common ones, DejaVu Sans and Verdana.
_WIDTHS = {
    **dict.fromkeys("abcdeghknopqsuvxyz0123456789_*?$", 0.65),
    **dict.fromkeys("fijlrtIJ ()[]{}|!.,:;'\"/\\-", 0.48),
    **dict.fromkeys("mwMW@%", 1.1),
}
_OTHER_ASCII, _OTHER = 0.85, 1.2


@dataclass
class _Box:
    """A distribution, its lines of text, and where it is."""

    name: str
    kind: str
    texts: list[str]
    x: int = 0
    y: int = 0
    width: int = 0
    column: int = 0

    @property
    def height(self) -> int:
        return 2 * _PADDING + len(self.texts) * _LINE

    @property
    def middle(self) -> int:
        return self.y + self.height // 2

    @property
    def needed_width(self) -> int:
        widths = (_width(text, _SMALL if n else _LARGE) for n, text in enumerate(self.texts))
        return max(_NARROWEST, 2 * _PADDING + max(widths))


def picture(
    versions: Mapping[str, str],
    libraries: Mapping[str, Sequence[str]],
    lines: Iterable[tuple[str, str]],
    broken: Iterable[str],
) -> str:
    """Return an SVG.

    Args:
        versions: of all installed distributions, by name.
        libraries: what each provider ships.
        lines: consumer and provider; a provider without a version is one that is missing.
        broken: distributions that have an error.
    """
    lines, broken = list(dict.fromkeys(lines)), set(broken)
    missing = {name for line in lines for name in line if name not in versions}
    boxes = {
        name: _box(name, versions.get(name), libraries.get(name), name in broken)
        for name in sorted({*versions, *missing}, key=_by_number)
    }
    columns = _columns(boxes, lines)
    wide, high = _place(columns, boxes, lines)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
            f'width="{wide}" height="{high}" role="img">'
        ),
        "<title>Providers, and the packages that share their libraries</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{wide}" height="{high}"/>',
    ]
    for consumer, provider in lines:
        is_broken = consumer in broken or provider in missing
        parts.append(_path(boxes[provider], boxes[consumer], columns, is_broken))
    for box in boxes.values():
        parts += _drawn(box)
    return "\n".join([*parts, "</svg>"])


def _box(name: str, version: str | None, libraries: Sequence[str] | None, is_broken: bool) -> _Box:
    if version is None:
        return _Box(name, "missing broken", [name, "is not installed"])
    mark = " broken" if is_broken else ""
    if libraries is None:
        return _Box(name, f"consumer{mark}", [f"{name} {version}", "uses libraries of providers"])
    shown = list(libraries)
    if len(shown) > _MOST:
        shown[_MOST - 1 :] = [f"and {len(shown) - _MOST + 1} more"]
    return _Box(name, f"provider{mark}", [f"{name} {version}", *shown])


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return a sort key for names: foo-2 comes before foo-10."""
    return [(int(digits[:9] or 0), word) for word, digits in re.findall(r"(\D*)(\d*)", name)]


def _width(text: str, size: int) -> int:
    """Return an upper limit of a text's width, in pixels."""
    other = (_OTHER_ASCII if letter.isascii() else _OTHER for letter in text)
    widths = (_WIDTHS.get(letter, least) for letter, least in zip(text, other))
    return ceil(size * sum(widths))


def _place(
    columns: Sequence[list[_Box]], boxes: Mapping[str, _Box], lines: Sequence[tuple[str, str]]
) -> tuple[int, int]:
    """Give every box its place; return the picture's width and height."""
    space = min(_SPACE + 3 * len(lines), 3 * _SPACE)
    x, high = _MARGIN, _MARGIN
    for at, column in enumerate(columns):
        # Put each box near the boxes that it has lines to, so that fewer lines cross.
        column.sort(key=lambda box: _height_of_providers(box, boxes, lines))
        width = max(box.needed_width for box in column)
        # Every other column is a little lower, so that passing lines usually find a gap.
        y = _MARGIN + at % 2 * (_LINE + _GAP)
        for box in column:
            box.column, box.x, box.y, box.width = at, x, y, width
            y += box.height + _GAP
        high = max(high, y - _GAP)
        x += width + space
    return max(x - space, _MARGIN) + _MARGIN, high + _MARGIN


def _columns(boxes: Mapping[str, _Box], lines: Sequence[tuple[str, str]]) -> list[list[_Box]]:
    """Return the boxes, one column for each step away from providers that need no other."""
    steps = dict.fromkeys(boxes, 0)
    for _ in boxes:
        for consumer, provider in lines:
            # A circle has no first box.
            steps[consumer] = max(steps[consumer], min(steps[provider] + 1, len(boxes)))
    return [
        [box for name, box in boxes.items() if steps[name] == step]
        for step in sorted(set(steps.values()))
    ]


def _height_of_providers(
    box: _Box, boxes: Mapping[str, _Box], lines: Sequence[tuple[str, str]]
) -> float:
    """Return the average height of a box's providers, which are placed before it."""
    found = [boxes[provider].middle for consumer, provider in lines if consumer == box.name]
    return sum(found) / len(found) if found else 0


def _path(
    provider: _Box, consumer: _Box, columns: Sequence[Sequence[_Box]], is_broken: bool
) -> str:
    """Draw a line from box to box, through gaps of the columns between them."""
    x, y = provider.x + provider.width, provider.middle
    way = f"M{x},{y}"
    for column in columns[provider.column + 1 : consumer.column]:
        gaps = [box.y - _GAP // 2 for box in column] + [
            column[-1].y + column[-1].height + _GAP // 2
        ]
        part = (column[0].x - x) / (consumer.x - x)
        gap = min(gaps, key=lambda gap: abs(gap - y - part * (consumer.middle - y)))
        way += _curve(x, y, column[0].x, gap)
        x, y = column[0].x + column[0].width, gap
        way += f" L{x},{y}"
    way += _curve(x, y, consumer.x, consumer.middle)
    kind = ' class="broken"' if is_broken else ""
    # A browser shows this as a tooltip.
    what = escape(printable(f"{consumer.name} uses {provider.name}"))
    return f'<path{kind} d="{way}"><title>{what}</title></path>'


def _curve(x: int, y: int, u: int, v: int) -> str:
    between = (x + u) // 2
    return f" C{between},{y} {between},{v} {u},{v}"


def _drawn(box: _Box) -> list[str]:
    place = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}"'
    parts = [f'<rect class="{box.kind}" {place} rx="6"/>']
    for number, text in enumerate(box.texts):
        kind = ' class="small"' if number else ""
        x, y = box.x + _PADDING, box.y + _PADDING + number * _LINE + _LARGE - 1
        parts.append(f'<text{kind} x="{x}" y="{y}">{escape(printable(text))}</text>')
    return parts
