"""What the names of wheels say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.utils import NormalizedName
    from packaging.version import Version

# A build tag begins with a digit.
_VARIANT = re.compile(r"((?:[^-]+-){2}(?:\d[^-]*-)?\D[^-]*-[^-]+-[^-]+)-[0-9a-z._]{1,16}\.whl")


def parse_wheel(name: str) -> tuple[NormalizedName, Version, frozenset[Tag]]:
    """Return what the name of a wheel's file says: its distribution, version and tags.

    It may end with the label of a variant (PEP 817), which is left out.

    Raises:
        InvalidWheelFilename: it is not the name of a wheel.
    """
    variant = _VARIANT.fullmatch(name)
    distribution, version, _, tags = parse_wheel_filename(f"{variant[1]}.whl" if variant else name)
    return distribution, version, tags
