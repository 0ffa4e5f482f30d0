# NativeLibrary.cmake: shared libraries in wheels, for wheels that provide and wheels that use them.
#
#   native_library_provider(<target>... PROVIDER <import name> COMPATIBILITY <word> ...)
#   native_library_consumer(<target> LIBRARIES <package>::<library>... DESTINATION <package folder>)
#   native_library_source()          for providers that wrap somebody else's library
#   native_library_find(<package>...)  before an upstream that looks for packages by itself
#
# This file is made to be vendored, with native_library_metadata.py beside it in a consumer, and
# fetch_source.py in the project's folder where upstream is fetched; `native-lib vendor` updates
# them. Where it comes from, and why it is as it is:
# https://github.com/org/native-lib-template

cmake_minimum_required(VERSION 3.25...4.3)
include_guard(GLOBAL)
include(CMakePackageConfigHelpers)
include(CheckSourceCompiles)
include(GenerateExportHeader)

set(_NATIVE_LIBRARY_DIR "${CMAKE_CURRENT_LIST_DIR}")

# native_library_provider(<target>...
#   PROVIDER <import name>         the Python package that the libraries are installed into
#   COMPATIBILITY <word>           SameMajorVersion, SameMinorVersion or ExactVersion: which later
#                                  versions can replace this one. The ABI suffix of the names, the
#                                  CMake package's version file and the consumers' bound follow.
#   [VERSION <version>]            default: the wheel's or the project's
#   [PACKAGE <name>]               CMake package; default: the first target's name
#   [PKG_CONFIG_NAME <name>]       default: PACKAGE in lower case
#   [DESCRIPTION <text>]           for pkg-config; default: the project's
#   [EXPORT_HEADER <path>...]      write a header with the macro <TARGET>_EXPORT for each library, in
#                                  the targets' order, for #include <path>
#   [PROBE_SYMBOL <symbol>...]     ELF: a function of each library, in the targets' order; loaders
#                                  look whether the process's global scope answers it instead
#   [DEPENDENCIES <package>...]    CMake packages that the libraries' interface needs
#   [PLAIN_NAMES ABI_SUFFIX <n>]   keep the system's names, for users who must be able to use the
#                                  system's library; then the system's rules for suffixes hold
# )
#
# Gives each target its file name and run-time name, and installs it with headers, CMake package,
# pkg-config file and the manifest <import name>/_native_libs.py. A target's OUTPUT_NAME and
# EXPORT_NAME are respected; headers come from its file set HEADERS.
function(native_library_provider)
    cmake_parse_arguments(
        PARSE_ARGV 0
        arg
        "PLAIN_NAMES"
        "PROVIDER;COMPATIBILITY;VERSION;PACKAGE;PKG_CONFIG_NAME;DESCRIPTION;ABI_SUFFIX"
        "EXPORT_HEADER;PROBE_SYMBOL;DEPENDENCIES"
    )
    set(targets ${arg_UNPARSED_ARGUMENTS})
    _native_library_check_provider()
    _native_library_refuse_inplace()
    list(GET targets 0 first)
    if(NOT arg_PACKAGE)
        set(arg_PACKAGE ${first})
    endif()
    if(NOT arg_PKG_CONFIG_NAME)
        string(TOLOWER "${arg_PACKAGE}" arg_PKG_CONFIG_NAME)
    endif()
    if(NOT arg_DESCRIPTION)
        set(arg_DESCRIPTION "${PROJECT_DESCRIPTION}")
    endif()
    _native_library_compatibility()

    set(libraries "")
    foreach(target probe header IN ZIP_LISTS targets arg_PROBE_SYMBOL arg_EXPORT_HEADER)
        _native_library_name_target(${target})
        if(header)
            _native_library_export_header(${target} "${header}")
        endif()
        _native_library_add_anchor(${target})
        _native_library_describe(${target} "${probe}")
        if(NOT TARGET ${arg_PACKAGE}::${export_name})
            add_library(${arg_PACKAGE}::${export_name} ALIAS ${target})
        endif()
    endforeach()
    _native_library_install()
endfunction()

