# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
#
# The provider's side of NativeLibrary.cmake, which includes this file. Names, bound and the texts of
# what is installed come from native_library_texts.py.

include(CMakePackageConfigHelpers)
include(CheckLinkerFlag)
include(CheckSourceCompiles)
include(GenerateExportHeader)

# native_library_provider(<target>...
#   PROVIDER <import name>        the Python package that the libraries are installed into
#   COMPATIBILITY <word>          which later versions can replace this one: SameMajorVersion,
#                                 SameMinorVersion or ExactVersion; names and bounds follow
#   [VERSION <version>]           default: the wheel's or the project's
#   [PACKAGE <name>]              CMake package; default: the first target's name
#   [PKG_CONFIG_NAME <name>]      default: PACKAGE in lower case
#   [DESCRIPTION <text>]          for pkg-config; default: the project's
#   [EXPORT_HEADER <path>...]     a header for each target, with the macro <TARGET>_EXPORT
#   [PROBE_SYMBOL <symbol>...]    a function of each target that must be ours in the process (ELF)
#   [LINK_NAMES [<target>=]<name>...]  names to link by (-l<name>), beside upstream's OUTPUT_NAME
#   [DEPENDENCIES <package>...]   CMake packages that the libraries' interface needs
#   [NAMES <package>...]          other names of the CMake package, such as SQLite3
#   [ALIASES [<target>=]<name>...]  other names of its imported targets, such as SQLite::SQLite3
#   [PROGRAMS <target>...]        executables that need the libraries, and come along
#   [DATA_ENV <VARIABLE=path>...] set before a library is opened; paths below <import name>/
#   [PLAIN_NAMES ABI_SUFFIX <n>]  the system's names, for users who must be able to use its library
# )
#
# Gives each target its file name and run-time name, and installs it with headers, CMake package,
# pkg-config file, loader and the manifest <import name>/_native_libs.py. A target's OUTPUT_NAME and
# EXPORT_NAME are respected; headers come from its file set HEADERS.
function(native_library_provider)
    _native_library_refuse_inplace()
    set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME ${_NATIVE_LIBRARY_COMPONENT})
    set(one_value "PROVIDER;COMPATIBILITY;VERSION;PACKAGE;PKG_CONFIG_NAME;ABI_SUFFIX")
    set(several "EXPORT_HEADER;PROBE_SYMBOL;LINK_NAMES;DEPENDENCIES;NAMES;ALIASES;DATA_ENV")
    cmake_parse_arguments(
        PARSE_ARGV 0
        arg
        "PLAIN_NAMES"
        "DESCRIPTION;${one_value}"
        "PROGRAMS;${several}"
    )
    set(targets ${arg_UNPARSED_ARGUMENTS})

    # What only CMake knows goes to Python, which checks it; names and texts come back.
    set(language CXX)
    if(CMAKE_C_COMPILER_LOADED)
        set(language C)
    endif()
    _native_library_on_musl(${language} musl)
    set(facts "--PLAIN_NAMES=${arg_PLAIN_NAMES}")
    foreach(argument IN LISTS one_value several)
        if(DEFINED arg_${argument})
            list(APPEND facts --${argument} ${arg_${argument}})
        endif()
    endforeach()
    foreach(target IN LISTS targets)
        _native_library_describe(description ${target} ${targets})
        list(APPEND facts --target ${description})
        if(NOT TARGET ${target})
            _native_library_targets(others "${CMAKE_SOURCE_DIR}")
            list(APPEND facts --others ${others})
        endif()
    endforeach()
    foreach(target IN LISTS arg_PROGRAMS)
        _native_library_describe(description ${target})
        list(APPEND facts --program ${description})
    endforeach()
    set(generated "${CMAKE_CURRENT_BINARY_DIR}/native_library")
    _native_library_python(
        answer
        COMMAND
            "${_NATIVE_LIBRARY_DIR}/native_library_texts.py"
            provider
            "${generated}"
            "--system=${CMAKE_SYSTEM_NAME}"
            "--musl=${musl}"
            "--wheel-name=${SKBUILD_PROJECT_NAME}"
            "--wheel-version=${SKBUILD_PROJECT_VERSION_FULL}"
            "--project-version=${PROJECT_VERSION}"
            "--project-description=${PROJECT_DESCRIPTION}"
            "--DESCRIPTION=${arg_DESCRIPTION}"
            ${facts}
    )
    foreach(fact IN ITEMS release abi package pc_file)
        string(JSON ${fact} GET "${answer}" ${fact})
    endforeach()

    set(lib ${arg_PROVIDER}/lib)
    foreach(target header IN ZIP_LISTS targets arg_EXPORT_HEADER)
        foreach(fact IN ITEMS file_stem export_name anchor link_files)
            string(JSON ${fact} GET "${answer}" targets ${target} ${fact})
        endforeach()
        _native_library_name_target(${target} "${file_stem}" "${abi}" ${export_name})
        if(header)
            _native_library_export_header(${target} "${header}" "${generated}/include")
        endif()
        _native_library_hide_archives(${target} ${language})
        _native_library_install_target(${target} ${arg_PROVIDER} ${package})
        _native_library_install_link_files(${target} ${lib} "${link_files}")
        set(dependencies "${arg_DEPENDENCIES}")
        _native_library_public_dependencies(${target} ${arg_PROVIDER} ${package} ${targets})
        if(anchor)
            _native_library_add_anchor(${target} ${language} ${anchor} ${lib})
        endif()
        if(NOT TARGET ${package}::${export_name})
            add_library(${package}::${export_name} ALIAS ${target})
        endif()
    endforeach()

    if(arg_PROGRAMS)
        _native_library_install_programs("${answer}" ${arg_PROVIDER} "${targets}" ${arg_PROGRAMS})
    endif()

    write_basic_package_version_file(
        "${generated}/${package}ConfigVersion.cmake"
        VERSION ${release}
        COMPATIBILITY ${arg_COMPATIBILITY}
    )
    _native_library_install_text(${package}Config.cmake ${lib}/cmake/${package})
    install(FILES "${generated}/${package}ConfigVersion.cmake" DESTINATION ${lib}/cmake/${package})
    install(DIRECTORY "${generated}/forwards/" DESTINATION ${lib}/cmake OPTIONAL)
    install(
        EXPORT native_library_${package}
        FILE ${package}Targets.cmake
        NAMESPACE ${package}::
        DESTINATION ${lib}/cmake/${package}
    )
    _native_library_install_text(${pc_file} ${lib}/pkgconfig)
    # The manifest lies next to the libraries, so that its __file__ finds them in editable installs.
    _native_library_install_text(_native_libs.py ${arg_PROVIDER})
    _native_library_install_loader(manager ${arg_PROVIDER} wordings)
    foreach(name IN ITEMS __init__ hook-${arg_PROVIDER})
        install(
            FILES "${_NATIVE_LIBRARY_DIR}/pyinstaller_hook.py"
            DESTINATION ${arg_PROVIDER}/_pyinstaller
            RENAME ${name}.py
        )
    endforeach()
