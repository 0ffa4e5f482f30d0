# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
#
# What something else than CMake built, as a target for native_library_provider(). NativeLibrary.cmake
# includes this file; native_library_archive.py and native_library_prebuilt.py read, write and refuse.

# native_library_archive(<target>
#   ARCHIVE <file>                 a static archive of position-independent code, from any build system
#   [EXPORTS <pattern>...]         the symbols to export, such as foo_*; or
#   [VERSION_SCRIPT <file>]        upstream's own list of them, for ELF's linkers
#   [LINK_LIBRARIES <item>...]     what the archive needs, as for target_link_libraries()
#   [HEADERS <folder>...]          folders whose contents go into the wheel's include/
#   [DEPENDS <target>...]          what makes the archive, if this build does
# )
#
# Makes a shared library target of all that is in the archive.
function(native_library_archive target)
    set(several "EXPORTS;LINK_LIBRARIES;HEADERS;DEPENDS")
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "ARCHIVE;VERSION_SCRIPT" "${several}")
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/native_library/${target}")
    set(script "${_NATIVE_LIBRARY_DIR}/native_library_archive.py")
    set(facts --target=${target} --system=${CMAKE_SYSTEM_NAME} "--folder=${folder}")
    _native_library_paths(facts ARCHIVE VERSION_SCRIPT)
    list(APPEND facts "--msvc=${MSVC}" --EXPORTS ${arg_EXPORTS})
    set(unknown --DEPENDS ${arg_DEPENDS} --unknown ${arg_UNPARSED_ARGUMENTS})
    _native_library_python(answer COMMAND "${script}" check ${facts} ${unknown})
    foreach(fact IN ITEMS archive exports whole_archive options)
        string(JSON ${fact} GET "${answer}" ${fact})
    endforeach()

    _native_library_add_library(${target} "/* All is in the archive. */")
    set(command "${Python_EXECUTABLE}" -X utf8 "${script}")
    # A target always runs, and writes only what has changed: nobody need say what DEPENDS makes.
    add_custom_target(
        ${target}_archive
        COMMAND ${command} copy ${facts}
        BYPRODUCTS "${archive}" ${exports}
        COMMENT "native_library_archive(${target})"
        VERBATIM
    )
    if(arg_DEPENDS)
        add_dependencies(${target}_archive ${arg_DEPENDS})
    endif()
    add_dependencies(${target} ${target}_archive)
    target_link_libraries(${target} PRIVATE ${whole_archive} ${arg_LINK_LIBRARIES})
    target_link_options(${target} PRIVATE ${options})
    set_target_properties(
        ${target}
        PROPERTIES
            NATIVE_LIBRARY_ARCHIVE ON
            NATIVE_LIBRARY_HEADERS "${arg_HEADERS}"
            LINK_DEPENDS "${archive};${exports}"
    )
    if(WIN32)
        target_sources(${target} PRIVATE "${exports}")
    elseif(NOT APPLE)
        list(APPEND command link --target=${target} "--ARCHIVE=${arg_ARCHIVE}" --)
        set_property(TARGET ${target} PROPERTY C_LINKER_LAUNCHER "${command}")
        set_property(TARGET ${target} PROPERTY CXX_LINKER_LAUNCHER "${command}")
    endif()
endfunction()

# native_library_prebuilt(<target>
#   FILE <file>             a finished shared library
#   [HEADERS <folder>...]   folders whose contents go into the wheel's include/
#   [NEEDS <target>...]     other targets of this function that the library needs
#   [IMPLIB <file>]         Windows: its import library, if it lists less than the DLL exports
# )
#
# Makes a shared library target that is this file under the name that the target gets.
function(native_library_prebuilt target)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "FILE;IMPLIB" "HEADERS;NEEDS")
    set(script "${_NATIVE_LIBRARY_DIR}/native_library_prebuilt.py")
    set(facts --target=${target} --system=${CMAKE_SYSTEM_NAME})
    _native_library_paths(facts FILE IMPLIB)
    foreach(tool IN ITEMS INSTALL_NAME_TOOL OTOOL DLLTOOL AR)
        if(CMAKE_${tool})
            list(APPEND facts "--${tool}=${CMAKE_${tool}}")
        endif()
    endforeach()
    foreach(other IN LISTS arg_NEEDS)
        set(file "")
        if(TARGET ${other})
            get_target_property(file ${other} NATIVE_LIBRARY_PREBUILT)
        endif()
        list(APPEND facts "--NEEDS=${other}=${file}=$<TARGET_FILE_NAME:${other}>")
    endforeach()
    set(unknown --unknown ${arg_UNPARSED_ARGUMENTS})
    _native_library_python(ignored COMMAND "${script}" check ${facts} ${unknown})

    # The linker makes a library of the right name, and the file takes its place: so all that CMake
    # knows of a library target holds for it.
    if(WIN32)
        set(export "__declspec(dllexport) int stub(void) { return 0; }")
    endif()
    _native_library_add_library(${target} "/* Replaced by the finished file. */\n${export}")
    target_link_libraries(${target} PRIVATE ${arg_NEEDS})
    # The names that targets get are known when CMake generates.
    set(file "${CMAKE_CURRENT_BINARY_DIR}/native_library/${target}_prebuilt.txt")
    list(JOIN facts "\n" lines)
    file(GENERATE OUTPUT "${file}" CONTENT "${lines}\n")
    set(command "${Python_EXECUTABLE}" -X utf8 "${script}")
    if(WIN32)
        set(import_library "$<TARGET_LINKER_FILE:${target}>")
        add_custom_command(
            TARGET ${target}
            POST_BUILD
            COMMAND ${command} rename "@${file}" "$<TARGET_FILE:${target}>" "${import_library}"
            VERBATIM
        )
    else()
        # With Ninja a POST_BUILD would come after what links to this.
        list(APPEND command link "@${file}" --)
        set_property(TARGET ${target} PROPERTY C_LINKER_LAUNCHER "${command}")
        set_property(TARGET ${target} PROPERTY CXX_LINKER_LAUNCHER "${command}")
    endif()
    set_target_properties(
        ${target}
        PROPERTIES
            NATIVE_LIBRARY_PREBUILT "${arg_FILE}"
            NATIVE_LIBRARY_HEADERS "${arg_HEADERS}"
            LINK_DEPENDS "${arg_FILE};${file}"
    )
    # Whoever made the file has stripped it, or wants it as it is; and strip may break what patchelf moved.
    set(CMAKE_STRIP "" PARENT_SCOPE)
endfunction()

# Appends arguments that are files to a list of options, and makes them and <argument> full paths.
function(_native_library_paths result)
    foreach(argument IN LISTS ARGN)
        set(file "${arg_${argument}}")
        if(file)
            if(NOT file MATCHES "^\\$<") # such as $<TARGET_FILE:foo_static>
                cmake_path(ABSOLUTE_PATH file)
            endif()
            list(APPEND ${result} "--${argument}=${file}")
            set(arg_${argument} "${file}" PARENT_SCOPE)
        endif()
    endforeach()
    set(${result} "${${result}}" PARENT_SCOPE)
endfunction()

# Makes a shared library target of one file of C with this text.
function(_native_library_add_library target text)
    set(source "${CMAKE_CURRENT_BINARY_DIR}/native_library/${target}.c")
    file(CONFIGURE OUTPUT "${source}" CONTENT "${text}\n")
    if(NOT CMAKE_C_COMPILER_LOADED)
        set_source_files_properties("${source}" PROPERTIES LANGUAGE CXX)
    endif()
    add_library(${target} SHARED "${source}")
endfunction()
