"""Remove what the answers do not need, and add what is vendored: cookiecutter has no conditional folders."""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, {{toml(loader_sources())}})  # noqa: F821

from native_lib.vendor import FOLDER, support_files

PROVIDER = Path("{{ cookiecutter.provider_name }}")
CONSUMER = Path("{{ cookiecutter.extension_name }}")
NOT_NEEDED = {
    "here": (PROVIDER / "source.toml",),
    "upstream": (PROVIDER / "include", PROVIDER / "src"),
    "vendored": (),
    "requirement": (Path(".gitattributes"),),
    "github": (),
    "none": (Path(".github"),),
}
SOURCE = "{{ cookiecutter.library_source }}"
SIDES = {
    PROVIDER: ["provider", "source"] if SOURCE == "upstream" else ["provider"],
    CONSUMER: ["consumer"],
}

ANSWERS = (
    SOURCE,
    "{{ cookiecutter.loader }}",
    "{{ cookiecutter.ci }}",
)
for answer in ANSWERS:
    for path in NOT_NEEDED[answer]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

if "vendored" in ANSWERS:
    for project, sides in SIDES.items():
        (project / FOLDER).mkdir()
        for name, content in support_files(sides).items():
            (project / FOLDER / name).write_bytes(content)
