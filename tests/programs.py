"""Generated providers that get a program, and data, as the page says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import building

if TYPE_CHECKING:
    from pathlib import Path

# What it does is its first argument.
TOOL = """
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <{name}/{name}.h>

int main(int argc, char **argv) {{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "exit")) return atoi(argv[2]);
    if (!strcmp(what, "raise")) return raise(atoi(argv[2]));
    if (!strcmp(what, "square")) return printf("%g\\n", {name}_square(atof(argv[2]))) < 0;
    if (!strcmp(what, "data")) {{
        const char *folder = getenv("FOO_DATA");
        return puts(folder ? folder : "none") < 0;
    }}
    if (!strcmp(what, "arguments"))
        for (int n = 0; n < argc; ++n) printf("[%s]\\n", argv[n]);
    if (!strcmp(what, "stdin"))
        for (int letter = getchar(); letter != EOF; letter = getchar()) {{
            putchar(letter);
            fflush(stdout);
        }}
#ifndef _WIN32
    if (!strcmp(what, "maps")) {{
        FILE *maps = fopen("/proc/self/maps", "r");
        char line[4096];
        while (fgets(line, sizeof line, maps))
            if (strstr(line, "__") && strstr(line, " r-xp ")) fputs(strchr(line, '/'), stdout);
    }}
    if (!strcmp(what, "ignored"))
        for (int number = 1; number < 32; ++number) {{
            struct sigaction action;
            if (!sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN)
                printf("%d\\n", number);
        }}
#endif
    return 0;
}}
"""


def edit(file: Path, old: str, new: str) -> None:
    """Replace the first text in a file; it has to be there."""
    text = file.read_text(encoding="utf-8")
    assert old in text, text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def add_program(project: Path, name: str, arguments: str = "") -> None:
    """Give a provider lib<name> the program <name>-tool, which is no name in Python.

    Args:
        project: its folder.
        name: its library.
        arguments: more of native_library_provider()'s.
    """
    (project / "src" / "tool.c").write_text(TOOL.format(name=name), encoding="utf-8")
    lists = project / "CMakeLists.txt"
    lines = f"add_executable({name}_tool src/tool.c)\ntarget_link_libraries({name}_tool {name})\n"
    lines += f"set_target_properties({name}_tool PROPERTIES OUTPUT_NAME {name}-tool VERSION 1.0)\n"
    edit(lists, "# Names the files", f"{lines}# Names the files")
    compatibility = "    COMPATIBILITY SameMajorVersion\n"
    edit(lists, compatibility, f"{compatibility}    PROGRAMS {name}_tool\n{arguments}")
    scripts = f'[project.scripts]\n{name}-tool = "lib{name}._shared_lib_programs:{name}_tool"\n'
    edit(project / "pyproject.toml", "[project.urls]", f"{scripts}\n[project.urls]")


def provider_with_program_and_data(folder: Path) -> Path:
    """Generate libfoo with the program foo-tool and data that FOO_DATA leads to."""
    project = building.generate(folder) / "libfoo"
    (project / "share").mkdir()
    (project / "share" / "words.txt").write_text("some words\n", encoding="utf-8")
    add_program(project, "foo", "    DATA_ENV FOO_DATA=share/foo\n")
    with (project / "CMakeLists.txt").open("a", encoding="utf-8") as file:
        file.write("install(FILES share/words.txt DESTINATION libfoo/share/foo)\n")
    # What C code sees, for ctypes to ask.
    edit(
        project / "src" / "foo.c",
        "const char *foo_version",
        "#include <stdlib.h>\nFOO_EXPORT const char *foo_data(void);\n"
        'const char *foo_data(void) { return getenv("FOO_DATA"); }\n\nconst char *foo_version',
    )
    return project
