"""What native_lib.build says of the wheel that the other back end made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import wheels
from native_lib.build.config import BuildError, Config
from native_lib.build.result import bound

if TYPE_CHECKING:
    from pathlib import Path


def result(wheel: Path, folder: Path) -> Path:
    """Hand a wheel on that was built with NATIVE_LIB_SYSTEM=all: no provider is needed."""
    return bound(wheel, folder / "out", Config(folder, "inner", (), (), {"libbar": "bar"}, {}))


@pytest.mark.parametrize("is_own", [True, False])
def test_private_name_of_its_own_library_is_no_providers(
    elf: wheels.Elf, tmp_path: Path, is_own: bool
) -> None:
    """Others, too, name libraries with two underscores."""
    library = elf.library(soname="core__util.so")
    files: dict[str, bytes | str] = {"squares/_ext.abi3.so": elf.extension(soname="core__util.so")}
    if is_own:
        files["squares/core__util.so"] = library
    wheel = wheels.make_wheel(tmp_path, "squares", files)
    if is_own:
        assert result(wheel, tmp_path).read_bytes() == wheel.read_bytes()
    else:
        with pytest.raises(BuildError, match=r"needs core__util\.so of core, which \[tool"):
            result(wheel, tmp_path)
