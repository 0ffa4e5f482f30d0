"""A page's files and commands are taken as a reader takes them, and a wrong output is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import building
import docs_pages
import pytest

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """# Title

## One

`a/b.txt`:

```text
# not a heading
first
```

```console
$ cat a/b.txt \\
    | grep first
first
$ cd a
$ cat b.txt
…
first
```

### Below

```text
no file
```

## Two

```console
$ echo two
three
```
"""


def test_steps() -> None:
    assert docs_pages.steps(PAGE) == [
        docs_pages.Step("a/b.txt", "", "# not a heading\nfirst\n"),
        docs_pages.Step("", "cat a/b.txt \\\n    | grep first", "first\n"),
        docs_pages.Step("", "cd a", ""),
        docs_pages.Step("", "cat b.txt", "…\nfirst\n"),
        docs_pages.Step("", "echo two", "three\n"),
    ]


def test_section() -> None:
    assert docs_pages.section(PAGE, "One").endswith("no file\n```\n\n")
    assert docs_pages.section(PAGE, "Below") == "\n\n```text\nno file\n```\n\n"
    with pytest.raises(AssertionError, match="Absent"):
        docs_pages.section(PAGE, "Absent")


def test_block() -> None:
    assert docs_pages.block(PAGE, "text", "file") == "no file\n"
    with pytest.raises(ValueError, match="too many"):
        docs_pages.block(PAGE, "text", "")


def test_commands_are_run_where_the_page_is(tmp_path: Path) -> None:
    assert docs_pages.play(docs_pages.section(PAGE, "One"), tmp_path) == 3
    assert docs_pages.save(PAGE, tmp_path) == ["a/b.txt"]


def test_what_is_run_in_a_commands_place(tmp_path: Path) -> None:
    two = docs_pages.section(PAGE, "Two")
    assert docs_pages.play(two, tmp_path, replace={"echo two": "echo three"}) == 1
    # Only whole words: this is another program's name.
    other = "```console\n$ echo no-echo two\nno-echo two\n```\n"
    assert docs_pages.play(other, tmp_path, replace={"echo two": "echo four"}) == 1


def test_another_output_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"\$ echo two\ntwo"):
        docs_pages.play(docs_pages.section(PAGE, "Two"), tmp_path)
    assert docs_pages.is_as_shown("a\n…\nb …c\n", "a\nx\ny\nb 12c\n")
    assert not docs_pages.is_as_shown("a\n", "a\nb\n")
    assert not docs_pages.is_as_shown("…/x 5\n", "/y/x 6\n")


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        # Nothing is shown, or what a command prints before it fails.
        ("false", ""),
        ("echo one; exit 1", "one\n"),
        # It is shown to fail, and does not.
        ("echo 'FAILURE: x'", "FAILURE: x\n"),
        ("echo 'foo.LibraryError: x'", "foo.LibraryError: x\n"),
    ],
)
def test_a_command_fails_where_the_page_shows_it_only(
    tmp_path: Path, command: str, shown: str
) -> None:
    with pytest.raises(building.CommandError, match=r"exit status [01]: "):
        docs_pages.play(f"```console\n$ {command}\n{shown}```\n", tmp_path)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("echo 'FAILURE: x'; exit 3", "FAILURE: x\n"),
        ("echo 'Traceback (most recent call last):'; exit 1", "Traceback …\n"),
        ("echo x | grep -c y", "0\n"),
        ("sh -c 'echo XError: x; exit 1' 2>&1 | sed -n 1p", "XError: x\n"),
    ],
)
def test_a_command_that_is_shown_to_fail(tmp_path: Path, command: str, shown: str) -> None:
    assert docs_pages.play(f"```console\n$ {command}\n{shown}```\n", tmp_path) == 1
