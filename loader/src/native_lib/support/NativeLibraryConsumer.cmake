# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
#
# The consumer's side of NativeLibrary.cmake, which includes this file. Who provides what comes from
# native_library_metadata.py, which the build back end asks too.

# native_library_consumer(<target>
#   LIBRARIES <package>::<library>...  what to link; pyproject.toml says who provides the packages
#   DESTINATION <folder>               the Python package that imports the target
# )
#
# Finds the packages in the providers that are installed where this build runs, links them without
# an RPATH, and installs the loader and the record <folder>/_native_requires.py.
function(native_library_consumer target)
    _native_library_refuse_inplace()
    set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME ${_NATIVE_LIBRARY_COMPONENT})
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "DESTINATION" "LIBRARIES")
    if(NOT TARGET ${target})
        message(FATAL_ERROR "native_library_consumer: ${target} is not a target")
    endif()
    if(NOT arg_LIBRARIES OR NOT arg_DESTINATION OR arg_UNPARSED_ARGUMENTS)
        message(
            FATAL_ERROR
            "native_library_consumer: write native_library_consumer(${target} LIBRARIES foo::foo "
            "DESTINATION <package folder>); not understood: '${arg_UNPARSED_ARGUMENTS}'"
        )
    endif()
    # Every way to write the folder is one folder, with one record.
    set(folder "--wheel=${SKBUILD_PLATLIB_DIR}" "${arg_DESTINATION}")
    _native_library_ask(package_folder package_folder ${folder} ${arg_LIBRARIES})

    set(folders "")
    foreach(library IN LISTS arg_LIBRARIES)
        string(REGEX REPLACE "::.*" "" package "${library}")
        _native_library_find(${package} ${library} provider_folder)
        if(NOT TARGET ${library})
            message(FATAL_ERROR "The package ${package} has no library ${library}")
        endif()
        if(provider_folder)
            list(APPEND folders "${provider_folder}=${package}")
            _native_library_note_provider(${target} "${provider_folder}")
            _native_library_insist_on("${provider_folder}" ${package} ${library} ${target})
        endif()
    endforeach()

    # An imported target has its name in this folder only, and the target may be another folder's. Its
    # own target_link_libraries() may have no keywords, which cannot be mixed with keywords.
    if(NOT TARGET ${target}_native_libraries)
        add_library(${target}_native_libraries INTERFACE)
        set_property(TARGET ${target} APPEND PROPERTY LINK_LIBRARIES ${target}_native_libraries)
    endif()
    target_link_libraries(${target}_native_libraries INTERFACE ${arg_LIBRARIES})
    _native_library_build_options(${target} ${folders})
    _native_library_keep_own_rpath(${target})
    set_target_properties(
        ${target}
        PROPERTIES
            SKIP_BUILD_RPATH ON
            # As system folders (-isystem) the provider's headers would come after what CPATH names.
            NO_SYSTEM_FROM_IMPORTED ON
    )
    # Several modules of one package share one record.
    set_property(GLOBAL APPEND PROPERTY _NATIVE_REQUIRES_${package_folder} ${arg_LIBRARIES})
    get_property(all_libraries GLOBAL PROPERTY _NATIVE_REQUIRES_${package_folder})
    set(record "${CMAKE_BINARY_DIR}/native_library/${package_folder}/_native_requires.py")
    _native_library_ask(ignored record "${record}" ${all_libraries})
    install(FILES "${record}" DESTINATION "${arg_DESTINATION}")
    _native_library_install_loader(consumer "${arg_DESTINATION}")
endfunction()

# native_library_find(<package>...)
#
# Finds packages at their providers, for an upstream that calls find_package() itself: call it before
# add_subdirectory(). Without it a plain find_package(ZLIB) quietly takes the system's zlib.
function(native_library_find)
    foreach(package IN LISTS ARGN)
        _native_library_find(${package} ${package}::${package} provider_folder)
        if(provider_folder)
            _native_library_redirect("${config}" ${package} ${names})
        else()
            set(${package}_ROOT "" PARENT_SCOPE)
        endif()
    endforeach()
    return(PROPAGATE CMAKE_IGNORE_PREFIX_PATH)
endfunction()

# Makes whoever calls find_package() get this Config file: CMake looks into the folder of redirects
# before it looks for anything else, its own FindZLIB.cmake or upstream's included.
function(_native_library_redirect config)
    cmake_path(GET config PARENT_PATH folder)
    string(REGEX REPLACE "-config\\.cmake$" "-config-version.cmake" version "${config}")
    string(REGEX REPLACE "Config\\.cmake$" "ConfigVersion.cmake" version "${version}")
    foreach(name IN LISTS ARGN)
        # In lower case the file answers every spelling.
        string(TOLOWER "${name}" name)
        set(redirect "${CMAKE_FIND_PACKAGE_REDIRECTS_DIR}/${name}-config")
        # Asked for again, the package was found through its redirect.
        if(NOT EXISTS "${redirect}.cmake")
            set(its_folder "set(\${CMAKE_FIND_PACKAGE_NAME}_DIR \"${folder}\")\n")
            file(WRITE "${redirect}.cmake" "include(\"${config}\")\n${its_folder}")
            file(WRITE "${redirect}-version.cmake" "include(\"${version}\" OPTIONAL)\n")
        endif()
    endforeach()
endfunction()

