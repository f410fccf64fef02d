# The examples, as the tests find them: included by the folders that test them, behind the readers of data.
#   EXAMPLES   those on Fashion-MNIST, which lie in examples/ itself
#   SPECS      those in the folders of the survey's headings, without the ones whose reader was not built
# A spec of the second kind says in its heading how it is run: `--data KIND`, a kind of data that examples/own/prepare.py lays out.
# The fixture `example_data` lays out all kinds that SPECS name, each in ${EXAMPLE_DATA}/KIND.
set(EXAMPLE_DATA ${CMAKE_BINARY_DIR}/example_data)
set(EXAMPLE_MODULES "COUPLET_MODULES=$<TARGET_FILE_DIR:couplet_runtime>") # the readers, for programs that do not lie beside them
file(GLOB EXAMPLES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/*.cpl)
file(GLOB all_specs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/*/*.cpl)
list(FILTER all_specs EXCLUDE REGEX "/examples/own/") # for one's own data: tests/driver/own.py, own_kinds.py
list(FILTER all_specs EXCLUDE REGEX "/examples/recipes/") # those of tools/table.sh: tests/tools/table.py

# example_kind(SPEC OUT): the kind of data that the heading names; a spec that names none is an error.
function(example_kind spec out)
    file(READ ${spec} text)
    if(NOT text MATCHES "--data ([a-z_]+)")
        message(FATAL_ERROR "${spec} does not say in its heading which data it is run on: `--data KIND`")
    endif()
    set(${out} ${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()

# example_readable(SPEC OUT): whether the modules of all readers that the spec names were built.
function(example_readable spec out)
    file(READ ${spec} text)
    file(STRINGS ${CMAKE_SOURCE_DIR}/runtime/data/readers.def rows REGEX "^READER\\(")
    set(${out} TRUE PARENT_SCOPE)
    foreach(row ${rows})
        if(row MATCHES "^READER\\(([a-z0-9_]+), *\"([a-z0-9_]+)\"" AND NOT TARGET couplet_reader_${CMAKE_MATCH_2} AND text MATCHES "data\\.${CMAKE_MATCH_1}\\(")
            set(${out} FALSE PARENT_SCOPE)
        endif()
    endforeach()
endfunction()

# Kinds whose package ./test does not install, since it is large: their specs are tested where it is there.
set(EXAMPLE_NEEDS_furniture /usr/share/sweethome3d/furniture)

set(ALL_READABLE TRUE)
set(SPECS)
set(SPECS_BY_DATA) # `--data FOLDER SPEC ..`, as the tests in C take them
set(SPEC_KINDS)
foreach(spec ${all_specs})
    example_readable(${spec} readable)
    example_kind(${spec} kind)
    if(DEFINED EXAMPLE_NEEDS_${kind} AND NOT EXISTS ${EXAMPLE_NEEDS_${kind}})
        message(STATUS "${spec} is not tested: ${EXAMPLE_NEEDS_${kind}} is not there")
    elseif(readable)
        list(APPEND SPECS ${spec})
        list(APPEND SPECS_BY_DATA --data ${EXAMPLE_DATA}/${kind} ${spec})
        list(APPEND SPEC_KINDS ${kind})
    else()
        set(ALL_READABLE FALSE)
        message(STATUS "${spec} is not tested: the module of its reader is not built")
    endif()
endforeach()
list(REMOVE_DUPLICATES SPEC_KINDS)