endfunction()

# native_library_source()
#
# Asks fetch_source.py what upstream/ holds, stops if it is not there or not what source.toml lists,
# and puts it into the wheel's SBOM (PEP 770, CycloneDX).
function(native_library_source)
    set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME ${_NATIVE_LIBRARY_COMPONENT})
    _native_library_python(facts COMMAND "${_NATIVE_LIBRARY_DIR}/fetch_source.py" --facts)
    string(JSON upstream GET "${facts}" name)
    string(JSON version GET "${facts}" version)
    message(STATUS "upstream/: ${upstream} ${version}")
    set(files source.toml upstream/native_library_source.json)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})
    if(NOT SKBUILD_METADATA_DIR)
        return() # there is no wheel
    endif()
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/native_library")
    set(wheel "${SKBUILD_PROJECT_NAME}" "${SKBUILD_PROJECT_VERSION_FULL}")
    set(script "${_NATIVE_LIBRARY_DIR}/native_library_texts.py" sbom)
    _native_library_python(file COMMAND ${script} "${folder}" "${facts}" ${wheel})
    install(FILES "${folder}/${file}" DESTINATION "${SKBUILD_METADATA_DIR}/sboms")
endfunction()

# Sets <result> to whether this is for Linux with musl, which defines no macro of its own on purpose.
function(_native_library_on_musl language result)
    if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
        set(others "defined(__GLIBC__) || defined(__UCLIBC__) || defined(__BIONIC__)")
        set(code "#include <features.h>\n#if ${others}\n#error\n#endif\nint main(void) {}")
        check_source_compiles(${language} "${code}" NATIVE_LIBRARY_ON_MUSL)
    endif()
    set(${result} "${NATIVE_LIBRARY_ON_MUSL}" PARENT_SCOPE)
