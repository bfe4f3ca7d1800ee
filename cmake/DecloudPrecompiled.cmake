# Precompiled headers: half of what compiling costs is reading the same headers again.
#
# decloud_precompile(target library|test|command_line [ASYNC]): ASYNC if it links decloud_async, without which nothing
# that saw Asio's headers links; command_line is a library that reads the command line. Libraries and tests differ because
# clang does not let one precompiled header serve both -fPIC and -fPIE.

option(DECLOUD_PRECOMPILE "Compile the headers that many sources include once" ON)

function(decloud_add_precompiled name)
    set(source "${CMAKE_CURRENT_BINARY_DIR}/precompiled.cpp")
    file(CONFIGURE OUTPUT "${source}" CONTENT "")
    list(TRANSFORM ARGN PREPEND "${PROJECT_SOURCE_DIR}/cmake/precompiled/" OUTPUT_VARIABLE headers)
    add_library(decloud_precompiled_${name} OBJECT EXCLUDE_FROM_ALL "${source}")
    target_precompile_headers(decloud_precompiled_${name} PRIVATE ${headers})
    target_link_libraries(decloud_precompiled_${name} PRIVATE fmt::fmt Boost::json GTest::gmock CLI11::CLI11)
    if(name MATCHES "^test")
        set_target_properties(decloud_precompiled_${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
        target_compile_options(decloud_precompiled_${name} PRIVATE -fPIE)
    endif()
endfunction()

if(DECLOUD_PRECOMPILE)
    find_package(fmt REQUIRED)
    find_package(CLI11 REQUIRED)
    find_package(Boost 1.81 EXACT REQUIRED COMPONENTS json)
    decloud_add_precompiled(library common.hpp)
    decloud_add_precompiled(library_async common.hpp async.hpp)
    decloud_add_precompiled(command_line_async common.hpp async.hpp command_line.hpp)
    decloud_add_precompiled(test common.hpp testing.hpp)
    decloud_add_precompiled(test_async common.hpp async.hpp testing.hpp)
endif()

function(decloud_precompile target kind)
    if(DECLOUD_PRECOMPILE)
        if("ASYNC" IN_LIST ARGN)
            string(APPEND kind "_async")
        endif()
        target_precompile_headers(${target} REUSE_FROM decloud_precompiled_${kind})
    endif()
endfunction()
