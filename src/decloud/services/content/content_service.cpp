#include "content_service.hpp"

#include <decloud/async/offload.hpp>
#include <decloud/base/log.hpp>
#include <decloud/content/car_transfer.hpp>
#include <decloud/payments/channel_directory.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace decloud::services {

using protocol::Checked;
using protocol::Completion;
using protocol::PreparedCall;
using protocol::refuse;
using protocol::Status;

namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

/// A spec that is not encrypted: `{spec, signature}` instead of a JWE.
bool is_readable_spec(BytesView block) {
    const auto value = json::parse(as_text(block));
    return value && value->is_object() && value->get_object().contains("spec") &&
           value->get_object().contains("signature");
}

class ImportCall final : public PreparedCall {
  public:
    ImportCall(ContentContext& context, std::optional<std::uint64_t> length)
        : context_(context), length_(length) {
        terms_.subject = "import";
        terms_.needs_caller = true;
        // Framing and headers of a CAR come on top of what is counted.
        terms_.max_request_bytes = context.quota.max_bytes + context.quota.max_bytes / 16 + kMiB;
    }

    [[nodiscard]] const protocol::Terms& terms() const override { return terms_; }

    [[nodiscard]] async::Task<Completion> serve(protocol::RequestBody& body,
        protocol::Responder& responder,
        protocol::Charge& charge,
        async::CancellationToken gone) override {
        const auto owner = charge.caller();
        if (!owner) {
            co_return Completion::failed(protocol::problem_from(Error(CommonError::internal)));
        }
        const std::uint64_t quota = co_await quota_for(*owner, length_.value_or(~std::uint64_t{0}));
        if (quota == 0) {
            co_return Completion::charged_problem({}, over_quota(quota));
        }
        auto imported = co_await receive(body, gone, quota);
        if (!imported) {
            co_return Completion::charged_problem({}, std::move(imported.error()));
        }
        auto pinned = co_await pin(*imported, *owner, quota);
        if (!pinned) {
            co_return Completion::charged_problem({}, std::move(pinned.error()));
        }
        if (context_.on_import && !imported->roots.empty()) {
            context_.on_import(imported->roots.front());
        }
        json::Array roots;
        for (const content::Cid& root : imported->roots) {
            roots.emplace_back(root.to_string());
        }
        net::http::ResponseHead head;
        head.headers.add("Content-Type", "application/json");
        const json::Object answer{
            {"roots", std::move(roots)}, {"blocks", imported->blocks}, {"bytes", imported->bytes}};
        (void)responder.send(std::move(head), to_bytes(json::to_text(answer) + "\n"));
        log::info("services", "imported {} blocks, {} bytes, for {}", imported->blocks,
            imported->bytes, to_string(*owner));
        co_return Completion::charged({});
    }

  private:
    /// Of an owner who wants to bring this much, with the money that the chain has now.
    [[nodiscard]] async::Task<std::uint64_t> quota_for(Address owner, std::uint64_t bytes) {
        const auto known = [&] {
            return quota_bytes(context_.quota, unclaimed_money(context_.ledger, owner));
        };
        const std::uint64_t quota = known();
        if (quota >= std::min(bytes, context_.quota.max_bytes) || context_.channels == nullptr) {
            co_return quota;
        }
        if (const auto asked = co_await context_.channels->refresh(owner); !asked) {
            log::warning("services", "{} may have more money than is known: {}", to_string(owner),
                asked.error().message());
        }
        co_return known();
    }

    [[nodiscard]] static protocol::Problem over_quota(std::uint64_t quota) {
        return refuse(413, Status::bad_request,
            "the content is larger than the " + std::to_string(quota) +
                " bytes that your reserved money pays for here",
            "decloud escrow increase PROVIDER AMOUNT: each reserved USDC keeps 64 MiB")
            .error();
    }

