{%- set package = import_name(cookiecutter.extension_name) -%}
"""The libraries are the providers', and this package brings no copy."""

import importlib
import sys
from pathlib import Path
{# Sorted by name, as isort and ruff want them. #}
{% for line in ["import " ~ package ~ " as extension", "import pytest"] | sort -%}
{{ line }}
{% endfor -%}
from {{ package }} import _native_requires

from_provider = pytest.mark.skipif(
    not _native_requires.REQUIRES, reason="built against the system's library (NATIVE_LIB_SYSTEM)"
)


@from_provider
def test_libraries_are_the_providers() -> None:
    for need in _native_requires.REQUIRES:
        provider = importlib.import_module(need["provider"])
        for loaded in provider.loader.load(*need["libraries"]):
            assert loaded.origin == "wheel"
            assert Path(loaded.path).is_file()


@from_provider
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_process_has_one_copy_of_each_library() -> None:
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    mapped = {Path(line.split(maxsplit=5)[5]) for line in maps.splitlines() if "/" in line}
    for need in _native_requires.REQUIRES:
        provider = importlib.import_module(need["provider"])
        for loaded in provider.loader.load(*need["libraries"]):
            library = Path(loaded.path).resolve()
            assert [path for path in mapped if path.name == library.name] == [library]


@from_provider
def test_package_holds_no_copy() -> None:
    folder = Path(extension.__file__ or "").parent
    suffixes = {".so", ".dylib", ".dll", ".pyd"}
    libraries = [path.name for path in folder.rglob("*") if suffixes & set(path.suffixes)]
    # auditwheel and delvewheel put copies beside the package, in folders named after it.
    beside = [path.name for path in folder.parent.glob(f"{folder.name}.libs")]
    assert [name for name in libraries if not name.startswith("_ext.")] + beside == []
