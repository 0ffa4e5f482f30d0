import subprocess
import sys
from pathlib import Path

import {{ import_name(cookiecutter.provider_name) }} as provider


def test_load_opens_the_library_of_this_package() -> None:
    (loaded,) = provider.loader.load()
    assert loaded.name == "{{ cookiecutter.library_name }}"
    assert loaded.origin == "wheel"
    assert Path(loaded.path).is_file()


def test_import_alone_loads_nothing() -> None:
    code = f"import sys, {provider.__name__}; sys.exit('_ctypes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
