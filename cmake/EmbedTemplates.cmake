# decloud_embed_templates(FOLDER OUTPUT): a header with the text of every file under FOLDER.
function(decloud_embed_templates folder output)
    file(GLOB_RECURSE names RELATIVE "${folder}" CONFIGURE_DEPENDS "${folder}/*")
    # What somebody's npm may have left there is no template.
    list(FILTER names EXCLUDE REGEX "(^|/)node_modules/")
    list(SORT names)
    set(entries "")
    foreach(name IN LISTS names)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${folder}/${name}")
        file(READ "${folder}/${name}" text)
        string(APPEND entries "    {\"${name}\", R\"embedded(${text})embedded\"},\n")
    endforeach()
    list(LENGTH names count)
    set(header "// Generated from ${folder} by cmake/EmbedTemplates.cmake.
#pragma once

#include <array>
#include <string_view>
#include <utility>

namespace decloud::client::templates {

inline constexpr std::array<std::pair<std::string_view, std::string_view>, ${count}> kFiles{{
${entries}}};

}  // namespace decloud::client::templates
")
    file(CONFIGURE OUTPUT "${output}" CONTENT "@header@" @ONLY)
endfunction()
