import subprocess
import sys
from pathlib import Path

import {{ import_name(cookiecutter.provider_name) }}


def test_load_opens_the_library_of_this_package() -> None:
    (loaded,) = {{ import_name(cookiecutter.provider_name) }}.loader.load()
    assert loaded.name == "{{ cookiecutter.library_name }}"
    assert loaded.origin == "wheel"
    assert Path(loaded.path).is_file()


def test_import_alone_loads_nothing() -> None:
    code = "import sys, {{ import_name(cookiecutter.provider_name) }}; sys.exit('_ctypes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