endfunction()

# Sets <result> to a target, its type, OUTPUT_NAME and EXPORT_NAME, and those of some targets that it
# links to. The target alone, if it is none.
function(_native_library_describe result target)
    set(${result} "${target}")
    if(TARGET ${target})
        get_target_property(type ${target} TYPE)
        get_target_property(name ${target} OUTPUT_NAME)
        get_target_property(export_name ${target} EXPORT_NAME)
        get_target_property(items ${target} LINK_LIBRARIES)
        get_target_property(is_imported ${target} IMPORTED)
        if(is_imported)
            set(type IMPORTED)
        endif()
        list(APPEND ${result} ${type} ${name} ${export_name})
        foreach(item IN LISTS items)
            # An alias (foo::foo), or one in a generator expression ($<BUILD_INTERFACE:foo::foo>).
            string(REGEX REPLACE "^\\$<.*[^:]:([^:>]+(::[^:>]+)?)>$" "\\1" item "${item}")
            _native_library_without_alias(item "${item}")
            if(item IN_LIST ARGN)
                list(APPEND ${result} ${item})
            endif()
        endforeach()
    endif()
    return(PROPAGATE ${result})
endfunction()

function(_native_library_without_alias result target)
    set(${result} "${target}")
    if(TARGET "${target}")
        get_target_property(aliased ${target} ALIASED_TARGET)
        if(aliased)
            set(${result} ${aliased})
        endif()
    endif()
    return(PROPAGATE ${result})
endfunction()

# Sets <result> to the libraries that a folder builds, and those below it, as <target> (<type>).
function(_native_library_targets result folder)
    set(${result} "")
    get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target IN LISTS targets)
        get_target_property(type ${target} TYPE)
        if(type MATCHES "(.*)_LIBRARY$")
            list(APPEND ${result} "${target} (${CMAKE_MATCH_1})")
        endif()
    endforeach()
    get_property(subfolders DIRECTORY "${folder}" PROPERTY SUBDIRECTORIES)
    foreach(subfolder IN LISTS subfolders)
        _native_library_targets(more "${subfolder}")
        list(APPEND ${result} ${more})
    endforeach()
    return(PROPAGATE ${result})
endfunction()

