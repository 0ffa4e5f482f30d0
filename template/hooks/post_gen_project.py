"""Remove what the answer to library_source does not need: cookiecutter has no conditional folders."""

import shutil
from pathlib import Path

PROVIDER = Path("{{ cookiecutter.provider_name }}")
NOT_NEEDED = {
    "here": ("fetch_source.py", "source.toml"),
    "upstream": ("include", "src"),
}

for name in NOT_NEEDED["{{ cookiecutter.library_source }}"]:
    path = PROVIDER / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
