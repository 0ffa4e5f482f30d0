import sys
from pathlib import Path

import pytest

import {{ import_name(cookiecutter.extension_name) }}
from {{ import_name(cookiecutter.extension_name) }} import _native_requires

from_provider = pytest.mark.skipif(
    not _native_requires.REQUIRES, reason="built against the system's library (NATIVE_LIB_SYSTEM)"
)


def test_square() -> None:
    assert {{ import_name(cookiecutter.extension_name) }}.square(3) == 9.0
{%- if cookiecutter.language == "cxx" %}


def test_class_is_cast_across_the_boundary() -> None:
    assert {{ import_name(cookiecutter.extension_name) }}.area_of_square(2) == 4.0


def test_exception_is_caught_across_the_boundary() -> None:
    with pytest.raises(ValueError, match="a side cannot be negative"):
        {{ import_name(cookiecutter.extension_name) }}.area_of_square(-1)
{%- endif %}


@from_provider
def test_library_is_the_providers() -> None:
    import {{ import_name(cookiecutter.provider_name) }}

    (loaded,) = {{ import_name(cookiecutter.provider_name) }}.loader.load()
    assert {{ import_name(cookiecutter.extension_name) }}.version() == {{ import_name(cookiecutter.provider_name) }}.loader.version
    if sys.platform == "linux":
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
        mapped = {line.split(maxsplit=5)[5] for line in maps.splitlines() if len(line.split()) > 5}
        assert [path for path in mapped if "{{ cookiecutter.library_name }}.so" in path] == [loaded.path]


@from_provider
def test_package_holds_no_copy() -> None:
    folder = Path(_native_requires.__file__ or "").parent
    files = [path.name for path in folder.rglob("*") if path.suffix in (".so", ".dylib", ".dll", ".pyd")]
    assert [name for name in files if not name.startswith("_ext.")] == []
