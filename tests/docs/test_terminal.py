"""The README's picture of a terminal shows what is really printed."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import building
import docs_pages
import pytest

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = building.ROOT / "docs" / "pictures"
SCRIPT = PICTURES / "terminal.py"


def record() -> list[tuple[str, str]]:
    """Return each command, and what the picture shows below it."""
    spec = importlib.util.spec_from_file_location("terminal", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    terminal = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(terminal)
    parts = terminal.RECORD.strip("\n").split("$ ")[1:]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


def test_picture_is_what_the_script_draws() -> None:
    drawn = building.run(sys.executable, SCRIPT)
    assert (PICTURES / "terminal.svg").read_text("utf-8") == drawn


@pytest.mark.skipif(sys.platform != "linux", reason="shows Linux")
def test_commands_print_what_is_shown(pair: building.Pair, tmp_path: Path) -> None:
    (_, tests), (use, used), (remove, removed) = record()
    assert "8 passed" in tests  # tests/pair/test_build.py runs this one
    env = building.new_environment(tmp_path / "env", pair.provider, pair.consumer)
    path = f"{env.python.parent}:{building.environment()['PATH']}"
    said = building.run("sh", "-c", use, env={"PATH": path}, cwd=tmp_path)
    assert docs_pages.is_as_shown(used, said)
    env.uninstall("libfoo")
    code = remove.partition("&& ")[2]
    said = building.run("sh", "-c", code, env={"PATH": path}, cwd=tmp_path, fails=True)
    assert docs_pages.is_as_shown(f"{removed.rstrip()}\n", said)