# Finds a package where pyproject.toml says it comes from, and nowhere else. Sets <result> to the
# provider's folder, config to the file that was found, and names to the provider's packages. For the
# system's copy <result> is empty, and CMAKE_IGNORE_PREFIX_PATH has one more.
function(_native_library_find package library result)
    _native_library_ask(answer locate ${package})
    string(JSON source GET "${answer}" source)
    string(JSON folder GET "${answer}" folder)
    string(JSON names GET "${answer}" names)
    set(${result} "")
    if(source STREQUAL "system")
        # A provider may be installed all the same, for another package; its headers must not be found.
        list(APPEND CMAKE_IGNORE_PREFIX_PATH "${folder}")
        _native_library_find_in_system(${package} ${library})
        return(PROPAGATE ${result} CMAKE_IGNORE_PREFIX_PATH)
    endif()
    # A cross-compiling toolchain file confines searches to its sysroot; the provider is not there.
    find_package(${package} CONFIG QUIET HINTS "${folder}" NO_CMAKE_FIND_ROOT_PATH)
    if(NOT ${package}_FOUND)
        list(JOIN names ", " names)
        message(
            FATAL_ERROR
            "The provider in ${folder} gives no CMake package ${package} that fits this build; its "
            "names are ${names}. "
            "Considered: '${${package}_CONSIDERED_CONFIGS}' ${${package}_CONSIDERED_VERSIONS} "
            "${${package}_NOT_FOUND_MESSAGE}"
        )
    endif()
    # The wheel's Requires-Dist was computed from this provider, so it must be what is linked.
    file(REAL_PATH "${folder}" folder)
    file(REAL_PATH "${${package}_DIR}" found_in)
    cmake_path(IS_PREFIX folder "${found_in}" NORMALIZE is_the_providers)
    if(NOT is_the_providers)
        message(
            FATAL_ERROR
            "CMake finds ${package} in ${found_in}, but the wheel's Requires-Dist comes from the "
            "provider in ${folder}. Remove what points elsewhere (${package}_DIR, ${package}_ROOT, "
            "CMAKE_PREFIX_PATH), or ask for the system's copy: NATIVE_LIB_SYSTEM=${package} in the "
            "environment."
        )
    endif()
    set(${result} "${folder}")
    set(config "${${package}_CONFIG}")
    return(PROPAGATE ${result} config names)
endfunction()

function(_native_library_find_in_system package library)
    set(${package}_ROOT "")
    string(TOLOWER "${package}" pc_name)
    find_package(${package} QUIET)
    if(NOT ${package}_FOUND)
        find_package(PkgConfig QUIET)
        if(PkgConfig_FOUND)
            # Some are called after the library's file.
            pkg_search_module(_native_${package} QUIET IMPORTED_TARGET ${pc_name} lib${pc_name})
        endif()
        if(NOT TARGET PkgConfig::_native_${package})
            message(
                FATAL_ERROR
                "NATIVE_LIB_SYSTEM asks for the system's ${package}, and neither CMake (${package}) nor "
                "pkg-config (${pc_name}, lib${pc_name}) finds one. Install it with its headers, or unset "
                "NATIVE_LIB_SYSTEM to use the provider."
            )
        endif()
        # pkg-config knows no targets; what is asked for is what it found.
        if(NOT TARGET ${library})
            add_library(${library} INTERFACE IMPORTED)
            target_link_libraries(${library} INTERFACE PkgConfig::_native_${package})
        endif()
    endif()
    # CMake's own module may know the library by another name (SQLite::SQLite3), or by variables only.
    if(NOT TARGET ${library} AND ${package}_LIBRARIES)
        add_library(${library} INTERFACE IMPORTED)
        target_link_libraries(${library} INTERFACE ${${package}_LIBRARIES})
        target_include_directories(${library} INTERFACE ${${package}_INCLUDE_DIRS})
    endif()
    message(STATUS "${package}: the system's, as NATIVE_LIB_SYSTEM asks")
endfunction()

# Something may have looked for the package before, and elsewhere; then the target is what it found.
function(_native_library_insist_on folder package library target)
    set(location "")
    get_target_property(is_imported ${library} IMPORTED)
    if(is_imported)
        get_target_property(location ${library} LOCATION)
        # As the folder is: site-packages may be reached through a link.
        file(REAL_PATH "${location}" location)
    endif()
    # An imported target belongs to its folder, and so upstream may have one of its own.
    get_target_property(target_folder ${target} SOURCE_DIR)
    if(NOT target_folder STREQUAL CMAKE_CURRENT_SOURCE_DIR)
        get_property(own_targets DIRECTORY "${target_folder}" PROPERTY IMPORTED_TARGETS)
        if(library IN_LIST own_targets)
            set(location "something that ${target_folder} found by itself")
        endif()
    endif()
    cmake_path(IS_PREFIX folder "${location}" NORMALIZE is_the_providers)
    if(NOT is_the_providers)
        message(
            FATAL_ERROR
            "${target} would link to another ${library} than its provider's in ${folder}: "
            "${location}. Call native_library_find(${package}) before add_subdirectory() and before "
            "whatever else looks for ${package}."
        )
    endif()
endfunction()

# For programs that link to the target: where the linker finds what it needs, and where it will lie.
function(_native_library_note_provider target folder)
    cmake_path(GET folder FILENAME name)
    set_property(TARGET ${target} APPEND PROPERTY NATIVE_LIBRARY_LINK_FOLDERS "${folder}/lib")
    set_property(TARGET ${target} APPEND PROPERTY NATIVE_LIBRARY_FOLDERS "${name}/lib")
endfunction()

# Sets <result> to what native_library_metadata.py answers, from pyproject.toml and the providers.
function(_native_library_ask result command)
    set(script "${_NATIVE_LIBRARY_DIR}/native_library_metadata.py")
    _native_library_python(answer COMMAND "${script}" ${command} "${CMAKE_SOURCE_DIR}" ${ARGN})
    set(${result} "${answer}" PARENT_SCOPE)
endfunction()