# native_library_consumer(<target>
#   LIBRARIES <package>::<library>...  what to link; pyproject.toml says who provides the packages
#   DESTINATION <folder>               the Python package that imports the target
# )
#
# Finds the packages in the providers that are installed where this build runs, links them without
# an RPATH, and installs the record <folder>/_native_requires.py for the loader.
function(native_library_consumer target)
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
    set(package_folder "${arg_DESTINATION}")
    if(SKBUILD_PLATLIB_DIR)
        # scikit-build-core's other way to write a folder of the wheel.
        cmake_path(IS_PREFIX SKBUILD_PLATLIB_DIR "${package_folder}" NORMALIZE is_in_wheel)
        if(is_in_wheel)
            cmake_path(RELATIVE_PATH package_folder BASE_DIRECTORY "${SKBUILD_PLATLIB_DIR}")
        endif()
    endif()
    _native_library_refuse_outside(native_library_consumer DESTINATION "${package_folder}")
    # Every way to write a folder is the same folder, with one record.
    cmake_path(NORMAL_PATH package_folder)
    string(REGEX REPLACE "/$" "" package_folder "${package_folder}")
    _native_library_refuse_inplace()
    set(folders "")
    foreach(library IN LISTS arg_LIBRARIES)
        if(NOT library MATCHES "^([^:]+)::[^:]+$")
            message(
                FATAL_ERROR
                "native_library_consumer: LIBRARIES takes <package>::<library>, not '${library}'"
            )
        endif()
        set(package "${CMAKE_MATCH_1}")
        _native_library_find(${package})
        if(folder)
            list(APPEND folders "${folder}=${package}")
        endif()
        if(NOT TARGET ${library} AND TARGET PkgConfig::_native_${package})
            # pkg-config knows no targets; what is asked for is what it found.
            add_library(${library} INTERFACE IMPORTED)
            target_link_libraries(${library} INTERFACE PkgConfig::_native_${package})
        endif()
        if(NOT TARGET ${library})
            message(FATAL_ERROR "The package ${package} has no library ${library}")
        endif()
        if(source STREQUAL "provider")
            _native_library_insist_on_provider(${target} ${library} ${package} "${folder}")
        endif()
    endforeach()

    target_link_libraries(${target} PRIVATE ${arg_LIBRARIES})
    _native_library_forget_folders(${target} ${folders})
    _native_library_need_libc(${target})
    set_target_properties(
        ${target}
        PROPERTIES
            # The loader opens the provider's library by its path; a search path could only mislead.
            SKIP_BUILD_RPATH ON
            INSTALL_RPATH ""
            INSTALL_RPATH_USE_LINK_PATH OFF
            # As system folders (-isystem) the provider's headers would come after what CPATH names.
            NO_SYSTEM_FROM_IMPORTED ON
    )
    # Several modules of one package share one record.
    set_property(GLOBAL APPEND PROPERTY _NATIVE_REQUIRES_${package_folder} ${arg_LIBRARIES})
    get_property(all_libraries GLOBAL PROPERTY _NATIVE_REQUIRES_${package_folder})
    set(record "${CMAKE_BINARY_DIR}/native_library/${package_folder}/_native_requires.py")
    _native_library_ask(record "${record}" ${all_libraries})
    install(FILES "${record}" DESTINATION ${arg_DESTINATION})
endfunction()

# native_library_find(<package>...)
#
# Finds packages at their providers, for an upstream that calls find_package() itself: call it before
# add_subdirectory(). Without it a plain find_package(ZLIB) quietly takes the system's zlib.
function(native_library_find)
    foreach(package IN LISTS ARGN)
        _native_library_find(${package})
        if(source STREQUAL "system")
            set(${package}_ROOT "" PARENT_SCOPE)
        endif()
    endforeach()
    set(CMAKE_IGNORE_PREFIX_PATH "${CMAKE_IGNORE_PREFIX_PATH}" PARENT_SCOPE)
    # CMake's own FindZLIB.cmake knows nothing of providers; the provider's ZLIBConfig.cmake does.
    set(CMAKE_FIND_PACKAGE_PREFER_CONFIG ON PARENT_SCOPE)
endfunction()

