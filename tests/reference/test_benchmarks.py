"""The benchmarks of the reference packages run, and tell what they promise to."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from benchmarks import codecs, report, sharing

if TYPE_CHECKING:
    from pathlib import Path

    import building

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, runs auditwheel")


def test_sharing(reference: building.Reference, tmp_path: Path) -> None:
    found = sharing.measure(tmp_path, report.QUICK, reference)
    assert [row[0] for row in found.table.rows] == ["1", "2"]
    assert {len(row) for row in found.table.rows} == {len(found.table.columns)}
    (bound,) = found.bounds
    assert bound.measured * 1000 == reference.zlib.stat().st_size
    one, two = (json.loads(json.dumps(found.figures[number])) for number in ("1", "2"))
    # Sizes are no matter of time: a second consumer brings its own code, or copies of everything.
    assert two["shared"]["wheel_bytes"] - one["shared"]["wheel_bytes"] < 40_000
    assert two["bundled"]["wheel_bytes"] > 1.9 * one["bundled"]["wheel_bytes"]
    assert two["bundled"]["installed_bytes"] > 1.9 * one["bundled"]["installed_bytes"]
    assert two["shared"]["pss_kib"] > 0


def test_codecs(reference: building.Reference, tmp_path: Path) -> None:
    found = codecs.measure(tmp_path, report.QUICK, reference)
    assert [row[0] for row in found.table.rows] == ["compress, level 6", "decompress", "decode PNG"]
    assert "Pillow" in found.table.what
