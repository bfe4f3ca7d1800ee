#include "problem.hpp"

#include <decloud/net/error.hpp>
#include <decloud/net/http/message.hpp>

namespace decloud::protocol {

std::string_view to_string(Status status) {
    switch (status) {
        case Status::ok:
            return "ok";
        case Status::bad_request:
            return "client-error.bad-request";
        case Status::invalid_signature:
            return "client-error.invalid-signature";
        case Status::service_unsupported:
            return "client-error.service-unsupported";
        case Status::method_unsupported:
            return "client-error.method-unsupported";
        case Status::server_error:
            return "server-error";
        case Status::declined:
            return "request-declined";
        case Status::refresh_nonce:
            return "request-declined.refresh-nonce";
        case Status::payment_too_low:
            return "request-declined.payment-declined.too-low";
        case Status::payment_no_defer:
            return "request-declined.payment-declined.no-defer";
        case Status::payment_acceptable:
            return "request-declined.payment-declined.acceptable-payment";
    }
    return "server-error";
}

std::unexpected<Problem> refuse(
    int http_status, Status status, std::string detail, std::string help) {
    Problem problem;
    problem.http_status = http_status;
    problem.status = status;
    problem.title = net::http::reason_phrase(http_status);
    problem.detail = std::move(detail);
    problem.help = std::move(help);
    return std::unexpected(std::move(problem));
}

Problem payment_required(Status status,
    std::string detail,
    std::string help,
    std::vector<AcceptablePayment> acceptable) {
    Problem problem = refuse(402, status, std::move(detail), std::move(help)).error();
    problem.acceptable = std::move(acceptable);
    return problem;
}

Problem problem_from(const Error& error) {
    if (error == make_error_code(CommonError::invalid_input)) {
        return refuse(400, Status::bad_request, error.detail()).error();
    }
    if (error == make_error_code(net::NetError::malformed_message)) {
        return refuse(400, Status::bad_request, "the body is malformed").error();
    }
    if (error == make_error_code(CommonError::limit_exceeded)) {
        return refuse(413, Status::bad_request, error.detail()).error();
    }
    if (error == make_error_code(CommonError::not_found)) {
        return refuse(404, Status::bad_request, error.detail()).error();
    }
    if (error == make_error_code(CommonError::permission_denied)) {
        return refuse(403, Status::declined, error.detail()).error();
    }
    if (error == make_error_code(CommonError::disk_full)) {
        return refuse(507, Status::server_error, "the provider's disk is full; nothing was charged")
            .error();
    }
    if (error == make_error_code(CommonError::unavailable)) {
        return refuse(503, Status::server_error, error.detail()).error();
    }
    if (error == make_error_code(CommonError::timeout)) {
        return refuse(504, Status::server_error, "the provider did not finish in time").error();
    }
    return refuse(500, Status::server_error, "the provider failed; nothing was charged").error();
}

Problem body_problem_from(const Error& error) {
    if (error == make_error_code(CommonError::timeout)) {
        return refuse(408, Status::bad_request, "the request's body did not come in time").error();
    }
    return problem_from(error);
}

std::string problem_json(const Problem& problem) {
    json::Object body;
    body["type"] = "about:blank";
    body["title"] = problem.title;
    body["status"] = problem.http_status;
    body["detail"] = problem.detail;
    body["opencloud-status"] = to_string(problem.status);
    if (!problem.help.empty()) {
        body["help"] = problem.help;
    }
    if (!problem.receipt.empty()) {
        body["receipt"] = "/receipts/" + problem.receipt;
    }
    if (!problem.channel.empty()) {
        body["channel"] = problem.channel;
    }
    if (problem.http_status == 402) {
        body["x402Version"] = 1;
        body["error"] = problem.detail;
        body["accepts"] = problem.accepts;
        json::Array acceptable;
        for (const AcceptablePayment& payment : problem.acceptable) {
            acceptable.push_back(json::Object{{"type", payment.type}, {"method", payment.method},
                {"currency", payment.currency.text}, {"amount", to_string(payment.amount)}});
        }
        body["acceptable"] = std::move(acceptable);
    }
    return json::to_text(body) + "\n";
}

}  // namespace decloud::protocol
