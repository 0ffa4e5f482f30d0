"""Draws the pictures of this folder: `python docs/pictures/draw.py`.

Each has a background of its own, so it can be read on any page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
LINE, LETTER, EDGE = 19, 6.9, 12
STYLE = """
  .page { fill: #ffffff; stroke: #b8c0cc }
  .box { fill: #eef2f7; stroke: #64748b }
  .ours { fill: #dcf5e3; stroke: #15803d }
  .no { fill: #fde8e8; stroke: #b91c1c }
  text { fill: #1f2937; font: 13px ui-monospace, Menlo, Consolas, monospace }
  .title { font: bold 15px system-ui, sans-serif }
  .note { fill: #475569; font: 13px system-ui, sans-serif }
  path { fill: none; stroke: #475569; stroke-width: 1.5; marker-end: url(#tip) }
  .hit { stroke: #15803d; stroke-width: 2.5 }
  #tip path { fill: #475569; stroke: none; marker-end: none }
"""
# Whose page is dark, by the system's setting, gets a dark background.
DARK = """
  @media (prefers-color-scheme: dark) {
    .page { fill: #131720; stroke: #3b4456 }
    .box { fill: #232a37; stroke: #8b98ab }
    .ours { fill: #11331f; stroke: #4ade80 }
    .no { fill: #3d1717; stroke: #f87171 }
    text { fill: #e5e7eb }
    .note { fill: #b3bdcb }
    path { stroke: #b3bdcb }
    .hit { stroke: #4ade80 }
    #tip path { fill: #b3bdcb }
  }
"""


@dataclass
class Picture:
    """An SVG that grows as things are put into it."""

    title: str
    tells: str
    width: int
    height: int
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, what: str, style: str = "", anchor: str = "start") -> None:
        """Write one line."""
        said = f' class="{style}"' if style else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{said}>{escape(what)}</text>'
        )

    def box(
        self, x: float, y: float, lines: list[str], style: str = "box", width: float = 0
    ) -> None:
        """Draw a box around lines; the first is what it is, the others tell of it."""
        width = width or max(map(len, lines)) * LETTER * 1.15 + 2 * EDGE
        height = len(lines) * LINE + EDGE
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" class="{style}"/>'
        )
        for at, line in enumerate(lines):
            self.text(x + EDGE, y + LINE * (at + 1) - 1, line, "note" if at else "")

    def arrow(self, *points: tuple[float, float], style: str = "") -> None:
        """Draw a line through points with a tip at its end."""
        way = " ".join(f"{'L' if at else 'M'}{x:g} {y:g}" for at, (x, y) in enumerate(points))
        said = f' class="{style}"' if style else ""
        self.parts.append(f'<path d="{way}"{said}/>')

    def svg(self) -> str:
        """Return the whole file."""
        size = (
            f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        )
        tip = (
            '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0 L8 4 L0 8 Z"/></marker>'
        )
        page = f'<rect x="0.5" y="0.5" width="{self.width - 1}" height="{self.height - 1}" rx="8" class="page"/>'
        head = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t d">',
            f'<title id="t">{escape(self.title)}</title>',
            f'<desc id="d">{escape(self.tells)}</desc>',
            f"<style>{STYLE}{DARK}</style>",
            f"<defs>{tip}</defs>",
            page,
        ]
        return "\n".join([*head, *self.parts, "</svg>", ""])


def sharing() -> Picture:
    """One library and two wheels."""
    picture = Picture(
        "One library, two wheels",
        "foo_ext and bar_ext each need libfoo__foo.so.1; both get the one file of the wheel libfoo.",
        700,
        215,
    )
    picture.box(
        30, 25, ["foo_ext/_ext.abi3.so", "NEEDED libfoo__foo.so.1", "wheel foo-ext"], width=220
    )
    picture.box(
        450, 25, ["bar_ext/_ext.abi3.so", "NEEDED libfoo__foo.so.1", "wheel bar-ext"], width=220
    )
    ours = [
        "libfoo/lib/libfoo__foo.so.1",
        "one file, one mapping, one set of globals",
        "wheel libfoo",
    ]
    picture.box(205, 130, ours, "ours", width=290)
    picture.arrow((140, 94), (255, 128), style="hit")
    picture.arrow((560, 94), (445, 128), style="hit")
    return picture


def loader(
    name: str,
    asks: list[str],
    listed: list[tuple[str, str, bool]],
    column: str,
    searches: list[str],
    verdict: str,
) -> Picture:
    """What a loader does when an extension module needs the library: its list, then its searches.

    Args:
        name: the loader's.
        asks: who needs what.
        listed: what is loaded, each with the names that count for a match, and whether it is the match.
        column: what those names are called.
        searches: where it looks when nothing in the list matches, in order.
        verdict: the rule in one line.
    """
    height = 146 + 26 * max(len(listed), len(searches) - 1)
    picture = Picture(f"{name}: who answers?", verdict, 920, height)
    picture.text(24, 32, name, "title")
    picture.box(24, 50, asks, width=218)
    left, top = 282, 50
    rows = len(listed)
    picture.parts.append(
        f'<rect x="{left}" y="{top}" width="390" height="{44 + 26 * rows}" rx="6" class="box"/>'
    )
    picture.text(left + EDGE, top + 20, "1  loaded libraries", "note")
    picture.text(left + 390 - EDGE, top + 20, column, "note", "end")
    for at, (file, names, is_match) in enumerate(listed):
        y = top + 32 + 26 * at
        style = "ours" if is_match else "page"
        picture.parts.append(
            f'<rect x="{left + 8}" y="{y}" width="374" height="23" rx="4" class="{style}"/>'
        )
        picture.text(left + 16, y + 16, file)
        picture.text(left + 374, y + 16, names, "", "end")
    picture.arrow((242, 75), (left - 3, 75), style="hit" if any(m for *_, m in listed) else "")
    right = 712
    picture.parts.append(
        f'<rect x="{right}" y="{top}" width="184" height="{44 + 26 * (len(searches) - 1)}" rx="6" class="box"/>'
    )
    picture.text(right + EDGE, top + 20, searches[0], "note")
    for at, search in enumerate(searches[1:]):
        picture.text(right + EDGE, top + 45 + 26 * at, search)
    picture.arrow((left + 390, 75), (right - 3, 75))
    picture.text(24, height - 24, verdict, "note")
    return picture


PICTURES = {
    "sharing": sharing(),
    "glibc": loader(
        "Linux, glibc",
        ["foo_ext/_ext.abi3.so", "NEEDED libfoo__foo.so.1"],
        [
            ("/usr/lib/libc.so.6", "libc.so.6", False),
            ("…/libfoo__foo.so.1", "libfoo__foo.so.1", True),
        ],
        "SONAME",
        [
            "2  else a search",
            "RPATH",
            "LD_LIBRARY_PATH",
            "RUNPATH",
            "ld.so.cache",
            "/lib, /usr/lib",
        ],
        "The SONAME of a loaded library answers, however it was opened. Only then are paths searched.",
    ),
    "musl": loader(
        "Linux, musl",
        ["foo_ext/_ext.abi3.so", "NEEDED libfoo__foo.so.1"],
        [
            ("…/libfoo__foo.so.1", "(none)", False),
            ("…/libfoo__foo-anchor.so", "(none)", False),
        ],
        "name of a search",
        ["2  else a search", "LD_LIBRARY_PATH", "RPATH, RUNPATH", "/lib, /usr/lib"],
        "SONAME is not read: a library that was opened by its path has no name, until a search finds its file.",
    ),
    "musl-anchor": loader(
        "Linux, musl, after the anchor was opened",
        ["foo_ext/_ext.abi3.so", "NEEDED libfoo__foo.so.1"],
        [
            ("…/libfoo__foo.so.1", "libfoo__foo.so.1", True),
            ("…/libfoo__foo-anchor.so", "(none)", False),
        ],
        "name of a search",
        ["2  else a search", "LD_LIBRARY_PATH", "RPATH, RUNPATH", "/lib, /usr/lib"],
        "The anchor needs the library and has RUNPATH $ORIGIN: the search found the file, which now has its name.",
    ),
    "macos": loader(
        "macOS, dyld",
        ["foo_ext/_ext.abi3.so", "@rpath/libfoo__foo.1.dylib"],
        [
            ("libSystem.B", "/usr/lib/libSystem.B.dylib", False),
            ("…foo.1.dylib", "@rpath/libfoo__foo.1.dylib", True),
        ],
        "install name",
        ["2  else a search", "DYLD_LIBRARY_PATH", "each LC_RPATH", "fallback folders"],
        "An install name that begins with @rpath/ answers before any path is searched. (From its source; not run.)",
    ),
    "windows": loader(
        "Windows",
        ["foo_ext/_ext.pyd", "imports libfoo__foo-1.dll"],
        [
            ("python3.dll", "python3.dll", False),
            ("…/libfoo__foo-1.dll", "libfoo__foo-1.dll", True),
        ],
        "the file's base name",
        [
            "2  else a search",
            "KnownDLLs",
            "the .pyd's folder",
            "python.exe's folder",
            "add_dll_directory",
            "System32",
        ],
        "The base name of a loaded file answers, letter case aside. A renamed DLL does not. (Wine; not Windows.)",
    ),
}


def main() -> None:
    """Write all pictures."""
    for name, picture in PICTURES.items():
        (HERE / f"{name}.svg").write_text(picture.svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
