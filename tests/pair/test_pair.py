"""The default pair, from the generated folder to one library in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import building

if TYPE_CHECKING:
    import pytest  # noqa: F401


def test_the_extension_is_served_by_the_providers_file(installed: building.Environment) -> None:
    expected = installed.site_packages / "libfoo" / "lib" / "libfoo__foo.so.1"
    assert building.mapped(
        installed, "import foo_ext; assert foo_ext.square(3) == 9", "foo.so"
    ) == [str(expected)]
