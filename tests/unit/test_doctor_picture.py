"""The picture of who shares what: texts in their boxes, boxes beside each other, all of it in view."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from native_lib.doctor.picture import picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Of DejaVu Sans, one of the widest fonts that a browser takes for sans-serif: from the space to the
# tilde, in thousandths of the font's size.
_WIDE = [
    *(
        318,
        401,
        460,
        838,
        636,
        950,
        780,
        275,
        390,
        390,
        500,
        838,
        318,
        361,
        318,
        337,
        636,
        636,
        636,
    ),
    *(
        636,
        636,
        636,
        636,
        636,
        636,
        636,
        337,
        337,
        838,
        838,
        838,
        531,
        1000,
        684,
        686,
        698,
        770,
        632,
    ),
    *(
        575,
        775,
        752,
        295,
        295,
        656,
        557,
        863,
        748,
        787,
        603,
        787,
        695,
        635,
        611,
        732,
        684,
        989,
        685,
    ),
    *(
        611,
        685,
        390,
        337,
        390,
        838,
        500,
        500,
        613,
        635,
        550,
        635,
        615,
        352,
        635,
        634,
        278,
        278,
        579,
    ),
    *(
        278,
        974,
        634,
        612,
        635,
        635,
        411,
        521,
        392,
        634,
        592,
        818,
        592,
        592,
        525,
        636,
        337,
        636,
        838,
    ),
]
_PROVIDERS = [f"native-provider-{n}" for n in range(30)]
_CONSUMERS = [f"consumer-{n}" for n in range(40)]
_BOOST = ("system", "filesystem", "thread", "regex", "serialization", "program_options", "chrono")


@dataclass(frozen=True)
class What:
    """What is drawn."""

    versions: Mapping[str, str]
    libraries: Mapping[str, Sequence[str]]
    lines: Sequence[tuple[str, str]] = ()
    broken: Sequence[str] = ()

    @property
    def svg(self) -> str:
        return picture(self.versions, self.libraries, self.lines, self.broken)


PICTURES = {
    "long names": What(
        {
            "nvidia-cuda-runtime-wrapper-cu12": "12.4.127.post1",
            "native-boost": "1.86.0",
            "my-long-named-scientific-extension": "2026.11.1.dev3+g1234567",
        },
        {
            "nvidia-cuda-runtime-wrapper-cu12": [f"library_{n}" for n in range(20)],
            "native-boost": [f"boost_{part}" for part in _BOOST],
        },
        [
            ("my-long-named-scientific-extension", "nvidia-cuda-runtime-wrapper-cu12"),
            ("my-long-named-scientific-extension", "native-boost"),
        ],
    ),
    "wide letters": What(
        {"mmmwwwMMMWWW": "1", "@%&<>=+~": "2", "gqdbpohnu0123456789": "3", "OQGDNH_###": "4"},
        {"@%&<>=+~": ["mmmmmmmmmmmmmmmmwwwwwwwwwwwwwwww", "W" * 40]},
    ),
    "30 providers and 40 consumers": What(
        dict.fromkeys((*_PROVIDERS, *_CONSUMERS), "1.2.3"),
        {name: [f"lib{m}" for m in range(1 + n % 4)] for n, name in enumerate(_PROVIDERS)},
        [
            (consumer, _PROVIDERS[(7 * n + m * m) % 30])
            for n, consumer in enumerate(_CONSUMERS)
            for m in range(1 + n % 3)
        ],
        ["consumer-3"],
    ),
    "missing and broken": What(
        {"native-zlib": "1.3.1", "native-libpng": "1.6.43", "minipng": "1.0", "foo-ext": "1.0"},
        {"native-zlib": ["z"], "native-libpng": ["png16"]},
        [
            ("native-libpng", "native-zlib"),
            ("minipng", "native-libpng"),
            ("minipng", "native-zlib"),
            ("foo-ext", "a-provider-with-a-long-name-that-is-not-installed"),
            ("foo-ext", "native-zlib"),
        ],
        ["foo-ext", "native-libpng"],
    ),
    "circle": What(dict.fromkeys("abc", "1"), {"a": ["x"]}, [("a", "b"), ("b", "a"), ("c", "a")]),
    "nothing": What({}, {}),
}


@dataclass(frozen=True)
class Area:
    x: float
    y: float
    width: float
    height: float

    def has(self, other: Area) -> bool:
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )

    def meets(self, other: Area) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.get(name) or 0) for name in names]


def elements(root: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if element.tag.endswith(f"}}{tag}")]


def boxes(root: ElementTree.Element) -> list[Area]:
    rects = [rect for rect in elements(root, "rect") if rect.get("class") != "page"]
    return [Area(*numbers(rect, "x", "y", "width", "height")) for rect in rects]


def area_of(text: ElementTree.Element) -> Area:
    """Return what a text takes in a wide font, with its ascenders and descenders."""
    size = 11 if text.get("class") == "small" else 13
    width = sum(_WIDE[ord(letter) - 32] for letter in text.text or "") * size / 1000
    x, y = numbers(text, "x", "y")
    return Area(x, y - size, width, 1.25 * size)


@pytest.mark.parametrize("case", PICTURES)
def test_everything_has_its_place(case: str) -> None:
    what = PICTURES[case]
    root = ElementTree.fromstring(what.svg)
    x, y, wide, high = map(float, (root.get("viewBox") or "").split())
    view = Area(x, y, wide, high)
    assert numbers(root, "width", "height") == [wide, high]
    places = boxes(root)
    names = {*what.versions, *(provider for _, provider in what.lines)}
    assert len(places) == len(names)
    for n, place in enumerate(places):
        assert view.has(place)
        assert not any(place.meets(other) for other in places[n + 1 :])
    areas = [area_of(text) for text in elements(root, "text")]
    assert len(areas) >= 2 * len(places)
    for n, area in enumerate(areas):
        assert sum(place.has(area) for place in places) == 1
        assert not any(area.meets(other) for other in areas[n + 1 :])
    for path in elements(root, "path"):
        points = [float(number) for number in re.findall(r"[\d.]+", path.get("d") or "")]
        assert all(view.has(Area(u, v, 0, 0)) for u, v in zip(points[::2], points[1::2]))


@pytest.mark.skipif(not shutil.which("chromium"), reason="requires a browser")
def test_a_browser_has_the_texts_in_their_boxes(tmp_path: Path) -> None:
    """As it measures them, in the font that it takes."""
    script = (
        "const found = [];"
        "for (const text of document.querySelectorAll('text')) {"
        "  const inner = text.getBBox();"
        "  const boxes = [...text.parentNode.querySelectorAll('rect:not(.page)')];"
        "  const has = boxes.some(rect => {"
        "    const outer = rect.getBBox();"
        "    return outer.x <= inner.x && inner.x + inner.width <= outer.x + outer.width"
        "        && outer.y <= inner.y && inner.y + inner.height <= outer.y + outer.height;"
        "  });"
        "  found.push([text.textContent, inner.width, has]);"
        "}"
        "document.title = JSON.stringify(found);"
    )
    page = tmp_path / "page.html"
    drawn = "".join(what.svg for what in PICTURES.values())
    page.write_text(
        f"<!doctype html><meta charset=utf-8><title></title>{drawn}<script>{script}</script>",
        encoding="utf-8",
    )
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'user'}",
    ]
    printed = subprocess.run(
        ["chromium", *options, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    (title,) = re.findall(r"<title>(\[.*?)</title>", printed)
    found = json.loads(unescape(title))
    assert len(found) > 150
    assert all(width > 0 for _, width, _ in found)
    assert [text for text, _, has in found if not has] == []


def test_libraries_are_named_one_a_line_and_the_rest_is_counted() -> None:
    for count, last in ((1, "lib0"), (8, "lib7"), (9, "and 2 more"), (50, "and 43 more")):
        names = [f"lib{n}" for n in range(count)]
        root = ElementTree.fromstring(picture({"a": "1"}, {"a": names}, [], []))
        texts = [text.text for text in elements(root, "text")]
        assert texts[:2] == ["a 1", "lib0"]
        assert texts[-1] == last
        assert len(texts) == 1 + min(count, 8)


def test_missing_provider_is_dashed_and_red_and_so_are_its_lines() -> None:
    svg = picture({"foo-ext": "1", "other": "1", "z": "1"}, {"z": ["z"]}, [], [])
    assert "missing" not in svg.partition("</style>")[2]
    lines = [("foo-ext", "libfoo"), ("other", "z"), ("foo-ext", "libfoo")]
    svg = picture({"foo-ext": "1", "other": "1", "z": "1"}, {"z": ["z"]}, lines, [])
    root = ElementTree.fromstring(svg)
    (missing,) = (r for r in elements(root, "rect") if "missing" in (r.get("class") or "").split())
    assert "broken" in (missing.get("class") or "").split()
    texts = [text.text for text in elements(root, "text")]
    assert texts[texts.index("libfoo") + 1] == "is not installed"
    drawn = {path[0].text: path.get("class") for path in elements(root, "path")}
    assert drawn == {"foo-ext uses libfoo": "broken", "other uses z": None}
    assert re.search(r"\.missing \{[^}]*stroke-dasharray", svg)
    assert re.search(r"\.broken \{ stroke: #b91c1c", svg)
    (path,) = (p for p in elements(root, "path") if p.get("class") == "broken")
    start = [float(number) for number in re.findall(r"[\d.]+", path.get("d") or "")][:2]
    x, y, width, height = numbers(missing, "x", "y", "width", "height")
    assert start == [x + width, y + height // 2]


def test_a_line_past_a_column_goes_between_its_boxes() -> None:
    what = PICTURES["missing and broken"]
    root = ElementTree.fromstring(what.svg)
    (path,) = (p for p in elements(root, "path") if p[0].text == "minipng uses native-zlib")
    straight = re.search(r"([\d.]+),([\d.]+) L([\d.]+),([\d.]+)", path.get("d") or "")
    assert straight is not None
    x, y, u, v = map(float, straight.groups())
    assert y == v
    assert not any(place.meets(Area(x, y, u - x, 0.5)) for place in boxes(root))


def test_numbers_in_names_count() -> None:
    root = ElementTree.fromstring(picture(dict.fromkeys(["p10", "p9", "p"], "1"), {}, [], []))
    texts = [text.text for text in elements(root, "text") if text.get("class") != "small"]
    assert texts == ["p 1", "p9 1", "p10 1"]


def test_names_that_no_picture_has() -> None:
    names = {"a\x08b": "1", "c" + "7" * 5000: "1"}
    root = ElementTree.fromstring(picture(names, {"a\x08b": ["x\x1b"]}, [tuple(names)], ()))  # type: ignore[list-item]
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("}text")]
    assert any(text.startswith("c777") for text in texts)
