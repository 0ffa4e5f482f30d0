"""Draw who shares what: providers on the left, whoever needs them on the right."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_WIDTH, _HEIGHT, _GAP, _SPACE, _MARGIN = 230, 52, 18, 150, 20
# Readable on light and dark pages: the picture brings its own background.
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1b1f24 }
.small { font-size: 11px; fill: #57606a }
.page { fill: #ffffff }
.provider { fill: #dbeafe; stroke: #1d4ed8 }
.consumer { fill: #f3f4f6; stroke: #6b7280 }
.broken { stroke: #b91c1c; stroke-width: 3 }
path { fill: none; stroke: #1d4ed8; stroke-width: 1.5 }
path.broken { stroke: #b91c1c; stroke-dasharray: 6 4 }
"""


def picture(
    versions: Mapping[str, str],
    libraries: Mapping[str, Sequence[str]],
    lines: Iterable[tuple[str, str]],
    broken: Iterable[str],
) -> str:
    """Return an SVG.

    Args:
        versions: by distribution, of all that are shown.
        libraries: what each provider ships.
        lines: consumer and provider.
        broken: distributions with which something is wrong.
    """
    lines, broken = list(lines), set(broken)
    # A provider that needs another stands between: one column for each step away from the first.
    column = dict.fromkeys(versions, 0)
    for _ in versions:
        for consumer, provider in lines:
            column[consumer] = max(column[consumer], min(column[provider] + 1, len(versions)))
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for name in sorted(versions):
        at = column[name]
        row = rows.get(at, 0)
        rows[at] = row + 1
        # Every other column a little lower, so that a line past one does not run through its boxes.
        lower = at % 2 * (_HEIGHT + _GAP) * 2 // 3
        places[name] = (
            _MARGIN + at * (_WIDTH + _SPACE),
            _MARGIN + row * (_HEIGHT + _GAP) + lower,
        )
    wide = 2 * _MARGIN + (max(column.values(), default=0) + 1) * (_WIDTH + _SPACE) - _SPACE
    high = _MARGIN + max((y for _, y in places.values()), default=0) + _HEIGHT
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
        (x, y), (u, v) = places[provider], places[consumer]
        x, y, v = x + _WIDTH, y + _HEIGHT // 2, v + _HEIGHT // 2
        kind = ' class="broken"' if consumer in broken else ""
        middle = (x + u) // 2
        parts.append(f'<path{kind} d="M{x},{y} C{middle},{y} {middle},{v} {u},{v}"/>')
    for name, (x, y) in places.items():
        kind = "provider" if name in libraries else "consumer"
        mark = " broken" if name in broken else ""
        below = ", ".join(libraries.get(name, ())) or "uses libraries of providers"
        parts += [
            f'<rect class="{kind}{mark}" x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>',
            f'<text x="{x + 12}" y="{y + 22}">{escape(f"{name} {versions[name]}")}</text>',
            f'<text class="small" x="{x + 12}" y="{y + 40}">{escape(below)}</text>',
        ]
    return "\n".join([*parts, "</svg>"])