    [[nodiscard]] async::Task<Checked<content::CarImported>> receive(
        protocol::RequestBody& body, async::CancellationToken gone, std::uint64_t quota) {
        content::CarLimits limits;
        limits.max_total_bytes = quota + quota / 16 + kMiB;
        limits.before_commit = [this](const auto& roots, const auto& received, const auto& blocks) {
            return note_visibility(context_, roots, received, blocks);
        };
        auto begun = co_await async::offload(context_.pool,
            [this, limits] { return content::CarImport::begin(context_.blocks, limits); });
        if (!begun) {
            co_return std::unexpected(protocol::problem_from(begun.error()));
        }
        const std::unique_ptr<content::CarImport> import = std::move(*begun);
        Bytes buffer(kReadBytes);
        for (;;) {
            const auto count = co_await body.read(buffer);
            if (!count || gone.cancelled()) {
                co_return std::unexpected(
                    protocol::problem_from(count ? Error(CommonError::cancelled) : count.error()));
            }
            if (*count == 0) {
                break;
            }
            const auto written =
                co_await async::offload(context_.pool, [&import, &buffer, n = *count] {
                    return import->write(BytesView(buffer).first(n));
                });
            if (!written) {
                co_return refuse_import(written.error(), quota);
            }
        }
        auto finished =
            co_await async::offload(context_.pool, [&import] { return import->finish(); });
        if (!finished) {
            co_return refuse_import(finished.error(), quota);
        }
        co_return std::move(*finished);
    }

    [[nodiscard]] static std::unexpected<protocol::Problem> refuse_import(
        const Error& error, std::uint64_t quota) {
        if (error == make_error_code(CommonError::limit_exceeded)) {
            return std::unexpected(over_quota(quota));
        }
        return std::unexpected(car_problem(error));
    }

    /// All roots share one import's bytes: the first carries them, so that each block counts once.
    [[nodiscard]] async::Task<Checked<void>> pin(
        content::CarImported imported, Address owner, std::uint64_t quota) {
        auto pinned = co_await pin_within(imported, owner, quota);
        if (!pinned && pinned.error() == make_error_code(CommonError::limit_exceeded)) {
            // With what the owner has here already it is too much for the money known so far.
            quota = co_await quota_for(owner, context_.quota.max_bytes);
            pinned = co_await pin_within(std::move(imported), owner, quota);
        }
        if (!pinned && pinned.error() == make_error_code(CommonError::limit_exceeded)) {
            co_return std::unexpected(over_quota(quota));
        }
        if (!pinned) {
            co_return std::unexpected(protocol::problem_from(pinned.error()));
        }
        co_return Checked<void>{};
    }

    [[nodiscard]] async::Task<Result<void>> pin_within(
        content::CarImported imported, Address owner, std::uint64_t quota) {
        const UnixSeconds now = context_.clock.unix_seconds();
        co_return co_await async::offload(context_.pool,
            [this, imported = std::move(imported), owner, quota, now]() -> Result<void> {
                std::uint64_t bytes = imported.bytes;
                for (const content::Cid& root : imported.roots) {
                    content::Pin pin{.root = root,
                        .owner = to_string(owner),
                        .reason = deployment_pin(imported.roots.front()),
                        .bytes = std::exchange(bytes, 0),
                        .created = now,
                        .expires = {}};
                    TRY_VOID(context_.pins.pin_within(pin, quota));
                }
                return {};
            });
    }

    ContentContext& context_;
    std::optional<std::uint64_t> length_;
    protocol::Terms terms_;
};

class ContentService final : public protocol::Service {
  public:
    explicit ContentService(ContentContext& context) : context_(context) {}

    [[nodiscard]] std::string_view name() const override { return "content"; }
    [[nodiscard]] protocol::ServiceDescription description() const override {
        return {.name = "content",
            .summary = "Keeps content for accounts that have money reserved here.",
            .methods = {{.name = "import",
                .summary = "Takes a CAR and keeps its blocks within the quota of the account that "
                           "signed the CallAuthorization (of price 0) in OpenCloud-Payment.",
                .arguments = protocol::arguments_schema({}, 0),
                .request = "application/vnd.ipld.car"}}};
    }

    [[nodiscard]] async::Task<Checked<std::unique_ptr<PreparedCall>>> prepare(
        std::shared_ptr<const protocol::Call> call) override {
        if (call->method != "import") {
            co_return refuse(404, Status::method_unsupported,
                "content has the method import, not \"" + call->method + "\"");
        }
        if (call->head.method != "POST") {
            co_return refuse(405, Status::bad_request, "content/import takes POST");
        }
        co_return std::make_unique<ImportCall>(context_, call->content_length);
    }

  private:
    ContentContext& context_;
};

}  // namespace

