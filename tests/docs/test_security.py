"""docs/explanation/security.md: what compares installed files with what was installed."""

from __future__ import annotations

import building
import docs_pages
import pytest

PAGE = building.ROOT / "docs" / "explanation" / "security.md"


@pytest.mark.parametrize("change", [False, True])
def test_changed_file_is_found(installed: building.Environment, change: bool) -> None:
    code = docs_pages.block(PAGE.read_text("utf-8"), "python", "importlib.metadata")
    (library,) = (installed.site_packages / "libfoo" / "lib").glob("libfoo__foo.*")
    if change:
        library.write_bytes(library.read_bytes() + b"x")
    said = installed.run(code).splitlines()
    assert len(said) > 5
    changed = [line for line in said if not line.startswith("as installed ")]
    expected = [f"CHANGED libfoo/lib/{library.name}"] if change else []
    assert changed == expected
