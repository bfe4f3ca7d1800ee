#include "gateway.hpp"

#include "internal/planner.hpp"

#include <decloud/content/importer.hpp>
#include <decloud/content/reader.hpp>
#include <decloud/multiformats/unixfs_builder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace decloud::ipfs {

namespace {

using content::Cid;
using multiformats::Codec;
using ::testing::HasSubstr;
using ::testing::Not;

/// A store with what a test puts in, asked without HTTP around it.
class Gateway {
  public:
    Cid file(std::string_view text) {
        return content::import_bytes(*store_, as_bytes(text)).value().cid;
    }
    Cid put(Codec codec, BytesView data) {
        const Cid cid = Cid::of(codec, data);
        EXPECT_TRUE(store_->put(cid, data));
        return cid;
    }
    Cid directory(const std::map<std::string, Cid>& entries) {
        multiformats::PbNode node;
        for (const auto& [name, cid] : entries) {
            node.links.push_back({.cid = cid, .name = name, .tsize = 1});
        }
        multiformats::UnixFsData data;
        data.type = multiformats::UnixFsType::directory;
        node.data = multiformats::encode_unixfs(data);
        return put(Codec::dag_pb, multiformats::encode_pb(node));
    }

    struct Answer {
        int status = 0;
        net::http::Headers headers{};
        std::string body{};
    };

    Answer get(std::string target, const net::http::Headers& fields = {}) {
        const net::http::RequestHead head{
            .method = "GET", .target = std::move(target), .headers = fields};
        const auto request = parse_content_request(head);
        if (!request) {
            return {.status = request.error().status};
        }
        const PublicBlocks blocks(*store_, [this](const Cid& cid) -> Result<Visibility> {
            const auto found = rules.find(cid);
            return found == rules.end() ? Visibility::shown : found->second;
        });
        const auto conditions = internal::Conditions::of(head);
        auto plan = internal::Planner(blocks, *request, conditions,
            {.root = Cid::parse(request->name).value(), .segments = request->segments})
                        .plan();
        if (!plan) {
            return {.status = plan.error().status, .headers = {}, .body = plan.error().detail};
        }
        Answer answer{.status = plan->head.status,
            .headers = plan->head.headers,
            .body = std::string(as_text(plan->body))};
        while (plan->stream) {
            const auto piece = plan->stream->next();
            if (!piece || piece->empty()) {
                broken = !piece;
                break;
            }
            answer.body += as_text(*piece);
        }
        return answer;
    }

    std::map<Cid, Visibility> rules;
    bool broken = false;

  private:
    std::unique_ptr<content::BlockStore> store_ = content::make_memory_block_store();
};

TEST(ContentGateway, HidesPrivateBlocksInEveryForm) {
    Gateway gateway;
    const Cid secret = gateway.file("secret");
    const Cid folder = gateway.directory({{"open", gateway.file("open")}, {"secret", secret}});
    gateway.rules[secret] = Visibility::hidden;
    for (const std::string form :
        {"", "?format=raw", "?format=car", "?format=tar", "?format=json"}) {
        EXPECT_EQ(gateway.get("/ipfs/" + secret.to_string() + form).status, 404) << form;
        EXPECT_EQ(gateway.get("/ipfs/" + folder.to_string() + "/secret" + form).status, 404)
            << form;
    }
    const auto whole = gateway.get("/ipfs/" + folder.to_string() + "?format=car");
    EXPECT_TRUE(gateway.broken);
    EXPECT_THAT(whole.body, Not(HasSubstr("secret\n")));
    EXPECT_EQ(gateway.get("/ipfs/" + folder.to_string() + "?format=tar").status, 404);
}

TEST(ContentGateway, SaysThatPolicyDeniesABlock) {
    Gateway gateway;
    const Cid denied = gateway.file("denied");
    gateway.rules[denied] = Visibility::denied;
    EXPECT_EQ(gateway.get("/ipfs/" + denied.to_string()).status, 451);
    EXPECT_EQ(gateway.get("/ipfs/" + denied.to_string() + "?format=raw").status, 451);
    const Cid folder = gateway.directory({{"denied", denied}});
    EXPECT_EQ(gateway.get("/ipfs/" + folder.to_string() + "/denied").status, 451);
}

TEST(ContentGateway, EscapesHostileNames) {
    Gateway gateway;
    const std::string name = "<script>alert('1')</script>\"&";
    const Cid folder = gateway.directory({{name, gateway.file("x")}});
    const auto page = gateway.get("/ipfs/" + folder.to_string() + "/");
    EXPECT_EQ(page.status, 200);
    EXPECT_THAT(page.body, Not(HasSubstr("<script")));
    EXPECT_THAT(page.body, HasSubstr("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&#34;&amp;"));
    EXPECT_THAT(page.body, HasSubstr("%3Cscript%3Ealert%28%271%27%29%3C%2Fscript%3E%22%26\""));
}

TEST(ContentGateway, GivesAFileWithItsRanges) {
    Gateway gateway;
    const std::string path = "/ipfs/" + gateway.file("0123456789").to_string();
    EXPECT_EQ(gateway.get(path).body, "0123456789");
    const auto part = gateway.get(path, {{"Range", "bytes=2-4"}});
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.body, "234");
    EXPECT_EQ(part.headers.find("Content-Range"), "bytes 2-4/10");
    EXPECT_EQ(gateway.get(path, {{"Range", "bytes=2-4"}, {"If-Range", "\"other\""}}).status, 200);
    const auto beyond = gateway.get(path, {{"Range", "bytes=10-"}});
    EXPECT_EQ(beyond.status, 416);
    EXPECT_EQ(beyond.headers.find("Content-Range"), "bytes */10");
    const auto empty = gateway.get("/ipfs/" + gateway.file("").to_string());
    EXPECT_EQ(empty.status, 200);
    EXPECT_EQ(empty.body, "");
}

TEST(ContentGateway, AnswersTheProbe) {
    Gateway gateway;
    for (const std::string form : {"", "?format=raw", "?format=car"}) {
        EXPECT_EQ(gateway.get("/ipfs/bafkqaaa" + form).status, 200) << form;
    }
}

TEST(ContentGateway, RefusesATarWhoseNamesLeaveIt) {
    Gateway gateway;
    const Cid file = gateway.file("x");
    for (const std::string name : {"../x", "..", "a/../../x", "."}) {
        const Cid folder = gateway.directory({{name, file}});
        EXPECT_EQ(gateway.get("/ipfs/" + folder.to_string() + "?format=tar").status, 422) << name;
    }
}

TEST(ContentGateway, SaysThatABlockIsNotWhatItShouldBe) {
    Gateway gateway;
    const Cid broken = gateway.put(Codec::dag_pb, as_bytes("no protobuf"));
    EXPECT_EQ(gateway.get("/ipfs/" + broken.to_string()).status, 422);
    EXPECT_EQ(gateway.get("/ipfs/" + broken.to_string() + "/a").status, 422);
    EXPECT_EQ(gateway.get("/ipfs/" + broken.to_string() + "?format=raw").status, 200);
    const Cid document = gateway.put(Codec::dag_cbor, as_bytes("no cbor"));
    EXPECT_EQ(gateway.get("/ipfs/" + document.to_string() + "/a").status, 422);
}

}  // namespace

}  // namespace decloud::ipfs
