"""Draw the README's record of a terminal: what was typed, and what was really printed.

    python docs/pictures/terminal.py > docs/pictures/terminal.svg

`tests/docs/test_terminal.py` types the same and compares.
"""

from __future__ import annotations

from html import escape

# A prompt begins what was typed. Paths are shortened to "…", and so is what stands between.
RECORD = """
$ cookiecutter gh:org/native-lib-template --no-input && cd foo-wheels && nox -s tests
…
============================== 8 passed in 0.05s ===============================
$ NATIVE_LIB_DEBUG=1 python -c 'import foo_ext; print(foo_ext.square(3))'
native-lib: foo_ext requires libfoo>=1.0.0,<2, there is 1.0.0
native-lib: libfoo: foo is …/site-packages/libfoo/lib/libfoo__foo.so.1 (wheel)
9.0
$ python -m pip uninstall --yes --quiet libfoo && python -c 'import foo_ext'
…
….LibraryNotFoundError: foo_ext needs the native library 'foo' of the distribution libfoo, which is …
  needed by: …/site-packages/foo_ext (built against libfoo 1.0.0)
  fix:       python -m pip install "libfoo>=1.0.0,<2"
"""
LINE, MARGIN, CHARACTER = 19, 18, 7.83

STYLE = """
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d1d5db; white-space: pre }
.typed { fill: #ffffff; font-weight: bold }
.wrong { fill: #fca5a5 }
.right { fill: #86efac }
"""


def svg(record: str = RECORD) -> str:
    """Return the picture of a record."""
    lines = record.strip("\n").splitlines()
    wide = round(2 * MARGIN + CHARACTER * max(map(len, lines)))
    high = 2 * MARGIN + LINE * len(lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" role="img">',
        "<title>Two wheels that share a library, and what happens when one is missing</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{wide}" height="{high}" rx="8" fill="#1f2430"/>',
    ]
    for number, line in enumerate(lines, start=1):
        y = MARGIN + LINE * number - 5
        parts.append(f'<text class="{_kind(line)}" x="{MARGIN}" y="{y}">{escape(line)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _kind(line: str) -> str:
    if line.startswith("$ "):
        return "typed"
    if "Error: " in line or line.startswith("  "):
        return "wrong"
    return "right" if "passed" in line or line == "9.0" else ""


if __name__ == "__main__":
    print(svg(), end="")
