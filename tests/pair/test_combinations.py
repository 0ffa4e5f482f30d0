"""Every answer works with every other: built, installed, and put through the pair's own tests."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import building
import cpythons

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

OPTIONS = ("library_source", "language", "binding", "stable_abi", "mangle", "compatibility")
Answers = tuple[str, ...]


def allowed() -> list[Answers]:
    """Return every combination that the prompts admit."""
    questions = json.loads((building.ROOT / "template" / "cookiecutter.json").read_text("utf-8"))
    return [
        answers
        for answers in itertools.product(*(questions[option] for option in OPTIONS))
        if not ("pybind11" in answers and dict(zip(OPTIONS, answers))["stable_abi"] == "yes")
    ]


def pairs(answers: Answers) -> set[tuple[tuple[str, str], ...]]:
    """Return every two answers that stand together in a combination."""
    return set(itertools.combinations(zip(OPTIONS, answers), 2))


def covering(combinations: list[Answers]) -> list[Answers]:
    """Choose combinations until every two answers that can stand together do so in one of them."""
    chosen: list[Answers] = []
    left = set().union(*(pairs(answers) for answers in combinations))
    while left:
        chosen.append(max(combinations, key=lambda answers: len(pairs(answers) & left)))
        left -= pairs(chosen[-1])
    return chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "answers" in metafunc.fixturenames:
        chosen = allowed()
        if not metafunc.config.getoption("--all-combinations"):
            chosen = covering(chosen)
        metafunc.parametrize("answers", chosen, ids="-".join)


def test_number_of_combinations() -> None:
    assert (
        len(allowed()) == 168
    )  # 2 * 2 * 4 * 2 * 2 * 3, without 24 of pybind11 with the stable ABI
    assert len(covering(allowed())) < 20


def test_combination(answers: Answers, tmp_path: Path) -> None:
    newest = list(cpythons.installed().values())[
        -1
    ]  # offers the stable ABI to every binding that has one
    chosen = dict(zip(OPTIONS, answers))
    pair = building.build_pair(tmp_path, python=newest, **chosen)
    assert pair.provider.name.startswith("libfoo-1.0.0-py3-none-")
    tag = pair.consumer.name.split("-")[2:4]
    assert ("abi3" in tag) == (chosen["stable_abi"] == "yes")
    if tag[1] == "abi3":
        assert tag[0] == ("cp312" if chosen["binding"] == "nanobind" else "cp311")
    env = building.new_environment(tmp_path / "env", pair.provider, pair.consumer, python=newest)
    building.uv("pip", "install", "--quiet", "--python", env.python, "pytest", "mypy")
    tests = [pair.folder / "libfoo" / "tests", pair.folder / "foo-ext" / "tests"]
    said = building.run(env.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    # Provider 3, consumer 3, its functions: version, square, and two more in C++.
    functions = (
        1 if chosen["library_source"] == "upstream" else 4 if chosen["language"] == "cxx" else 2
    )
    assert f"{6 + functions} passed" in said
    building.run(
        env.python, "-m", "mypy", "--strict", "-p", "libfoo", "-p", "foo_ext", cwd=tmp_path
    )
    if chosen["binding"] != "nanobind":  # its functions are objects of a type that stubtest rejects
        allowed_to_differ = tmp_path / "allowed"
        # Cython's own; and the errors, which a module's __getattr__ gives.
        allowed_to_differ.write_text(
            "foo_ext._ext.__test__\n(foo_ext|libfoo)\\._shared_lib_\\w+\\.\\w+Error\n",
            encoding="utf-8",
        )
        command = ["mypy.stubtest", "--ignore-unused-allowlist", "--allowlist"]
        building.run(
            env.python, "-m", *command, allowed_to_differ, "foo_ext", "libfoo", cwd=tmp_path
        )
