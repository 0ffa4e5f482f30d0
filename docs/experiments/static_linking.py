"""Each wheel has the library's code inside its extension module."""

import sysconfig

from experiment import COUNT, LIBRARY, MODULE, RELEASES, compile_c, python, show


def static(name: str, release: int) -> None:
    include = f"-I{sysconfig.get_path('include')}"
    source = LIBRARY + MODULE.replace("NAME", name)
    hidden = "-fvisibility=hidden"
    compile_c(source, f"site/{name}.so", include, f"-DRELEASE={release}", hidden)


static("one", 1)
static("two", 1)
show("numbers from one and two", python(COUNT, "site"))
static("one", 2)
show("releases, when one was built again", python(RELEASES, "site"))
