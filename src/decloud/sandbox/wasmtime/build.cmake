# Run by cmake -P: builds the crate in TARGET_DIR and copies the archive and its headers into KEPT, if they are not there;
# copies the archive to ARCHIVE and the headers to INCLUDES.
# Several build trees share TARGET_DIR: cargo's own lock makes them wait for each other.
set(library libdecloud_wasmtime.a)

function(take)
    file(COPY_FILE "${KEPT}/${library}" "${ARCHIVE}")
    file(COPY "${KEPT}/include/" DESTINATION "${INCLUDES}")
    file(TOUCH "${ARCHIVE}" "${STAMP}")
endfunction()

if(EXISTS "${KEPT}/${library}")
    take()
    return()
endif()
execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${TARGET_DIR}"
        "${CARGO}" build --release --locked --quiet
    WORKING_DIRECTORY "${CMAKE_CURRENT_LIST_DIR}"
    RESULT_VARIABLE failed)
if(failed)
    message(FATAL_ERROR "cargo could not build Wasmtime (${CMAKE_CURRENT_LIST_DIR})")
endif()
file(GLOB candidates "${TARGET_DIR}/release/build/wasmtime-c-api-impl-*/out/include/wasmtime.h")
set(newest)
foreach(candidate IN LISTS candidates)
    if(NOT newest OR "${candidate}" IS_NEWER_THAN "${newest}")
        set(newest "${candidate}")
    endif()
endforeach()
if(NOT newest)
    message(FATAL_ERROR "cargo built Wasmtime but its headers are not in ${TARGET_DIR}")
endif()
get_filename_component(folder "${newest}" DIRECTORY)
file(COPY "${folder}/" DESTINATION "${KEPT}/include")
# The archive last, and whole: it says that all is there.
string(RANDOM LENGTH 8 part)
file(COPY_FILE "${TARGET_DIR}/release/${library}" "${KEPT}/${library}.${part}")
file(RENAME "${KEPT}/${library}.${part}" "${KEPT}/${library}")
take()
