"""Services besides the node's own: declared in a service.toml, answered by a deployment or by a local HTTP server."""

import hashlib
import http.server
import json
import threading
import urllib.parse

import http1
from harness import PRICE, ROOT, expect, expect_equal, probe, wait_for


def oc(cloud, service, method, *args, body=b"", **options):
    query = "&".join("arg=" + urllib.parse.quote(each) for each in args)
    url = cloud.node("oc/v1/" + service + "/" + method, "?" + query if query else "")
    return http1.request(url, "POST", body=body, **options)


def added(cloud, folder, name, **changes):
    """An example's service, answered by its deployment."""
    source = ROOT / "examples" / name
    cloud.good("deploy", source, "--public", "--provider", "alice.decloud")
    text = (source / "service.toml").read_text()
    for old, new in changes.get("replace", ()):
        text = text.replace(old, new)
    file = folder / "service.toml"
    file.write_text(text)
    return cloud.good("service", "add", folder, "--deployment", name, "--json").json


def test_every_service_has_info_methods_and_quote(cloud):
    for service in ("info", "compute", "content"):
        answer = oc(cloud, service, "methods")
        expect_equal((answer.status, answer.header("OpenCloud-Status")), (200, "ok"), service)
        expect(answer.json["methods"], service)
    info = oc(cloud, "info", "info").json
    expect_equal(info, cloud.well_known(), "info.info")
    expect_equal(oc(cloud, "compute", "info").json["methods"], ["call", "revoke", "describe", "logs"],
                 "compute.info")
    quote = oc(cloud, "compute", "quote", "call", "call=3").json
    expect_equal((quote["amount"], quote["provider"], quote["signer"]),
                 ("3000", info["provider"]["audience"], info["node"]["id"]), "a quote")
    expect_equal(oc(cloud, "compute", "quote", "nothing").status, 404, "no such method")
    expect_equal(oc(cloud, "compute", "quote").status, 400, "no arguments")
    expect_equal(oc(cloud, "nobody", "info").header("OpenCloud-Status"), "client-error.service-unsupported", "no service")
    expect_equal(oc(cloud, "info", "other").header("OpenCloud-Status"), "client-error.method-unsupported", "no method")


def test_a_deployment_becomes_a_service_that_is_paid_by_the_unit(cloud, folder):
    made = added(cloud, folder, "sha256")
    expect_equal(made["methods"], ["hash"], "added")
    user, body = cloud.user(), b"decloud" * 1000
    url = cloud.node("oc/v1/sha256/hash")
    asked = http1.request(url, "POST", body=body)
    expect_equal(asked.status, 402, "without payment")
    expect_equal([each["amount"] for each in asked.json["acceptable"]][:1], ["7"], "7,000 bytes are 7 begun KiB")
    before = cloud.spent(user.address)
    answer = cloud.pay(user, url, body=body)
    expect_equal((answer.status, answer.text), (200, hashlib.sha256(body).hexdigest() + "\n"), "answer")
    wait_for("the charge", lambda: cloud.spent(user.address) == before + 7)
    done = cloud.good("request", "alice.decloud", "sha256.quote", "hash", "request-kib=7").json
    expect_equal(done["amount"], "7", "the quote before")


def test_arguments_reach_the_deployment(cloud, folder):
    added(cloud, folder, "calc", replace=(('price = "0.0001"', 'price = "0"'),))
    expect_equal(oc(cloud, "calc", "calculate", "2", "3", "+", "4", "*").text, "20\n", "2 3 + 4 *")
    expect_equal(oc(cloud, "calc", "calculate", "1", "0", "/").status, 400, "the program's own refusal")
    expect_equal(oc(cloud, "calc", "calculate").status, 400, "too few")
    expect_equal(oc(cloud, "calc", "calculate", *["1"] * 17).status, 400, "too many")
    listed = {each["name"] for each in cloud.good("service", "list", "--json").json["services"]}
    expect("calc" in listed, str(listed))
    cloud.good("service", "remove", "calc")
    expect_equal(oc(cloud, "calc", "calculate", "1").header("OpenCloud-Status"), "client-error.service-unsupported",
                 "removed")
    expect_equal(cloud.cli("service", "remove", "calc").code, 3, "again")