# native_library_source()
#
# Asks fetch_source.py what upstream/ holds, stops if it is not there or not what source.toml lists,
# and puts it into the wheel's SBOM (PEP 770, CycloneDX).
function(native_library_source)
    _native_library_run_python("${CMAKE_CURRENT_SOURCE_DIR}/fetch_source.py" --facts)
    string(JSON upstream GET "${answer}" name)
    string(JSON version GET "${answer}" version)
    string(JSON purl GET "${answer}" purl)
    string(JSON component GET "${answer}" component)
    message(STATUS "upstream/: ${upstream} ${version}")
    set_property(
        DIRECTORY
        APPEND
        PROPERTY
            CMAKE_CONFIGURE_DEPENDS
                "${CMAKE_CURRENT_SOURCE_DIR}/source.toml"
                "${CMAKE_CURRENT_SOURCE_DIR}/upstream/native_library_source.json"
    )
    if(NOT SKBUILD_METADATA_DIR)
        return() # there is no wheel
    endif()
    # As package URLs write it.
    string(TOLOWER "${SKBUILD_PROJECT_NAME}" name)
    string(REGEX REPLACE "[-_.]+" "-" name "${name}")
    set(wheel "pkg:pypi/${name}@${SKBUILD_PROJECT_VERSION_FULL}")
    string(
        CONCAT sbom
        "{\n"
        "\"bomFormat\": \"CycloneDX\",\n"
        "\"specVersion\": \"1.6\",\n"
        "\"version\": 1,\n"
        "\"metadata\": {\"component\": {\"type\": \"library\", \"name\": \"${name}\", "
        "\"version\": \"${SKBUILD_PROJECT_VERSION_FULL}\", \"purl\": \"${wheel}\", "
        "\"bom-ref\": \"${wheel}\"}},\n"
        "\"components\": [${component}],\n"
        "\"dependencies\": [{\"ref\": \"${wheel}\", \"dependsOn\": [\"${purl}\"]}]\n"
        "}\n"
    )
    set(file "${CMAKE_CURRENT_BINARY_DIR}/native_library/${name}.cdx.json")
    file(WRITE "${file}" "${sbom}")
    install(FILES "${file}" DESTINATION "${SKBUILD_METADATA_DIR}/sboms")
endfunction()

# Provider --------------------------------------------------------------------------------------
# The helpers below are parts of native_library_provider() and use its arguments.

