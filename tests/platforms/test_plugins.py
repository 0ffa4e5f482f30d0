"""Libraries that open others of their wheel: what docs/how-to/plugins.md says of musl and Windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Callable

import building
import cpythons
import plugins
import pytest
from platforms import cross

if TYPE_CHECKING:
    from platforms.wine import Wine

Once = Callable[[str, Callable[[Path], Path]], Path]
# Neither searches beside the library: not even musl, which reads the program's RUNPATH.
EXPECTED = "foo_by_name -1.0\nfoo_beside 6.0\nfoo_square 6.0\n"


def built(once: Once, target: str) -> Path:
    """Return the folder with the provider that was built for a target."""
    if cross.zig() is None:
        pytest.skip("requires zig's compilers (ziglang)")

    def make(folder: Path) -> Path:
        made = cross.Cross(cross.TARGETS[target], folder)
        generated = plugins.generate(folder, runpath="windows" not in target)
        made.build(generated / "libfoo", "1.0.0")
        return made.site

    return once(f"plugins-{target}", make)


def test_plugins_on_musl(once: Once) -> None:
    python = cpythons.need("3.13", libc="musl")
    site = built(once, "musl-x86_64")
    assert building.run(python, "-c", plugins.CALL, env={"PYTHONPATH": str(site)}) == EXPECTED


def test_plugins_on_windows(once: Once, wine: Callable[[str], Wine]) -> None:
    machine = wine("3.13")
    assert machine.run(plugins.CALL, built(once, "windows-x86_64")) == EXPECTED
