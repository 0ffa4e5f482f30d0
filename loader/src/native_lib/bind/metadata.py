"""Write into a wheel's metadata that it requires a provider."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.version import Version

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


def with_requirements(metadata: bytes, requirements: Iterable[str]) -> bytes:
    """Return METADATA with more lines of Requires-Dist, below those it has; no other byte changes."""
    lines = [found[0] for found in _LINE.finditer(metadata)]
    end = lines[0][len(lines[0].rstrip(b"\r\n")) :] or b"\n"
    # A line of spaces only continues a field: licences in METADATA have them.
    headers = next((at for at, line in enumerate(lines) if not line.strip(b"\r\n")), len(lines))
    theirs = [n for n in range(headers) if lines[n].lower().startswith(b"requires-dist:")]
    at = theirs[-1] + 1 if theirs else headers
    added = [f"Requires-Dist: {requirement}".encode() + end for requirement in requirements]
    if at and not lines[at - 1].endswith((b"\r", b"\n")):
        lines[at - 1] += end
    return b"".join([*lines[:at], *added, *lines[at:]])


def with_components(sbom: bytes, wheel: str, providers: Iterable[tuple[str, Version]]) -> bytes:
    """Return a CycloneDX SBOM that says that a wheel depends on providers.

    Args:
        sbom: the document. One that is not about the wheel is returned as it is.
        wheel: the distribution's normalised name.
        providers: names and versions of what it depends on.
    """
    try:
        document: dict[str, Any] = json.loads(sbom)
        main = document["metadata"]["component"]
        if document["bomFormat"] != "CycloneDX" or canonicalize_name(main["name"]) != wheel:
            return sbom
        reference = main.setdefault("bom-ref", main.get("purl", wheel))
        components = document.setdefault("components", [])
        dependencies = document.setdefault("dependencies", [])
        there = {component.get("purl") for component in components}
        mine = next((each for each in dependencies if each["ref"] == reference), None)
        if mine is None:
            dependencies.append(mine := {"ref": reference})
        for distribution, version in providers:
            name = canonicalize_name(distribution)
            purl = f"pkg:pypi/{name}@{version}"
            if purl in there:
                continue
            facts = {"type": "library", "name": name, "version": str(version), "purl": purl}
            components.append({**facts, "bom-ref": purl})
            mine.setdefault("dependsOn", []).append(purl)
    except (ValueError, LookupError, TypeError, AttributeError):
        return sbom  # another format, or damaged: not ours to correct
    if document == json.loads(sbom):
        return sbom
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