function(_native_library_name_target target file_stem abi export_name)
    # Upstream may have named one kind of file or one configuration, which would win. The name is the
    # same in every configuration: sharing needs a name that stays.
    # VERSION would make a symlink beside the file, and a wheel turns symlinks into second copies.
    set(to_unset
        SUFFIX
        LIBRARY_OUTPUT_NAME
        FRAMEWORK
        NO_SONAME
        VERSION
    )
    foreach(configuration IN ITEMS ${CMAKE_CONFIGURATION_TYPES} ${CMAKE_BUILD_TYPE})
        string(TOUPPER "${configuration}" configuration)
        foreach(kind IN ITEMS "" LIBRARY_ RUNTIME_ ARCHIVE_)
            list(APPEND to_unset ${kind}OUTPUT_NAME_${configuration})
        endforeach()
        list(APPEND to_unset ${configuration}_POSTFIX)
    endforeach()
    foreach(property IN LISTS to_unset)
        set_property(TARGET ${target} PROPERTY ${property})
    endforeach()
    set_target_properties(
        ${target}
        PROPERTIES
            # Upstream may have been added with EXCLUDE_FROM_ALL, to install nothing of its own.
            EXCLUDE_FROM_ALL OFF
            EXPORT_NAME ${export_name}
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
            # Old versions of dyld compare it; the name already says what is compatible.
            MACHO_COMPATIBILITY_VERSION 1
            MACHO_CURRENT_VERSION 1
            VISIBILITY_INLINES_HIDDEN ON
    )
    if(WIN32)
        set_target_properties(${target} PROPERTIES IMPORT_SUFFIX ".lib")
    endif()
    foreach(property IN ITEMS C_VISIBILITY_PRESET CXX_VISIBILITY_PRESET)
        get_target_property(visibility ${target} ${property})
        if(NOT visibility)
            set_target_properties(${target} PROPERTIES ${property} hidden)
        endif()
    endforeach()
    _native_library_build_options(${target})
    _native_library_keep_own_rpath(${target})
endfunction()

# The symbols of a static library inside would be exported too: a promise that nobody made. One that is
# linked whole is meant to be exported. Only ELF's linkers have such an option, and not all of them.
function(_native_library_hide_archives target language)
    if(WIN32 OR APPLE)
        return()
    endif()
    foreach(property IN ITEMS LINK_LIBRARIES LINK_OPTIONS LINK_FLAGS)
        get_target_property(value ${target} ${property})
        list(APPEND linked ${value})
    endforeach()
    check_linker_flag(${language} LINKER:--exclude-libs,ALL NATIVE_LIBRARY_HIDES_ARCHIVES)
    if(NATIVE_LIBRARY_HIDES_ARCHIVES AND NOT linked MATCHES "WHOLE_ARCHIVE|whole-archive")
        target_link_options(${target} PRIVATE LINKER:--exclude-libs,ALL)
    endif()
endfunction()

function(_native_library_export_header target header folder)
    cmake_path(APPEND folder "${header}" OUTPUT_VARIABLE file)
    cmake_path(GET file PARENT_PATH parent)
    file(MAKE_DIRECTORY "${parent}")
    generate_export_header(${target} BASE_NAME ${target} EXPORT_FILE_NAME "${file}")
    target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS "${folder}" FILES "${file}")
endfunction()

