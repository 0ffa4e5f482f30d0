"""What every consumer relies on."""

import ctypes
import subprocess
import sys
from pathlib import Path

import native_hdf5 as provider
import pytest
from native_hdf5 import _native_libs


def test_load_opens_the_libraries_of_this_package() -> None:
    loaded = provider.loader.load()
    assert loaded
    for library in loaded:
        assert library.origin == "wheel"
        assert Path(library.path).is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="only ELF has a global scope to look at")
def test_probe_symbols_are_exported() -> None:
    for name, facts in _native_libs.LIBRARIES.items():
        if facts["probe_symbol"]:
            (loaded,) = provider.loader.load(name)
            assert hasattr(ctypes.CDLL(loaded.path), facts["probe_symbol"])


def test_import_alone_loads_nothing() -> None:
    code = f"import sys, {provider.__name__}; sys.exit('_ctypes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