macro(_native_library_check_provider)
    if(NOT targets)
        message(FATAL_ERROR "native_library_provider: name the shared library targets first")
    endif()
    foreach(target IN LISTS targets)
        if(NOT TARGET ${target})
            message(FATAL_ERROR "native_library_provider: ${target} is not a target")
        endif()
        get_target_property(type ${target} TYPE)
        if(NOT type STREQUAL "SHARED_LIBRARY")
            message(
                FATAL_ERROR
                "native_library_provider: ${target} is a ${type}; write add_library(${target} SHARED ...), "
                "or set(BUILD_SHARED_LIBS ON) before upstream's add_subdirectory(), or what upstream has "
                "in its place"
            )
        endif()
    endforeach()
    list(LENGTH targets number_of_targets)
    foreach(argument IN ITEMS EXPORT_HEADER PROBE_SYMBOL)
        list(LENGTH arg_${argument} number)
        if(number GREATER number_of_targets)
            # With a misspelled keyword among them.
            list(JOIN arg_${argument} ", " names)
            message(
                FATAL_ERROR
                "native_library_provider: ${argument} names ${number} for ${number_of_targets} targets: "
                "${names}"
            )
        endif()
    endforeach()
    _native_library_refuse_outside(native_library_provider EXPORT_HEADER ${arg_EXPORT_HEADER})
    if(NOT arg_PROVIDER MATCHES "^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
        # One "__" separates provider and library in the names, so that they can be split again.
        message(
            FATAL_ERROR
            "native_library_provider: PROVIDER is the import name of the Python package, lower-case "
            "letters and digits with single underscores, not '${arg_PROVIDER}'"
        )
    endif()
    if(SKBUILD_PROJECT_NAME)
        string(TOLOWER "${SKBUILD_PROJECT_NAME}" distribution)
        string(REGEX REPLACE "[-_.]+" "_" distribution "${distribution}")
        if(NOT distribution STREQUAL arg_PROVIDER)
            message(
                FATAL_ERROR
                "native_library_provider: PROVIDER ${arg_PROVIDER} and the distribution's name "
                "${SKBUILD_PROJECT_NAME} differ; consumers find the one by the other"
            )
        endif()
    endif()
    if(arg_PLAIN_NAMES AND NOT DEFINED arg_ABI_SUFFIX)
        message(
            FATAL_ERROR
            "native_library_provider: PLAIN_NAMES needs ABI_SUFFIX, the number in the system's name "
            "(16 for libpng16.so.16)"
        )
    elseif(NOT arg_PLAIN_NAMES AND DEFINED arg_ABI_SUFFIX)
        message(
            FATAL_ERROR
            "native_library_provider: ABI_SUFFIX goes with PLAIN_NAMES only; private names take it from "
            "the version and COMPATIBILITY"
        )
    endif()
endmacro()

# Sets release (1.4.2), base (with a pre-release's mark), abi (1) and requirement (libfoo>=1.4.2,<2).
macro(_native_library_compatibility)
    if(arg_VERSION AND SKBUILD_PROJECT_VERSION_FULL)
        # Only the wheel's says whether this is a pre-release or a packaging revision.
        string(REGEX MATCH "^[0-9.]*[0-9]" numbers "${arg_VERSION}")
        string(REGEX MATCH "^[0-9.]*[0-9]" wheels_numbers "${SKBUILD_PROJECT_VERSION_FULL}")
        if(NOT numbers VERSION_EQUAL wheels_numbers)
            message(
                FATAL_ERROR
                "native_library_provider: VERSION ${arg_VERSION} and the wheel's version "
                "${SKBUILD_PROJECT_VERSION_FULL} differ; consumers require the one and would get the "
                "other: remove VERSION, or correct the version in pyproject.toml"
            )
        endif()
        set(arg_VERSION "")
    endif()
    if(NOT arg_VERSION)
        set(arg_VERSION "${SKBUILD_PROJECT_VERSION_FULL}")
    endif()
    if(NOT arg_VERSION)
        set(arg_VERSION "${PROJECT_VERSION}")
    endif()
    if(NOT arg_VERSION)
        message(
            FATAL_ERROR
            "native_library_provider: there is no version; outside of scikit-build-core, configure with "
            "-DSKBUILD_PROJECT_VERSION=1.0.0"
        )
    endif()
    # scikit-build-core hands a calendar version over as it was written; pip drops leading zeros.
    string(REGEX REPLACE "(^|[^0-9])0+([0-9])" "\\1\\2" arg_VERSION "${arg_VERSION}")
    if(
        NOT arg_VERSION
            MATCHES
            "^(([0-9]+(\\.[0-9]+)*)((a|b|rc)[0-9]+)?)(\\.post[0-9]+)?(\\.dev[0-9]+)?(\\+[a-z0-9.]+)?$"
    )
        message(
            FATAL_ERROR
            "native_library_provider: VERSION '${arg_VERSION}' is not a version like 1.4.2, 1.4.2rc1 or "
            "1.4.2.post1"
        )
    endif()
    set(release "${CMAKE_MATCH_2}")
    # A packaging revision does not change the library; a development version is not yet its release.
    set(base "${CMAKE_MATCH_1}")
    if(NOT CMAKE_MATCH_6)
        string(APPEND base "${CMAKE_MATCH_7}")
    endif()
    if("${release}.0.0" MATCHES "^([0-9]+)\\.([0-9]+)\\.([0-9]+)")
        set(major ${CMAKE_MATCH_1})
        set(minor ${CMAKE_MATCH_2})
        set(patch ${CMAKE_MATCH_3})
    endif()
    string(REPLACE "_" "-" distribution "${arg_PROVIDER}")
    if(arg_COMPATIBILITY STREQUAL "SameMajorVersion")
        set(abi "${major}")
        math(EXPR next "${major} + 1")
        set(requirement "${distribution}>=${base},<${next}")
    elseif(arg_COMPATIBILITY STREQUAL "SameMinorVersion")
        set(abi "${major}.${minor}")
        math(EXPR next "${minor} + 1")
        set(requirement "${distribution}>=${base},<${major}.${next}")
    elseif(arg_COMPATIBILITY STREQUAL "ExactVersion")
        set(abi "${major}.${minor}.${patch}")
        set(requirement "${distribution}==${abi}.*")
        if(NOT base STREQUAL abi AND NOT "${base}.0" STREQUAL abi)
            string(APPEND requirement ",>=${base}")
        endif()
    else()
        message(
            FATAL_ERROR
            "native_library_provider: COMPATIBILITY is SameMajorVersion, SameMinorVersion or "
            "ExactVersion, not '${arg_COMPATIBILITY}'"
        )
    endif()
    if(arg_PLAIN_NAMES)
        set(abi "${arg_ABI_SUFFIX}")
    endif()
endmacro()

# Sets name (foo), file_stem (libfoo__foo) and export_name, and names the target's files.
macro(_native_library_name_target target)
    get_target_property(name ${target} OUTPUT_NAME)
    if(NOT name)
        set(name ${target})
    endif()
    get_target_property(export_name ${target} EXPORT_NAME)
    if(NOT export_name)
        set(export_name ${target})
        set_target_properties(${target} PROPERTIES EXPORT_NAME ${export_name})
    endif()
    if(arg_PLAIN_NAMES AND name MATCHES "__")
        message(
            FATAL_ERROR
            "native_library_provider: ${name} has two underscores, which only private names have"
        )
    endif()
    if(arg_PLAIN_NAMES AND WIN32)
        set(file_stem "${name}")
    elseif(arg_PLAIN_NAMES)
        set(file_stem "lib${name}")
    else()
        set(file_stem "${arg_PROVIDER}__${name}")
    endif()
    # Upstream may have named one kind of file or one configuration, which would win. The name is the
    # same in every configuration: sharing needs a name that stays.
    foreach(
        property
        IN
        ITEMS SUFFIX LIBRARY_OUTPUT_NAME FRAMEWORK NO_SONAME VERSION
    )
        # VERSION would make a symlink beside the file, and a wheel turns symlinks into second copies.
        set_property(TARGET ${target} PROPERTY ${property})
    endforeach()
    foreach(configuration IN ITEMS ${CMAKE_CONFIGURATION_TYPES} ${CMAKE_BUILD_TYPE})
        string(TOUPPER "${configuration}" configuration)
        foreach(kind IN ITEMS "" LIBRARY_ RUNTIME_ ARCHIVE_)
            set_property(TARGET ${target} PROPERTY ${kind}OUTPUT_NAME_${configuration})
        endforeach()
        set_property(TARGET ${target} PROPERTY ${configuration}_POSTFIX)
    endforeach()
    set_target_properties(
        ${target}
        PROPERTIES
            # Upstream may have been added with EXCLUDE_FROM_ALL, to install nothing of its own.
            EXCLUDE_FROM_ALL OFF
            PREFIX ""
            OUTPUT_NAME "${file_stem}"
            SOVERSION "${abi}"
            # Windows puts no SOVERSION into a name by itself.
            RUNTIME_OUTPUT_NAME "${file_stem}-${abi}"
            # MinGW's defaults are lib<name>.dll.a; one name for both tool chains.
            IMPORT_PREFIX ""
            ARCHIVE_OUTPUT_NAME "${file_stem}"
            # dyld finds a loaded image by its install name if that starts with @rpath.
            MACOSX_RPATH ON
            BUILD_WITH_INSTALL_NAME_DIR OFF
            INSTALL_NAME_DIR "@rpath"
            BUILD_WITH_INSTALL_RPATH ON
            INSTALL_RPATH ""
            # Old versions of dyld compare it; the name already says what is compatible.
            MACHO_COMPATIBILITY_VERSION 1
            MACHO_CURRENT_VERSION 1
    )
    if(WIN32)
        set_target_properties(${target} PROPERTIES IMPORT_SUFFIX ".lib")
    endif()
    # Relative to the wheel's root, upstream's include/ is another: the package adds its own.
    get_target_property(includes ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(includes)
        string(REGEX REPLACE "\\$<INSTALL_INTERFACE:[^>]*>" "" includes "${includes}")
        set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${includes}")
    endif()
    foreach(property C_VISIBILITY_PRESET CXX_VISIBILITY_PRESET)
        get_target_property(visibility ${target} ${property})
        if(NOT visibility)
            set_target_properties(${target} PROPERTIES ${property} hidden)
        endif()
    endforeach()
    set_target_properties(${target} PROPERTIES VISIBILITY_INLINES_HIDDEN ON)
    _native_library_forget_folders(${target})
    _native_library_need_libc(${target})
endmacro()

# musl never reads a SONAME: a library that was opened by its path has no name there, and satisfies
# nobody's NEEDED. A search that finds its file gives it one. The anchor makes that search: it NEEDs
# the library and has the RUNPATH $ORIGIN. Sets anchor to its path in the package, empty elsewhere.
macro(_native_library_add_anchor target)
    set(anchor "")
    _native_library_on_musl(musl)
    if(musl)
        get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
        if("C" IN_LIST languages)
            set(source "${CMAKE_CURRENT_BINARY_DIR}/native_library/${file_stem}-anchor.c")
        else()
            set(source "${CMAKE_CURRENT_BINARY_DIR}/native_library/${file_stem}-anchor.cpp")
        endif()
        file(CONFIGURE OUTPUT "${source}" CONTENT "/* Only its NEEDED and RUNPATH count. */\n")
        add_library(${target}_anchor MODULE "${source}")
        target_link_libraries(${target}_anchor PRIVATE ${target})
        target_link_options(${target}_anchor PRIVATE LINKER:--no-as-needed)
        set_target_properties(
            ${target}_anchor
            PROPERTIES
                PREFIX ""
                OUTPUT_NAME "${file_stem}-anchor"
                BUILD_WITH_INSTALL_RPATH ON
                INSTALL_RPATH "$ORIGIN"
        )
        install(TARGETS ${target}_anchor LIBRARY DESTINATION ${arg_PROVIDER}/lib)
        set(anchor "lib/${file_stem}-anchor.so")
    endif()
endmacro()

# Appends the target's entry to libraries, the body of the manifest's LIBRARIES.
macro(_native_library_describe target probe)
    get_target_property(items ${target} LINK_LIBRARIES)
    set(linked "")
    foreach(item IN LISTS items)
        # An alias (foo::foo), or one in a generator expression ($<BUILD_INTERFACE:foo::foo>).
        string(REGEX REPLACE "^\\$<.*[^:]:([^:>]+(::[^:>]+)?)>$" "\\1" item "${item}")
        if(TARGET "${item}")
            get_target_property(aliased ${item} ALIASED_TARGET)
            if(aliased)
                set(item ${aliased})
            endif()
        endif()
        list(APPEND linked "${item}")
    endforeach()
    set(needs "")
    foreach(other IN LISTS targets)
        if(other IN_LIST linked)
            get_property(needed GLOBAL PROPERTY _NATIVE_LIBRARY_${arg_PROVIDER}_${other})
            if(NOT needed)
                message(
                    FATAL_ERROR
                    "native_library_provider: name ${other} before ${target}, which links to it: libraries "
                    "are loaded in the order of the targets"
                )
            endif()
            string(APPEND needs "\"${needed}\", ")
        endif()
    endforeach()
    set_property(GLOBAL PROPERTY _NATIVE_LIBRARY_${arg_PROVIDER}_${target} ${name})
    set(probe_symbol "")
    # Only ELF searches a global scope first; and plain names accept another copy anyway.
    if(UNIX AND NOT APPLE AND NOT arg_PLAIN_NAMES)
        set(probe_symbol "${probe}")
    endif()
    set(runtime_name "$<TARGET_FILE_NAME:${target}>")
    if(APPLE)
        set(runtime_name "@rpath/${runtime_name}")
    endif()
    string(
        APPEND libraries
        "    \"${name}\": {\n"
        "        \"target\": \"${arg_PACKAGE}::${export_name}\",\n"
        "        \"file\": \"lib/$<TARGET_FILE_NAME:${target}>\",\n"
        "        \"runtime_name\": \"${runtime_name}\",\n"
        "        \"anchor\": \"${anchor}\",\n"
        "        \"probe_symbol\": \"${probe_symbol}\",\n"
        "        \"needs\": (${needs}),\n"
        "    },\n"
    )
endmacro()

macro(_native_library_export_header target header)
    set(headers "${CMAKE_CURRENT_BINARY_DIR}/native_library/include")
    cmake_path(APPEND headers "${header}" OUTPUT_VARIABLE file)
    cmake_path(GET file PARENT_PATH folder)
    file(MAKE_DIRECTORY "${folder}")
    generate_export_header(${target} BASE_NAME ${target} EXPORT_FILE_NAME "${file}")
    target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS "${headers}" FILES "${file}")
endmacro()

macro(_native_library_install)
    set(lib "${arg_PROVIDER}/lib")
    set(generated "${CMAKE_CURRENT_BINARY_DIR}/native_library")
    foreach(target IN LISTS targets)
        get_target_property(header_sets ${target} INTERFACE_HEADER_SETS)
        set(headers "")
        if(header_sets)
            foreach(header_set IN LISTS header_sets)
                list(APPEND headers FILE_SET ${header_set} DESTINATION ${arg_PROVIDER}/include)
            endforeach()
        endif()
        install(
            TARGETS ${target}
            EXPORT native_library_${arg_PACKAGE}
            RUNTIME DESTINATION ${lib}
            LIBRARY DESTINATION ${lib} NAMELINK_SKIP
            ARCHIVE DESTINATION ${lib}
            PUBLIC_HEADER DESTINATION ${arg_PROVIDER}/include
            ${headers}
        )
    endforeach()

    # CMake package
    # A set of our own: upstream may export the target, too, and <package>Targets is what it would say.
    install(
        EXPORT native_library_${arg_PACKAGE}
        FILE ${arg_PACKAGE}Targets.cmake
        NAMESPACE ${arg_PACKAGE}::
        DESTINATION ${lib}/cmake/${arg_PACKAGE}
    )
    set(config "include(CMakeFindDependencyMacro)\n")
    foreach(dependency IN LISTS arg_DEPENDENCIES)
        string(APPEND config "find_dependency(${dependency} CONFIG)\n")
    endforeach()
    string(
        APPEND config
        "include(\"\${CMAKE_CURRENT_LIST_DIR}/${arg_PACKAGE}Targets.cmake\")\n"
        "get_filename_component(_include \"\${CMAKE_CURRENT_LIST_DIR}/../../../include\" ABSOLUTE)\n"
        "if(IS_DIRECTORY \"\${_include}\")\n"
    )
    set(exported "")
    foreach(target IN LISTS targets)
        get_target_property(export_name ${target} EXPORT_NAME)
        list(APPEND exported ${arg_PACKAGE}::${export_name})
        string(
            APPEND config
            "    target_include_directories(${arg_PACKAGE}::${export_name} INTERFACE \"\${_include}\")\n"
        )
    endforeach()
    # For projects from before CMake's targets, libpng among them.
    string(
        APPEND config
        "    set(${arg_PACKAGE}_INCLUDE_DIRS \"\${_include}\")\n"
        "endif()\n"
        "set(${arg_PACKAGE}_LIBRARIES \"${exported}\")\n"
        "unset(_include)\n"
    )
    file(WRITE "${generated}/${arg_PACKAGE}Config.cmake" "${config}")
    write_basic_package_version_file(
        "${generated}/${arg_PACKAGE}ConfigVersion.cmake"
        VERSION ${release}
        COMPATIBILITY ${arg_COMPATIBILITY}
    )
    install(
        FILES
            "${generated}/${arg_PACKAGE}Config.cmake"
            "${generated}/${arg_PACKAGE}ConfigVersion.cmake"
        DESTINATION ${lib}/cmake/${arg_PACKAGE}
    )

    # pkg-config: the file's full path, for there is no lib<name>.so that -l could find. No quotes:
    # pkgconf escapes the spaces of pcfiledir itself.
    set(pc_libs "")
    foreach(target IN LISTS targets)
        set(pc_file "$<TARGET_FILE_NAME:${target}>")
        if(WIN32)
            set(pc_file "$<TARGET_LINKER_FILE_NAME:${target}>")
        endif()
        list(PREPEND pc_libs "\${libdir}/${pc_file}")
    endforeach()
    list(JOIN pc_libs " " pc_libs)
    list(JOIN arg_DEPENDENCIES ", " pc_requires)
    if(pc_requires)
        string(TOLOWER "${pc_requires}" pc_requires)
        set(pc_requires "Requires: ${pc_requires}\n")
    endif()
    string(
        CONCAT pc
        "prefix=\${pcfiledir}/../..\n"
        "includedir=\${prefix}/include\n"
        "libdir=\${prefix}/lib\n"
        # Whoever must not get the system's library asks for the first, and whoever links without
        # `Libs` for the second: Meson writes the folder of a dependency's library into RUNPATH.
        "provider=${arg_PROVIDER}\n"
        "libraries=${pc_libs}\n\n"
        "Name: ${arg_PACKAGE}\n"
        "Description: ${arg_DESCRIPTION}\n"
        "Version: ${release}\n"
        "${pc_requires}"
        "Cflags: -I\${includedir}\n"
        "Libs: \${libraries}\n"
    )
    set(pc_file "${generated}/$<CONFIG>/${arg_PKG_CONFIG_NAME}.pc")
    file(GENERATE OUTPUT "${pc_file}" CONTENT "${pc}")
    install(FILES "${pc_file}" DESTINATION ${lib}/pkgconfig)

    # The manifest lies next to the libraries, so that its __file__ finds them in editable installs.
    string(
        CONCAT manifest
        "# Written by NativeLibrary.cmake: the libraries that this distribution provides.\n"
        "FORMAT = 1\n"
        "DISTRIBUTION = \"${distribution}\"\n"
        "VERSION = \"${arg_VERSION}\"\n"
        "COMPATIBILITY = \"${arg_COMPATIBILITY}\"\n"
        "REQUIREMENT = \"${requirement}\"\n"
        "PACKAGE = \"${arg_PACKAGE}\"\n"
        "LIBRARIES = {\n"
        "${libraries}"
        "}\n"
    )
    file(GENERATE OUTPUT "${generated}/$<CONFIG>/_native_libs.py" CONTENT "${manifest}")
    install(FILES "${generated}/$<CONFIG>/_native_libs.py" DESTINATION ${arg_PROVIDER})
endmacro()

# Consumer --------------------------------------------------------------------------------------

# Finds a package where pyproject.toml says it comes from, and nowhere else.
macro(_native_library_find package)
    _native_library_ask(locate ${package})
    string(JSON source GET "${answer}" source)
    string(JSON folder GET "${answer}" folder)
    string(JSON its_package GET "${answer}" package)
    if(source STREQUAL "system")
        _native_library_find_in_system(${package} "${folder}")
    else()
        # A cross-compiling toolchain file confines searches to its sysroot; the provider is not there.
        find_package(${package} CONFIG QUIET HINTS "${folder}" NO_CMAKE_FIND_ROOT_PATH)
        if(NOT ${package}_FOUND)
            message(
                FATAL_ERROR
                "The provider in ${folder} gives no CMake package ${package} that fits this build; its "
                "package is ${its_package}. "
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
    endif()
endmacro()

macro(_native_library_find_in_system package provider_folder)
    # A provider may be installed all the same, for another package; its headers must not be found.
    list(APPEND CMAKE_IGNORE_PREFIX_PATH "${provider_folder}")
    set(${package}_ROOT "")
    find_package(${package} QUIET)
    if(NOT ${package}_FOUND)
        find_package(PkgConfig QUIET)
        string(TOLOWER "${package}" pc_name)
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
        if(NOT TARGET ${package}::${package})
            add_library(${package}::${package} INTERFACE IMPORTED)
            target_link_libraries(${package}::${package} INTERFACE PkgConfig::_native_${package})
        endif()
    endif()
    message(STATUS "${package}: the system's, as NATIVE_LIB_SYSTEM asks")
endmacro()

# Something may have looked for the package before, and elsewhere; then the target is what it found.
function(_native_library_insist_on_provider target library package folder)
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

# Runs native_library_metadata.py, which reads pyproject.toml and asks the installed providers.
macro(_native_library_ask command)
    _native_library_run_python(
        "${_NATIVE_LIBRARY_DIR}/native_library_metadata.py"
        ${command}
        "${CMAKE_SOURCE_DIR}"
        ${ARGN}
    )
endmacro()

# Sets answer to what a Python program prints, and stops with its complaint if it fails.
macro(_native_library_run_python)
    if(NOT Python_EXECUTABLE)
        find_package(Python 3.9 REQUIRED COMPONENTS Interpreter)
    endif()
    execute_process(
        COMMAND "${Python_EXECUTABLE}" ${ARGN}
        OUTPUT_VARIABLE answer
        ERROR_VARIABLE complaint
        RESULT_VARIABLE failed
    )
    if(failed)
        message(FATAL_ERROR "${complaint}")
    endif()
endmacro()

# Both ------------------------------------------------------------------------------------------

function(_native_library_refuse_inplace)
    if(SKBUILD_STATE STREQUAL "editable" AND CMAKE_BINARY_DIR STREQUAL CMAKE_SOURCE_DIR)
        message(
            FATAL_ERROR
            "editable.mode=inplace installs nothing, so the loader would find no library and no record: "
            "use scikit-build-core's default, editable.mode=redirect"
        )
    endif()
endfunction()

# An absolute path would be written to on the machine that builds, and be missing in the wheel.
function(_native_library_refuse_outside caller argument)
    foreach(path IN LISTS ARGN)
        if(path MATCHES "^[/\\]|^[A-Za-z]:|(^|[/\\])\\.\\.([/\\]|$)")
            message(
                FATAL_ERROR
                "${caller}: ${argument} '${path}' leads out of the wheel: write a relative path without '..'"
            )
        endif()
    endforeach()
endfunction()

# Folders in __FILE__ and debug information would make each build folder's wheel a different one.
function(_native_library_forget_folders target)
    set(folders "${CMAKE_SOURCE_DIR}=." "${CMAKE_BINARY_DIR}=build" ${ARGN})
    # Not for other languages: a resource compiler would stumble over the option.
    if(MSVC)
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:/Brepro>)
        target_link_options(${target} PRIVATE /Brepro)
    else()
        foreach(folder IN LISTS folders)
            target_compile_options(
                ${target}
                PRIVATE "$<$<COMPILE_LANGUAGE:C,CXX>:-ffile-prefix-map=${folder}>"
            )
        endforeach()
    endif()
endfunction()

# auditwheel tells glibc from musl by what a file NEEDs. Where the compiler passes --as-needed, a
# library or module that calls nothing of the C library would not say it.
function(_native_library_need_libc target)
    if(UNIX AND NOT APPLE)
        target_link_options(${target} PRIVATE LINKER:--no-as-needed)
    endif()
endfunction()

function(_native_library_on_musl result)
    set(${result} OFF PARENT_SCOPE)
    if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
        get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
        set(language CXX)
        if("C" IN_LIST languages)
            set(language C)
        endif()
        # musl defines no macro of its own, on purpose.
        check_source_compiles(
            ${language}
            "#include <features.h>
      #if defined(__GLIBC__) || defined(__UCLIBC__) || defined(__BIONIC__)
      #error
      #endif
      int main(void) { return 0; }"
            NATIVE_LIBRARY_ON_MUSL
        )
        set(${result} ${NATIVE_LIBRARY_ON_MUSL} PARENT_SCOPE)
    endif()
endfunction()