function(_native_library_headers_for_others target)
    # What upstream names is for its own build and its own installation: the package adds the wheel's
    # include/. Inside generator expressions lists cannot be told apart (a;b), so all goes into one.
    get_target_property(includes ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(includes)
        set(includes "$<BUILD_INTERFACE:${includes}>")
        set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${includes}")
    endif()
    # CMake takes a relative one from the folder that installs, not from the target's.
    get_target_property(public_headers ${target} PUBLIC_HEADER)
    if(public_headers)
        get_target_property(folder ${target} SOURCE_DIR)
        set(kept "")
        foreach(header IN LISTS public_headers)
            if(NOT IS_ABSOLUTE "${header}" AND NOT header MATCHES "^\\$<")
                set(header "${folder}/${header}")
            endif()
            list(APPEND kept "${header}")
        endforeach()
        set_target_properties(${target} PROPERTIES PUBLIC_HEADER "${kept}")
    endif()
endfunction()

function(_native_library_install_target target provider package)
    _native_library_headers_for_others(${target})
    get_target_property(header_sets ${target} INTERFACE_HEADER_SETS)
    set(headers "")
    if(header_sets)
        foreach(header_set IN LISTS header_sets)
            list(APPEND headers FILE_SET ${header_set} DESTINATION ${provider}/include)
        endforeach()
    endif()
    install(
        TARGETS ${target}
        # A set of our own: upstream may export the target, too.
        EXPORT native_library_${package}
        RUNTIME DESTINATION ${provider}/lib
        LIBRARY DESTINATION ${provider}/lib NAMELINK_SKIP
        ARCHIVE DESTINATION ${provider}/lib
        PUBLIC_HEADER DESTINATION ${provider}/include
        ${headers}
    )
    # Of NativeLibraryArchive.cmake.
    get_target_property(folders ${target} NATIVE_LIBRARY_HEADERS)
    if(folders)
        foreach(folder IN LISTS folders)
            install(DIRECTORY "${folder}/" DESTINATION ${provider}/include)
        endforeach()
    endif()
endfunction()

# What a library is linked to publicly, as everything is without a keyword. Header-only libraries of the
# project go along into the CMake package, static ones are inside already; CMake would refuse to export
# the library without them. Of other packages consumers need those that DEPENDENCIES names.
function(_native_library_public_dependencies target provider package)
    get_target_property(items ${target} INTERFACE_LINK_LIBRARIES)
    set(kept "")
    foreach(item IN LISTS items)
        set(type "")
        _native_library_without_alias(library "${item}")
        if(TARGET "${library}" AND NOT library IN_LIST ARGN)
            get_target_property(type ${library} TYPE)
            get_target_property(is_imported ${library} IMPORTED)
            if(is_imported)
                set(type IMPORTED)
            endif()
        endif()
        if(type MATCHES "^(STATIC|OBJECT)_" OR (type STREQUAL "IMPORTED" AND NOT dependencies))
            set(item "$<BUILD_INTERFACE:${item}>")
        elseif(type STREQUAL "INTERFACE_LIBRARY")
            get_property(installed GLOBAL PROPERTY _NATIVE_LIBRARY_HEADERS_${package})
            if(NOT library IN_LIST installed)
                set_property(GLOBAL APPEND PROPERTY _NATIVE_LIBRARY_HEADERS_${package} ${library})
                _native_library_install_target(${library} ${provider} ${package})
                _native_library_public_dependencies(${library} ${provider} ${package} ${ARGN})
            endif()
        endif()
        list(APPEND kept "${item}")
    endforeach()
    if(items)
        set_target_properties(${target} PROPERTIES INTERFACE_LINK_LIBRARIES "${kept}")
    endif()
endfunction()

# Everybody's builds look for lib<name>.so, -l<name> or <name>.lib, and would take the system's. A link
# file leads the linker, and nothing else, to the library.
function(_native_library_install_link_files target destination files)
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/native_library/$<CONFIG>")
    foreach(file IN LISTS files)
        if(WIN32)
            # With plain names the import library has this name already.
            set(import_library "$<TARGET_LINKER_FILE:${target}>")
            install(FILES "${import_library}" DESTINATION ${destination} RENAME ${file})
        elseif(APPLE)
            # It lists what the library exports, so it is written when that has been linked.
            set(script "${_NATIVE_LIBRARY_DIR}/native_library_stub.py")
            set(command "\"${Python_EXECUTABLE}\" \"${script}\"")
            string(APPEND command " \"$<TARGET_FILE:${target}>\" \"${folder}/${file}\"")
            install(CODE "execute_process(COMMAND ${command} COMMAND_ERROR_IS_FATAL ANY)")
            install(FILES "${folder}/${file}" DESTINATION ${destination})
        else()
            _native_library_install_text(${file} ${destination})
        endif()
    endforeach()
endfunction()

# Programs find the libraries relative to themselves; on Windows both lie in one folder. Of other
# providers' libraries, NEEDED by ours, the wheels' usual place is a guess, which has to be an RPATH:
# glibc does not use a RUNPATH for what a library needs.
function(_native_library_install_programs answer provider libraries)
    string(JSON package GET "${answer}" package)
    string(JSON folder GET "${answer}" programs folder)
    string(JSON above GET "${answer}" programs above)
    set(rpath "${above}/lib")
    # The linker looks at what our libraries need, too, and need not find all of it.
    set(options --disable-new-dtags --allow-shlib-undefined)
    # The build folder is laid out as the wheel is: upstream may run a program while it builds.
    set(stage "${CMAKE_CURRENT_BINARY_DIR}/native_library/$<CONFIG>")
    foreach(library IN LISTS libraries)
        foreach(kind IN ITEMS LIBRARY RUNTIME)
            set_property(TARGET ${library} PROPERTY ${kind}_OUTPUT_DIRECTORY "${stage}/lib")
        endforeach()
    endforeach()
    foreach(target IN LISTS libraries ARGN)
        set(others "$<TARGET_PROPERTY:${target},NATIVE_LIBRARY_FOLDERS>")
        list(APPEND rpath "$<$<BOOL:${others}>:${above}/../$<JOIN:${others},;${above}/../>>")
        set(others "$<TARGET_PROPERTY:${target},NATIVE_LIBRARY_LINK_FOLDERS>")
        list(APPEND options "$<$<BOOL:${others}>:-rpath-link=$<JOIN:${others},:>>")
    endforeach()
    foreach(program IN LISTS ARGN)
        string(JSON export_name GET "${answer}" programs export_names ${program})
        # It would make a symlink beside the file.
        set_property(TARGET ${program} PROPERTY VERSION)
        set_target_properties(
            ${program}
            PROPERTIES
                EXCLUDE_FROM_ALL OFF
                EXPORT_NAME ${export_name}
                RUNTIME_OUTPUT_DIRECTORY "${stage}/${folder}"
                # Folders of the machine would get into its build ID.
                BUILD_WITH_INSTALL_RPATH ON
                INSTALL_RPATH "${rpath}"
                INSTALL_RPATH_USE_LINK_PATH OFF
        )
        _native_library_build_options(${program})
        if(UNIX AND NOT APPLE)
            list(TRANSFORM options PREPEND "LINKER:" OUTPUT_VARIABLE for_linker)
            target_link_options(${program} PRIVATE ${for_linker})
        endif()
        if(NOT TARGET ${package}::${export_name})
            add_executable(${package}::${export_name} ALIAS ${program})
        endif()
        install(
            TARGETS ${program}
            EXPORT native_library_${package}
            RUNTIME DESTINATION ${provider}/${folder}
        )
    endforeach()
    set(script "${_NATIVE_LIBRARY_DIR}/shared_lib_programs.py")
    install(FILES "${script}" DESTINATION ${provider} RENAME _shared_lib_programs.py)
endfunction()

# musl never reads a SONAME: a library that was opened by its path has no name there, and satisfies
# nobody's NEEDED. A search that finds its file gives it one. The anchor makes that search: it NEEDs
# the library and has the RUNPATH $ORIGIN.
function(_native_library_add_anchor target language anchor destination)
    set(source "${CMAKE_CURRENT_BINARY_DIR}/native_library/${anchor}.c")
    file(CONFIGURE OUTPUT "${source}" CONTENT "/* Only its NEEDED and RUNPATH count. */\n")
    set_source_files_properties("${source}" PROPERTIES LANGUAGE ${language})
    add_library(${target}_anchor MODULE "${source}")
    target_link_libraries(${target}_anchor PRIVATE ${target})
    target_link_options(${target}_anchor PRIVATE LINKER:--no-as-needed)
    set_target_properties(
        ${target}_anchor
        PROPERTIES
            PREFIX ""
            OUTPUT_NAME "${anchor}"
            BUILD_WITH_INSTALL_RPATH ON
            INSTALL_RPATH "$ORIGIN"
    )
    install(TARGETS ${target}_anchor LIBRARY DESTINATION ${destination})
endfunction()

# Installs a text of native_library_texts.py, which has generator expressions.
function(_native_library_install_text name destination)
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/native_library")
    set(file "${folder}/$<CONFIG>/${name}")
    file(GENERATE OUTPUT "${file}" INPUT "${folder}/${name}.in" NO_SOURCE_PERMISSIONS)
    install(FILES "${file}" DESTINATION ${destination})
endfunction()
