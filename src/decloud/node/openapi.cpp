#include "openapi.hpp"

namespace decloud::node {

namespace {

using protocol::MethodDescription;
using protocol::ServiceDescription;

json::Object header(const char* description) {
    return {{"description", description}, {"schema", json::Object{{"type", "string"}}}};
}

json::Object problem_schema() {
    const auto text = json::Object{{"type", "string"}};
    return {{"type", "object"},
        {"properties", json::Object{{"title", text}, {"detail", text}, {"help", text},
                           {"status", json::Object{{"type", "integer"}}}}},
        {"required", json::Array{"title", "status"}}};
}

json::Object content_of(const std::string& type, json::Object schema) {
    json::Object out;
    out[type] = json::Object{{"schema", std::move(schema)}};
    return out;
}

json::Object responses(const std::string& type) {
    json::Object schema;
    if (type == "application/json") {
        schema["type"] = "object";
    }
    json::Object good{{"description", "The answer."},
        {"headers",
            json::Object{{"OpenCloud-Status", header("ok, or what the service says.")},
                {"X-Decloud-Receipt", header("Path of the receipt, if something was charged.")}}},
        {"content", content_of(type.empty() ? "application/json" : type, std::move(schema))}};
    json::Object bad{
        {"description", "A problem of RFC 9457; OpenCloud-Status and `help` say what to do."},
        {"headers", json::Object{{"OpenCloud-Status", header("The status word.")}}},
        {"content", content_of("application/problem+json",
                        json::Object{{"$ref", "#/components/schemas/Problem"}})}};
    return {{"200", std::move(good)}, {"default", std::move(bad)}};
}

json::Array parameters(const MethodDescription& method) {
    json::Object schema = method.arguments;
    const bool takes_any = schema.contains("maxItems") && schema.at("maxItems") != 0;
    schema["items"] = json::Object{{"type", "string"}};
    json::Array out;
    if (takes_any) {
        const bool required = schema.contains("minItems") && schema.at("minItems") != 0;
        out.emplace_back(json::Object{{"name", "arg"}, {"in", "query"}, {"required", required},
            {"style", "form"}, {"explode", true}, {"schema", std::move(schema)}});
    }
    for (const char* name : {"OpenCloud-Audience", "OpenCloud-Payment"}) {
        out.emplace_back(json::Object{{"$ref", std::string("#/components/parameters/") + name}});
    }
    return out;
}

json::Object operation(const ServiceDescription& service, const MethodDescription& method) {
    json::Object post{{"operationId", service.name + "." + method.name},
        {"tags", json::Array{service.name}}, {"summary", method.summary},
        {"parameters", parameters(method)}, {"responses", responses(method.response)}};
    if (!method.request.empty()) {
        json::Object body{{"required", false}, {"content", content_of(method.request, {})}};
        post["requestBody"] = std::move(body);
    }
    return {{"post", std::move(post)}};
}

json::Object header_parameter(const char* name, const char* description, const char* pattern) {
    return {{"name", name}, {"in", "header"}, {"required", false}, {"description", description},
        {"schema", json::Object{{"type", "string"}, {"pattern", pattern}}}};
}

std::vector<MethodDescription> with_template(const ServiceDescription& service) {
    std::vector<MethodDescription> methods = service.methods;
    const auto add = [&](const char* name, const char* summary, json::Object arguments) {
        if (service.find(name) == nullptr) {
            methods.push_back(
                {.name = name, .summary = summary, .arguments = std::move(arguments)});
        }
    };
    add("info", "What this service is.", protocol::arguments_schema({}, 0));
    add("methods", "Its methods, their arguments and prices.", protocol::arguments_schema({}, 0));
    json::Object quoted{{"type", "array"}, {"minItems", 1}, {"maxItems", 33}};
    add("quote", "What a method would cost: its name, then {unit}={count} for each unit.",
        std::move(quoted));
    return methods;
}

}  // namespace

std::string openapi_json(
    const std::vector<ServiceDescription>& services, const std::string& server) {
    json::Object paths;
    json::Array tags;
    for (const ServiceDescription& service : services) {
        tags.emplace_back(json::Object{{"name", service.name}, {"description", service.summary}});
        for (const MethodDescription& method : with_template(service)) {
            paths["/oc/v1/" + service.name + "/" + method.name] = operation(service, method);
        }
    }
    json::Object shared;
    shared["OpenCloud-Audience"] = header_parameter("OpenCloud-Audience",
        "Whom the request is for; another node answers 421.", "^eip155:[0-9]+:0x[0-9a-f]{40}$");
    shared["OpenCloud-Payment"] = header_parameter("OpenCloud-Payment",
        "How it is paid: none, attached;… or defer;….", "^(none|attached|defer)");
    json::Object body{{"openapi", "3.1.0"},
        {"info", json::Object{{"title", "decloud node"}, {"version", "1"},
                     {"description", "OpenCloud services of this node."}}},
        {"servers", json::Array{json::Object{{"url", server}}}}, {"tags", std::move(tags)},
        {"paths", std::move(paths)},
        {"components", json::Object{{"schemas", json::Object{{"Problem", problem_schema()}}},
                           {"parameters", std::move(shared)}}}};
    return json::to_text(body) + "\n";
}

}  // namespace decloud::node
