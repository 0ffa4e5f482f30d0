# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
#
# Shared libraries in wheels, for wheels that provide and wheels that use them.
#
#   native_library_provider(<target>... PROVIDER <import name> COMPATIBILITY <word> ...)
#   native_library_consumer(<target> LIBRARIES <package>::<library>... DESTINATION <package folder>)
#   native_library_source()            for providers that wrap somebody else's library
#   native_library_archive(<target> ARCHIVE <file> ...)  what another build system built, as a target
#   native_library_prebuilt(<target> FILE <file> ...)    a finished shared library, as a target
#   native_library_find(<package>...)  before an upstream that looks for packages by itself

cmake_minimum_required(VERSION 3.25...4.3)
include_guard(GLOBAL)

set(_NATIVE_LIBRARY_DIR "${CMAKE_CURRENT_LIST_DIR}")
include("${CMAKE_CURRENT_LIST_DIR}/NativeLibraryProvider.cmake" OPTIONAL)
include("${CMAKE_CURRENT_LIST_DIR}/NativeLibraryConsumer.cmake" OPTIONAL)
include("${CMAKE_CURRENT_LIST_DIR}/NativeLibraryArchive.cmake" OPTIONAL)

# What the functions here install is one component, for projects that set scikit-build-core's
# install.components: CMAKE_INSTALL_DEFAULT_COMPONENT_NAME, set in each of them.
set(_NATIVE_LIBRARY_COMPONENT native_library)

# Sets <result> to what a Python program prints, and stops with its complaint if it fails.
function(_native_library_python result)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "COMMAND")
    if(NOT Python_EXECUTABLE)
        find_package(Python 3.9 REQUIRED COMPONENTS Interpreter)
    endif()
    execute_process(
        # UTF-8 on every system, for arguments and answers.
        COMMAND "${Python_EXECUTABLE}" -X utf8 ${arg_COMMAND}
        WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
        ENCODING UTF-8
        OUTPUT_VARIABLE answer
        ERROR_VARIABLE complaint
        RESULT_VARIABLE failed
    )
    if(failed)
        message(FATAL_ERROR "${complaint}")
    endif()
    set(${result} "${answer}" PARENT_SCOPE)
endfunction()

# Puts one side's loader and its licence into the package: the wheel needs nothing else at run time.
function(_native_library_install_loader side folder)
    set(licence "${_NATIVE_LIBRARY_DIR}/LICENSE")
    install(FILES "${licence}" DESTINATION "${folder}" RENAME _shared_lib_LICENSE)
    foreach(file IN ITEMS ${side} explain fixes ${ARGN})
        set(path "${_NATIVE_LIBRARY_DIR}/shared_lib_${file}.py")
        install(FILES "${path}" DESTINATION "${folder}" RENAME _shared_lib_${file}.py)
    endforeach()
endfunction()

function(_native_library_refuse_inplace)
    if(SKBUILD_STATE STREQUAL "editable" AND CMAKE_BINARY_DIR STREQUAL CMAKE_SOURCE_DIR)
        message(
            FATAL_ERROR
            "editable.mode=inplace installs nothing, so the loader would find no library and no record: "
            "use scikit-build-core's default, editable.mode=redirect"
        )
    endif()
endfunction()

# A search path that begins at the file's own folder leads to plugins or to a library of the wheel's own;
# any other leads to a folder of the machine. The loader opens a provider's library by its path.
function(_native_library_keep_own_rpath target)
    get_target_property(kept ${target} INSTALL_RPATH)
    if(NOT kept)
        set(kept "")
    endif()
    set(dropped ${kept})
    set(own "^(\\$ORIGIN|\\$\\{ORIGIN\\}|@loader_path)(/|$)")
    list(FILTER kept INCLUDE REGEX "${own}")
    list(FILTER dropped EXCLUDE REGEX "${own}")
    # dyld refuses a file that has one twice.
    list(REMOVE_DUPLICATES kept)
    if(dropped)
        message(
            STATUS
            "${target}: INSTALL_RPATH ${dropped} is left out, it is no folder of the wheel"
        )
    endif()
    set_target_properties(
        ${target}
        PROPERTIES INSTALL_RPATH "${kept}" INSTALL_RPATH_USE_LINK_PATH OFF
    )
endfunction()

# Folders in __FILE__ and debug information would make each build folder's wheel a different one: they
# are replaced. More of them, as <folder>=<name>, may follow.
function(_native_library_build_options target)
    # Not for other languages: a resource compiler would stumble over the option.
    if(MSVC)
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:/Brepro>)
        target_link_options(${target} PRIVATE /Brepro)
    else()
        foreach(folder IN ITEMS "${CMAKE_SOURCE_DIR}=." "${CMAKE_BINARY_DIR}=build" ${ARGN})
            set(option "-ffile-prefix-map=${folder}")
            target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:C,CXX>:${option}>")
        endforeach()
    endif()
    # auditwheel tells glibc from musl by what a file NEEDs. Where the compiler passes --as-needed, a
    # library or module that calls nothing of the C library would not say it.
    if(UNIX AND NOT APPLE)
        target_link_options(${target} PRIVATE LINKER:--no-as-needed)
    endif()
endfunction()
