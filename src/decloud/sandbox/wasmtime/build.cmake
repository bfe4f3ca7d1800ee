# Run by cmake -P: builds the crate into TARGET_DIR and copies the archive's headers to TARGET_DIR/include.
# Several build trees share TARGET_DIR: cargo's own lock makes them wait for each other.
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
file(COPY "${folder}/" DESTINATION "${TARGET_DIR}/include")
file(TOUCH "${STAMP}")
