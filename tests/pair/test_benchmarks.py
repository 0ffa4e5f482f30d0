"""The benchmarks run and tell what they promise to. No time is asserted: machines differ."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import cpythons
import public_wheels
import pytest
from benchmarks import (
    bind_speed,
    bound_import,
    check_speed,
    environment_of_many,
    first_use,
    import_cost,
    instructions,
    interpreters,
    many_providers,
    modules,
    report,
    run,
)

if TYPE_CHECKING:
    from pathlib import Path

    import building

ALL_PYTHONS = list(cpythons.installed().items())
PYTHONS = dict([ALL_PYTHONS[0], ALL_PYTHONS[-1]])  # between the oldest and the newest, alike
VERSIONS = [interpreters.full_version(python) for python in PYTHONS.values()]


def check_shape(measurement: report.Measurement, rows: list[str], bounds: int) -> None:
    table = measurement.table
    assert [row[0] for row in table.rows] == rows
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert list(measurement.figures) == rows
    assert len(measurement.bounds) == bounds * len(rows)
    assert all(bound.measured >= 0 for bound in measurement.bounds)


def test_import_cost_and_modules(pair: building.Pair, tmp_path: Path) -> None:
    environments = interpreters.environments(tmp_path, pair.provider, PYTHONS)
    check_shape(import_cost.measure(environments, report.QUICK), VERSIONS, bounds=1)
    listed = modules.measure(environments)
    check_shape(listed, VERSIONS, bounds=1)
    # No time, so this bound holds on every machine.
    assert not any(bound.broken for bound in listed.bounds), listed


@pytest.mark.skipif(not instructions.is_available(), reason="no valgrind here, which counts")
def test_instructions(pair: building.Pair, tmp_path: Path) -> None:
    newest = dict([ALL_PYTHONS[-1]])
    environments = interpreters.environments(tmp_path, pair.provider, newest)
    measurement = instructions.measure(environments)
    check_shape(measurement, VERSIONS[-1:], bounds=1)
    assert 0 < measurement.bounds[0].measured < 1


def test_uncompiled_modules_are_not_measured(pair: building.Pair, tmp_path: Path) -> None:
    (environment,) = interpreters.environments(
        tmp_path, pair.provider, dict([ALL_PYTHONS[-1]])
    ).values()
    source = environment.site_packages / "libfoo" / "_native_libs.py"
    os.utime(source, (0, 0))  # so its compilation is out of date
    with pytest.raises(interpreters.NotCompiledError, match="2 of 3"):
        interpreters.insist_on_compiled_modules(environment)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only: makes ELF files")
def test_many_providers(tmp_path: Path) -> None:
    check_shape(many_providers.measure(tmp_path, PYTHONS, report.QUICK), VERSIONS, bounds=2)


def test_first_use(tmp_path: Path) -> None:
    measurement = first_use.measure(tmp_path, report.QUICK)
    check_shape(measurement, ["pip and build", "uv"], bounds=0)


@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel runs on Linux only")
def test_check_speed() -> None:
    try:
        for requirement in check_speed.WHEELS[: report.QUICK.wheels]:
            public_wheels.get(requirement, check_speed.LINUX)
    except public_wheels.NotToBeHadError as error:
        pytest.skip(f"not available: {error}")
    found = check_speed.measure(report.QUICK)
    assert [row[0].partition(",")[0] for row in found.table.rows] == [
        *("pyzmq-27.3.0", "cmeel_zlib-1.3.2", "all 2", "all 2")
    ]
    (bound,) = found.bounds
    assert bound.measured > 0


@pytest.mark.skipif(sys.platform != "linux", reason="auditwheel runs on Linux only")
def test_bind_speed(tmp_path: Path) -> None:
    found = bind_speed.measure(tmp_path, report.QUICK)
    if found.table.what.startswith("Not available"):
        pytest.skip(found.table.what)
    (row,), (bound,) = found.table.rows, found.bounds
    assert float(row[0].partition(" ")[0]) > 20
    assert bound.measured > 0


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only: needs LD_LIBRARY_PATH")
def test_bound_import(pair: building.Pair, tmp_path: Path) -> None:
    found = bound_import.measure(tmp_path, pair, report.QUICK)
    check_shape(found, ["foo-ext"], bounds=1)
    assert found.bounds[0].measured > 0


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only: makes ELF files")
def test_doctor(tmp_path: Path) -> None:
    check_shape(environment_of_many.measure(tmp_path, report.QUICK), ["4"], bounds=1)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert run.main(["--quick", "--only", "modules", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    headlines = [line for line in printed.splitlines() if line.startswith("#")]
    assert headlines == ["# Benchmarks", "## Machine", "## Modules", "## Bounds"]
    written = json.loads(file.read_text(encoding="utf-8"))
    assert list(written) == ["machine", "measurements"]
    assert list(written["measurements"]) == ["modules"]


@pytest.mark.parametrize(("measured", "status"), [(2.0, 0), (2.01, 1)])
def test_exit_status_tells_of_a_broken_bound(
    monkeypatch: pytest.MonkeyPatch, measured: float, status: int
) -> None:
    measurement = report.Measurement(
        report.Table("T", "What.", ("a",), (("b",),)), (report.Bound("a", measured, 2.0),), {}
    )
    monkeypatch.setattr(run, "measure", lambda *_: iter([("modules", measurement)]))
    assert run.main([]) == status


def test_ratio_has_a_spread_of_chance() -> None:
    even = report.ratio_of_medians([10, 10, 10], [20, 20, 20])
    assert (even.value, even.low, even.high) == (0.5, 0.5, 0.5)
    uneven = report.ratio_of_medians([10, 20, 30], [20, 20, 20])
    assert uneven.low < uneven.value == 1.0 < uneven.high