Amount unclaimed_money(const payments::Ledger& ledger, const Address& owner) {
    Amount sum;
    for (const payments::PayerView& view : ledger.payers()) {
        const bool counts = view.chain.owner == to_string(owner) && !view.chain.closing &&
                            !view.chain.is_final && payments::parse_channel_account(view.payer);
        if (counts) {
            sum = sum.plus(view.chain.reserved.saturating_minus(view.chain.claimed_on_chain))
                      .value_or(sum);
        }
    }
    return sum;
}

std::string deployment_pin(const content::Cid& root) {
    return "deployment:" + root.to_v1().to_string();
}

Result<void> note_visibility(ContentContext& context,
    const std::vector<content::Cid>& roots,
    const std::unordered_set<content::Cid>& received,
    const content::StagedBlocks& blocks) {
    if (context.private_blocks == nullptr) {
        return {};
    }
    bool is_public = false;
    for (const content::Cid& root : roots) {
        TRY(const auto data, blocks.get(root));
        is_public = is_public || (data && is_readable_spec(*data));
    }
    return is_public ? context.private_blocks->publish(received)
                     : context.private_blocks->add(
                           received, context.blocks, context.clock.unix_seconds());
}

protocol::Problem car_problem(const Error& error) {
    for (const CommonError fault :
        {CommonError::invalid_input, CommonError::corrupt, CommonError::not_found}) {
        if (error == make_error_code(fault)) {
            return refuse(400, Status::bad_request, "the CAR is refused: " + error.message())
                .error();
        }
    }
    return protocol::problem_from(error);
}

std::unique_ptr<protocol::Service> make_content_service(ContentContext& context) {
    return std::make_unique<ContentService>(context);
}

async::Task<Result<void>> review_pins(ContentContext& context) {
    const UnixSeconds now = context.clock.unix_seconds();
    CO_TRY(const auto pins,
        co_await async::offload(context.pool, [&context] { return context.pins.list(); }));
    struct Holding {
        std::uint64_t bytes = 0;
        bool expiring = false;
    };
    std::map<std::string, Holding> owners;
    for (const content::Pin& pin : pins) {
        Holding& holding = owners[pin.owner];
        holding.bytes += pin.bytes;
        holding.expiring = holding.expiring || pin.expires.has_value();
    }
    for (const auto& [owner, holding] : owners) {
        const auto address = parse_address(owner);
        if (!address) {
            continue;
        }
        const bool covered =
            holding.bytes <= quota_bytes(context.quota, unclaimed_money(context.ledger, *address));
        if (covered == !holding.expiring) {
            continue;
        }
        std::optional<UnixSeconds> end;
        if (!covered) {
            end = UnixSeconds{now.value + static_cast<std::uint64_t>(context.quota.grace.count())};
        }
        CO_TRY_VOID(co_await async::offload(context.pool,
            [&context, owner, end] { return context.pins.expire_owner(owner, end); }));
    }
    const auto removed = co_await async::offload(
        context.pool, [&context, now] { return context.pins.remove_expired(now); });
    if (!removed) {
        co_return std::unexpected(removed.error());
    }
    co_return Result<void>{};
}

namespace {

/// Of what is no longer held; a part of them each time.
Result<void> forget_private_blocks(ContentContext& context, UnixSeconds now) {
    constexpr std::uint64_t kArriving = 24 * 3600;
    constexpr std::size_t kMostLookedAt = 100'000;
    if (context.private_blocks != nullptr) {
        TRY_VOID(context.private_blocks->sweep(
            context.blocks, UnixSeconds{now.value - kArriving}, kMostLookedAt));
    }
    return {};
}

}  // namespace

async::Task<Result<content::GarbageResult>> collect_garbage(ContentContext& context,
    content::ManagedBlockStore& store,
    std::chrono::seconds min_age,
    CollectionStep between) {
    const UnixSeconds now = context.clock.unix_seconds();
    CO_TRY(auto collection, co_await async::offload(context.pool, [&context, &store, now, min_age] {
        return content::GarbageCollection::begin(
            store, context.pins, {.min_age = min_age, .now = now});
    }));
    for (;;) {
        CO_TRY(const bool more,
            co_await async::offload(context.pool, [&collection] { return collection.step(); }));
        if (!more) {
            break;
        }
        if (between && !co_await between(collection.result())) {
            co_return fail(CommonError::cancelled);
        }
    }
    CO_TRY_VOID(co_await async::offload(
        context.pool, [&context, now] { return forget_private_blocks(context, now); }));
    co_return collection.result();
}

}  // namespace decloud::services
