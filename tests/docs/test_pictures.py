"""The pictures are those that the script draws."""

from __future__ import annotations

import shutil
import sys
import xml.etree.ElementTree
from typing import TYPE_CHECKING

import building

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = building.ROOT / "docs" / "pictures"


def test_pictures_are_drawn_by_the_script(tmp_path: Path) -> None:
    shutil.copy(PICTURES / "draw.py", tmp_path)
    building.run(sys.executable, tmp_path / "draw.py")
    drawn = sorted(tmp_path.glob("*.svg"))
    assert len(drawn) > 5
    for picture in drawn:
        assert picture.read_bytes() == (PICTURES / picture.name).read_bytes(), picture.name
        assert xml.etree.ElementTree.parse(picture).getroot().tag.endswith("svg")
