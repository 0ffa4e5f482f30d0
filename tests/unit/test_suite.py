"""The tests themselves: what a run in several processes takes for granted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def collected(hash_seed: str) -> list[str]:
    """Return the names of all tests, as a process of its own collects them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet"]
    ours = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_processes_collect_the_same_tests() -> None:
    # xdist ends a run whose processes differ. They start at other moments (a time stamp in a test's
    # name was the same in most runs) and with other hash seeds; seconds lie between these two.
    first, second = collected("0"), collected("1")
    assert first == second
    assert f"tests/unit/test_suite.py::{test_processes_collect_the_same_tests.__name__}" in first


def test_what_is_made_once_has_a_name_of_its_own() -> None:
    """Two fixtures with one name get what the first of them made."""
    texts = [file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py")]
    names = re.findall(r'\bonce\("([^"]+)"', "\n".join(texts))
    assert len(names) > 20
    assert sorted(names) == sorted(set(names))
