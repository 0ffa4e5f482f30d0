"""Each wheel has a copy of the library beside it, under a name of its own, as repair tools make it."""

from experiment import COUNT, FOLDER, RELEASES, library, module, python, show


def bundle(name: str, release: int) -> None:
    own = f"libcounter-{name}.so.1"
    copy = library(f"site/{name}.libs/{own}", soname=own, release=release)
    module("site", name, copy, f"-Wl,-rpath,$ORIGIN/{name}.libs")


bundle("one", 1)
bundle("two", 1)
show("numbers from one and two", python(COUNT, "site"))
mapped = (
    "import one, two; maps = open('/proc/self/maps').read().split();"
    "print(len({part for part in maps if 'libcounter' in part}))"
)
show("copies in the process", python(mapped, "site"))
bundle("one", 2)
show("releases, when one was built again", python(RELEASES, "site"))
show("copies on disk", str(len(list(FOLDER.rglob("libcounter*.so.1")))))