class Echo(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if self.path.startswith("/fail"):
            self.send_response(500)
            self.end_headers()
            return
        told = json.dumps({"path": self.path, "body": body.decode(), "headers": sorted(map(str.lower, self.headers))}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Decloud-Receipt", "forged")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_):
        pass


def test_a_local_server_becomes_a_service(cloud, folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = folder / "service.toml"
    file.write_text(f'name = "echo.alice"\nurl = "http://127.0.0.1:{server.server_port}"\n'
                    '[methods.say]\narguments = ["a", "b"]\nrequired = 1\n[methods.fail]\nprice = "0.001"\n')
    cloud.good("service", "add", file)
    answer = oc(cloud, "echo.alice", "say", "a b", "ü", body=b"hello", headers=[("OpenCloud-Payment", "none"), ("X-Mine", "1")])
    expect_equal((answer.status, answer.json["body"], answer.json["path"]), (201, "hello", "/say?arg=a%20b&arg=%C3%BC"), "answer")
    expect("x-mine" in answer.json["headers"] and "opencloud-payment" not in answer.json["headers"], str(answer.json))
    expect(answer.header("X-Decloud-Receipt") != "forged", "a reserved header of the server")
    user = cloud.user()
    cloud.pay(user, cloud.node("oc/v1/echo.alice/say") + "?arg=1", body=b"x")
    before = cloud.spent(user.address)
    failed = cloud.pay(user, cloud.node("oc/v1/echo.alice/fail"), body=b"x")
    expect_equal(failed.status, 502, "the server failed")
    server.shutdown()
    server.server_close()
    expect_equal(oc(cloud, "echo.alice", "say", "1").status, 502, "the server is gone")
    expect_equal(cloud.spent(user.address), before, "the provider's own failure costs nothing")


def test_a_wrong_service_file_is_refused_with_its_line(cloud, folder):
    file = folder / "service.toml"
    file.write_text('name = "compute"\nurl = "http://127.0.0.1:1"\n[methods.a]\n')
    done = cloud.cli("service", "add", folder)
    expect_equal(done.code, 64, str(done))
    expect("service.toml:1" in done.err, done.err)
    placed = cloud.home / "config" / "services"
    placed.mkdir(exist_ok=True)
    (placed / "bad.alice.toml").write_text("name = ")
    answer = cloud.operator("POST", "/operator/services/reload")
    expect("bad.alice.toml" in answer["errors"][0], str(answer))
    (placed / "bad.alice.toml").unlink()
    expect_equal(cloud.operator("POST", "/operator/services/reload")["errors"], [], "mended")


def test_the_openapi_description_names_every_method(cloud):
    answer = http1.request(cloud.node("oc/v1/openapi.json"))
    expect_equal((answer.status, answer.json["openapi"]), (200, "3.1.0"), answer.text[:200])
    for path in ("/oc/v1/compute/call", "/oc/v1/compute/quote", "/oc/v1/info/info", "/oc/v1/content/import"):
        expect(path in answer.json["paths"], path)


def test_request_signs_checks_and_pays(cloud, folder):
    done = cloud.good("request", "alice.decloud", "info.info", "-v")
    expect_equal(done.json["provider"]["name"], "alice.decloud", "answer")
    expect("the answer is signed by did:key:" in done.err, done.err)
    expect_equal(cloud.good("request", cloud.node_url, "compute.info").json["service"], "compute", "by URL")
    apart = cloud.environment | {"DECLOUD_HOME": str(folder / "apart")}
    expect_equal(cloud.good("request", cloud.node_url, "compute.info", environment=apart).json["service"], "compute",
                 "from a home that knows no chain")
    expect_equal(cloud.good("request", cloud.gateway_url + "/p/alice", "compute.info").json["service"], "compute", "by gateway")
    added(cloud, folder, "calc")
    refused = cloud.cli("request", "alice.decloud", "calc.calculate", "1", "2", "+")
    expect_equal(refused.code, 5, str(refused))
    deferred = cloud.cli("request", "alice.decloud", "calc.calculate", "1", "2", "+", "--pay", "defer")
    expect_equal(deferred.code, 5, str(deferred))
    paid = cloud.good("request", "alice.decloud", "calc.calculate", "1", "2", "+", "--pay", "attached", "-v")
    expect_equal(paid.out, "3\n", "answer")
    expect("receipt" in paid.err and "signed by" in paid.err, paid.err)
    dear = cloud.cli("request", "alice.decloud", "calc.calculate", "1", "2", "+", "--pay", "attached", "--max-price", "0.00005")
    expect_equal(dear.code, 5, str(dear))
    expect_equal(cloud.cli("request", "alice.decloud", "nothing").code, 64, "no method")
    expect_equal(cloud.cli("request", "alice.decloud", "calc.other").code, 3, "no such method")
    anonymous = cloud.good("request", "alice.decloud", "compute.info", "--anonymous", "-v")
    expect("nobody" in anonymous.err, anonymous.err)


def test_the_owner_pays_for_an_id_that_they_list(cloud):
    told = cloud.good("request", "alice.decloud", "compute.info", "-v").err
    mine = next(line.split()[1] for line in told.splitlines() if line.startswith("you "))
    listed = cloud.upload(cloud.user(), {"program.wasm": probe("wasm").read_bytes()},
                          ownerPays={"callers": [mine], "perDay": 100, "perCaller": 2})
    with cloud.costs(2 * PRICE):
        for _ in range(2):
            expect_equal(cloud.good("request", "alice.decloud", "compute.call", listed).code, 0, "a listed id")
        expect_equal(cloud.cli("request", "alice.decloud", "compute.call", listed).code, 5, "beyond its calls")
        expect_equal(cloud.cli("request", "alice.decloud", "compute.call", listed, "--anonymous").code, 5, "nobody")
        expect_equal(http1.request(cloud.node(listed)).status, 402, "plain curl")
