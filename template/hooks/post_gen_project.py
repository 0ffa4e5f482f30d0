"""Remove what the answers do not need: cookiecutter has no conditional folders."""

import shutil
from pathlib import Path

PROVIDER = Path("{{ cookiecutter.provider_name }}")
NOT_NEEDED = {
    "here": (PROVIDER / "fetch_source.py", PROVIDER / "source.toml"),
    "upstream": (PROVIDER / "include", PROVIDER / "src"),
    "github": (),
    "none": (Path(".github"),),
}

for answer in ("{{ cookiecutter.library_source }}", "{{ cookiecutter.ci }}"):
    for path in NOT_NEEDED[answer]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
