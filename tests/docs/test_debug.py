"""docs/how-to/debug-an-import.md: every command, in an environment that is broken as the page says."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from typing import TYPE_CHECKING

import building
import docs_pages
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the page shows Linux"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the page shows x86_64"),
]

PAGE = (docs_pages.HOW_TO / "debug-an-import.md").read_text("utf-8")
PARTS = [
    "2. Ask what was loaded",
    *re.findall(r"^### (.*)$", docs_pages.section(PAGE, "3. Cases"), re.MULTILINE),
]


@pytest.mark.skipif(not shutil.which("readelf"), reason="requires binutils")
@pytest.mark.parametrize("part", PARTS)
def test_every_command_prints_what_is_shown(
    installed: building.Environment, tmp_path: Path, part: str
) -> None:
    (how,) = (step.command for step in docs_pages.steps(PAGE.partition("\n## ")[0]))
    python = installed.python
    printed = building.run(
        "sh", "-c", f'{how}; echo "$SITE"', env={"PATH": f"{python.parent}:/bin"}
    )
    assert printed.strip() == str(installed.site_packages)
    uninstall = f"{building.tool('uv')} pip uninstall --quiet --python {python} libfoo"
    count = docs_pages.play(
        docs_pages.section(PAGE, part),
        tmp_path,
        python.parent,
        env={"SITE": str(installed.site_packages)},
        replace={"python -m pip uninstall --quiet --yes libfoo": uninstall},
    )
    assert count > 1 or part == "The process ended"
