"""Print an environment: as a tree, as JSON, and as a picture."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from native_lib.check.report import printable
from native_lib.check.rule import ERROR, NOTE, WARNING
from native_lib.doctor.picture import picture
from native_lib.names import import_name
from native_lib.preload import preloads

if TYPE_CHECKING:
    from collections.abc import Callable

    from native_lib.check.wheel import Wheel
    from native_lib.doctor.installed import Environment
    from native_lib.doctor.problem import Problem
    from native_lib.doctor.resolve import Need

_COLOURS = {ERROR: "bold red", WARNING: "yellow", NOTE: "cyan"}
_LOG_WIDTH = 1000


@dataclass(frozen=True)
class Diagnosis:
    """An environment, what its binaries need, what is wrong, and which modules could be imported."""

    environment: Environment
    needs: tuple[Need, ...]
    problems: tuple[Problem, ...]
    imported: tuple[str, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether there is an error."""
        return any(problem.severity == ERROR for problem in self.problems)

    def needs_of(self, consumer: Wheel, provider: Wheel) -> tuple[Need, ...]:
        """Return what a consumer's binaries need of a provider."""
        return tuple(
            need
            for need in self.needs
            if (need.consumer, need.distribution) == (consumer.distribution, provider.distribution)
        )


def print_tree(diagnosis: Diagnosis) -> None:
    """Print a tree: providers, their libraries, who needs them; then what is wrong."""
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = _LOG_WIDTH
    environment = diagnosis.environment
    python = f"Python {platform.python_version()} for {sys.platform}, {platform.machine()}"
    tree = Tree(Text(f"{sys.prefix} ({python}, {len(environment.distributions)} distributions)"))
    for provider in environment.providers:
        root = environment.root_of(provider.distribution)
        branch = tree.add(_text(f"{provider.distribution} {provider.version}: provider", "bold"))
        for manifest in provider.manifests:
            for library in manifest.libraries:
                branch.add(_text(f"{library.name}: {root / library.file}"))
        for required in environment.providers_of(provider):
            wanted = environment.requirement(provider, required)
            branch.add(_text(f"requires {wanted or required.distribution}"))
        for consumer in environment.consumers(provider):
            wanted = environment.requirement(consumer, provider)
            requires = f" (requires {wanted})" if wanted else ""
            twig = branch.add(
                _text(f"used by {consumer.distribution} {consumer.version}{requires}")
            )
            for need in diagnosis.needs_of(consumer, provider):
                where = need.file.relative_to(environment.root_of(consumer.distribution))
                twig.add(_text(f"{where.as_posix()} needs {need.name}: {need.answer or need.by}"))
    if not environment.providers:
        can = " that can be read" if environment.unreadable else ""
        tree.add(Text(f"no provider{can} is installed"))
    there = {import_name(name) for name in environment.distributions}
    for package, file in preloads().items():
        gone = f" (not installed; native-lib preload --remove {package})" * (package not in there)
        tree.add(_text(f"{package} is opened when Python starts: {file}{gone}"))
    console.print(tree)
    for problem in diagnosis.problems:
        heading = f"{problem.severity}: {problem.distribution}: {problem.message}"
        console.print(_text(heading, _COLOURS[problem.severity]))
        if problem.fix:
            console.print(_text(f"    {problem.fix}"))
    for module in diagnosis.imported:
        console.print(_text(f"{module} was imported"))
    if not diagnosis.is_broken:
        console.print("nothing is broken")


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def print_json(diagnosis: Diagnosis) -> None:
    """Print one JSON object."""
    environment = diagnosis.environment
    result = {
        "python": sys.executable,
        "distributions": len(environment.distributions),
        "providers": [
            {
                "distribution": provider.distribution,
                "version": str(provider.version),
                "editable": environment.distributions[provider.distribution].is_editable,
                "libraries": [
                    {
                        "name": library.name,
                        "runtime_name": library.runtime_name,
                        "file": str(environment.root_of(provider.distribution) / library.file),
                    }
                    for manifest in provider.manifests
                    for library in manifest.libraries
                ],
                "requires": [w.distribution for w in environment.providers_of(provider)],
                "consumers": [w.distribution for w in environment.consumers(provider)],
                "required_as": {
                    w.distribution: environment.requirement(w, provider)
                    for w in environment.consumers(provider)
                },
            }
            for provider in environment.providers
        ],
        "preloaded": {package: str(file) for package, file in preloads().items()},
        "needs": [{**asdict(need), "file": str(need.file)} for need in diagnosis.needs],
        "imported": list(diagnosis.imported),
        "problems": [asdict(problem) for problem in diagnosis.problems],
    }
    print(json.dumps(result, indent=2))


def print_svg(diagnosis: Diagnosis) -> None:
    """Print a picture of who shares what."""
    environment = diagnosis.environment
    broken = {p.distribution for p in diagnosis.problems if p.severity == ERROR}
    lines = [
        (consumer.distribution, provider.distribution)
        for provider in environment.providers
        for consumer in environment.consumers(provider)
    ]
    # Also those that are not installed; their version is not known.
    wanted = [(w.distribution, r.distribution) for w in environment.wheels for r in w.requires]
    wanted += [(need.consumer, need.distribution) for need in diagnosis.needs]
    lines += [each for each in wanted if each[1] and each[1] not in environment.distributions]
    labels = {wheel.distribution: str(wheel.version) for wheel in environment.wheels}
    libraries = {
        provider.distribution: [lib.name for m in provider.manifests for lib in m.libraries]
        for provider in environment.providers
    }
    print(picture(labels, libraries, lines, broken))


FORMATS: dict[str, Callable[[Diagnosis], None]] = {
    "tree": print_tree,
    "json": print_json,
    "svg": print_svg,
}
