"""How the names of distributions are written."""

from __future__ import annotations

import re


def import_name(distribution: str) -> str:
    """Return the name that a distribution's package is imported by: native_zlib for Native-Zlib.

    Providers have it by rule; of others it is a guess.
    """
    return re.sub(r"[-_.]+", "_", distribution).lower()
