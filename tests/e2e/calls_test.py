"""Calls as any HTTP client makes them: through the gateway in both forms, and directly."""

import base64
import hashlib
import json
import os
import struct
import subprocess

import http1
from harness import PRICE, ROOT, expect, expect_equal, project, run_program, wait_for

PHOTO = (ROOT / "examples" / "thumbnail" / "photo.jpg").read_bytes()


def deployed(cloud, folder, name, **options):
    """The cid of a project deployed with the command line."""
    done = cloud.good("deploy", project(folder / name, name, **options), "--provider", "alice.decloud", "--json")
    return done.json["cid"]


def probe_of(cloud, folder):
    """The cid of the native test program, deployed once for the file."""
    if not hasattr(cloud, "probe_cid"):
        cloud.probe_cid = deployed(cloud, folder, "probe", limits='request = "8MiB"\nresponse = "8MiB"')
    return cloud.probe_cid


def every_way(cloud, cid, rest=""):
    return [cloud.gateway(cid, rest), cloud.subdomain(cid, rest), cloud.node(cid, rest),
            f"{cloud.node_url}/p/alice.decloud/{cid}{rest}", f"{cloud.node_url}/p/alice/{cid}{rest}"]


def jpeg_width(data):
    expect(data[:2] == b"\xff\xd8" and data.rstrip(b"\0")[-2:] == b"\xff\xd9", "not a whole JPEG")
    at = 2
    while at < len(data):
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return struct.unpack(">H", data[at + 7:at + 9])[0]
        at += 2 + length
    raise AssertionError("a JPEG without a frame")


def test_hello_answers_the_same_in_every_form_of_address(cloud):
    urls = every_way(cloud, cloud.cid("hello"))
    with cloud.costs(PRICE * len(urls)):
        for url in urls:
            answer = http1.request(url)
            expect_equal((answer.status, answer.body, answer.complete), (200, b"hello\n", True), url)


def test_a_thumbnail_is_a_jpeg_of_the_asked_width(cloud):
    with cloud.costs(3 * PRICE):
        for width, url in zip((200, 64, 31), every_way(cloud, cloud.cid("thumbnail"))):
            answer = http1.request(f"{url}?width={width}", body=PHOTO)
            expect_equal(answer.status, 200, answer.text[:200])
            expect_equal(answer.header("Content-Type"), "image/jpeg", "type")
            expect_equal(jpeg_width(answer.body), width, "width")


def test_an_error_that_a_program_reports_is_answered_and_charged(cloud):
    with cloud.costs(2 * PRICE):
        url = cloud.gateway(cloud.cid("thumbnail"), "?width=200")
        expect_equal(http1.request(url, body=b"no picture").status, 400, "bad input")
        expect_equal(http1.request(url, "DELETE").status, 405, "DELETE")


def test_markdown_becomes_html(cloud):
    with cloud.costs(PRICE):
        answer = http1.request(cloud.subdomain(cloud.cid("markdown"), "?title=Notes"), body=b"# Hi *there*\n")
        expect_equal(answer.status, 200, answer.text[:200])
        expect("<h1>Hi <em>there</em></h1>" in answer.text and "<title>Notes</title>" in answer.text, answer.text)


def test_the_example_urls_of_up_work_as_printed(cloud):
    for function in cloud.info["functions"]:
        answer = http1.request(function["url"], "POST", body=b"# x" if function["name"] == "markdown" else PHOTO)
        expect_equal(answer.status, 200, function["url"])


def test_head_has_the_headers_of_get_and_no_body(cloud):
    for url in every_way(cloud, cloud.cid("hello"))[:3]:
        with http1.Connection(http1.address_of(url)) as connection:
            host = url.split("/")[2]
            connection.send(http1.request_bytes("HEAD", http1.target_of(url), host))
            connection.send(http1.request_bytes("GET", http1.target_of(url), host, {"Connection": "close"}))
            head, get = connection.response("HEAD"), connection.response()
            expect_equal((head.status, get.status, get.body), (200, 200, b"hello\n"), url)
            expect(connection.closed(), "bytes after the last answer")


def test_chunked_bodies_arrive_whole(cloud, folder):
    cid = probe_of(cloud, folder)
    for url in every_way(cloud, cid, "?echo=1")[:3]:
        with http1.Connection(http1.address_of(url)) as connection:
            head = http1.request_bytes("POST", http1.target_of(url), url.split("/")[2],
                                       {"Transfer-Encoding": "chunked"}, length=False)
            connection.send(head + b"5;x=1\r\nhello\r\n")
            connection.send(b"7\r\n, there\r\n0\r\nX-Sum: ignored\r\n\r\n")
            expect_equal(connection.response().body, b"hello, there", url)


def test_a_client_that_expects_100_continue_gets_it_after_admission(cloud, folder):
    cid, body = probe_of(cloud, folder), bytes(range(256)) * 8192
    for url in every_way(cloud, cid, "?echo=1")[:3]:
        with http1.Connection(http1.address_of(url)) as connection:
            connection.send(http1.request_bytes(
                "POST", http1.target_of(url), url.split("/")[2],
                {"Expect": "100-continue", "Content-Length": str(len(body))}, length=False))
            wait = connection._until(b"\r\n\r\n")
            expect(wait and wait.startswith(b"HTTP/1.1 100"), f"{url}: {wait}")
            connection.send(body)
            answer = connection.response()
            expect_equal((answer.status, answer.body == body), (200, True), url)
        with http1.Connection(http1.address_of(url)) as connection:
            connection.send(http1.request_bytes(
                "POST", http1.target_of(url), url.split("/")[2],
                {"Expect": "100-continue", "Content-Length": str(1 << 30)}, length=False))
            expect_equal((connection.response().status), 413, "refused before the body is sent")


def test_five_mebibytes_go_both_ways(cloud, folder):
    cid = probe_of(cloud, folder)
    body = hashlib.shake_128(b"seed").digest(5 << 20)
    with cloud.costs(3 * PRICE):
        for url in every_way(cloud, cid, "?echo=1")[:3]:
            answer = http1.request(url, body=body)
            expect_equal((answer.status, answer.complete, answer.body == body), (200, True, True), url)


def environment_of(answer):
    return dict(line.split("=", 1) for line in answer.text.splitlines() if "=" in line)


def test_a_program_sees_path_query_and_headers(cloud, folder):
    cid = probe_of(cloud, folder)
    for url in every_way(cloud, cid, "/a/b%20c?environment=1&x=%2F")[:3]:
        answer = http1.request(url, "PUT", [("X-One", "1"), ("X-One", "2"), ("Proxy", "evil"),
                                            ("Authorization", "Basic secret"), ("X-Decloud-Y", "no"),
                                            ("Connection", "X-Hop"), ("X-Hop", "no")], b"abc")
        seen = environment_of(answer)
        prefix = url.split(cid)[0].split("/", 3)[3] + cid
        wanted = {"REQUEST_METHOD": "PUT", "PATH_INFO": "/a/b c", "QUERY_STRING": "environment=1&x=%2F",
                  "CONTENT_LENGTH": "3", "HTTP_X_ONE": "1, 2", "SCRIPT_NAME": "/" + prefix, "DECLOUD_CID": cid,
                  "GATEWAY_INTERFACE": "CGI/1.1"}
        expect_equal({name: seen.get(name) for name in wanted}, wanted, url)
        for name in ("HTTP_PROXY", "HTTP_AUTHORIZATION", "HTTP_X_DECLOUD_Y", "HTTP_X_HOP", "HTTP_CONNECTION", "HOME",
                     "PATH"):
            expect(name not in seen, f"{name} reached the program: {seen.get(name)}")


def test_repeated_headers_of_an_answer_are_kept(cloud, folder):
    for url in every_way(cloud, probe_of(cloud, folder), "?status=404")[:3]:
        answer = http1.request(url)
        expect_equal((answer.status, answer.body, answer.all("X-Probe")), (404, b"body", ["a", "b"]), url)


def test_reserved_headers_never_come_from_a_program(cloud, folder):
    cid = probe_of(cloud, folder)
    for url in every_way(cloud, cid, "?cookie=1")[:3]:
        answer = http1.request(url)
        expect(answer.all("OpenCloud-Status") in ([], ["ok"]), f"forged status: {answer.headers}")
        expect_equal(answer.all("Content-Security-Policy"), ["sandbox allow-scripts allow-forms"], url)
        expect_equal(answer.header("X-Content-Type-Options"), "nosniff", url)
        cookie = answer.header("Set-Cookie")
        expect("Domain" not in cookie and f"{cid}" in cookie, cookie)
        worker = http1.request(url, headers={"Service-Worker": "script"})
        expect_equal(worker.status, 403, f"a service worker at {url}")


def test_output_streams_before_the_program_ends(cloud, folder):
    cid = probe_of(cloud, folder)
    for url in every_way(cloud, cid, "?slow=1500")[:3]:
        with http1.Connection(http1.address_of(url)) as connection:
            connection.send(http1.request_bytes("GET", http1.target_of(url), url.split("/")[2]))
            answer = connection.response()
        expect_equal((answer.status, answer.body), (200, b"first\nlast\n"), url)
        expect(answer.seconds - answer.first_byte_after > 0.7,
               f"{url}: first byte after {answer.first_byte_after:.2f} s, end after {answer.seconds:.2f} s")


def test_every_charged_call_has_a_signed_receipt(cloud, folder):
    body = b"for the receipt"
    with cloud.costs(PRICE):
        answer = http1.request(cloud.node(probe_of(cloud, folder), "?echo=1"), body=body)
    expect(answer.receipt and answer.receipt.startswith("/receipts/"), f"headers {answer.headers}")
    first, second = (http1.request(cloud.node_url + answer.receipt) for _ in range(2))
    expect_equal(first.body, second.body, "the receipt asked for twice")
    receipt = first.json
    expect_equal(int(receipt["amount"]), PRICE, "amount")
    expect_equal(receipt["status"], 200, "status")
    expect_equal(receipt["responseDigest"].removeprefix("0x"), hashlib.sha256(body).hexdigest(), "response digest")
    expect_equal(receipt["subject"], cloud.probe_cid, "subject")
    expect_equal(receipt["audience"], cloud.audience, "audience")
    check_signature(folder, receipt)
    expect_equal(http1.request(cloud.node_url + "/receipts/" + "0" * 32).status, 404, "a receipt that is not")
    name = answer.receipt.removeprefix("/receipts/")
    for other in (name.upper() if name.upper() != name else "A" * 32, "0x" + name, name[:-2], ""):
        expect_equal(http1.request(cloud.node_url + "/receipts/" + other).status, 404, f"{name} written as {other}")
    through = http1.request(f"{cloud.gateway_url}/p/alice.decloud{answer.receipt}")
    expect_equal(through.body, first.body, "the receipt through the gateway")


def check_signature(folder, receipt):
    """Ed25519 over the RFC 8785 bytes of the receipt without `signature`, checked by OpenSSL."""
    signature = receipt.pop("signature")
    key = multibase_key(receipt["signer"])
    message = json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    (folder / "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + key)
    (folder / "message").write_bytes(message)
    (folder / "signature").write_bytes(base64.urlsafe_b64decode(signature + "=="))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", folder / "key.der", "-rawin",
               "-in", folder / "message", "-sigfile", folder / "signature"]
    done = subprocess.run(command, capture_output=True)
    expect_equal(done.returncode, 0, f"the receipt's signature: {done.stdout} {done.stderr}")


def multibase_key(did):
    """The 32 bytes of a did:key of Ed25519 (base58btc, multicodec 0xed)."""
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = 0
    for letter in did.removeprefix("did:key:z"):
        number = number * 58 + alphabet.index(letter)
    raw = number.to_bytes(34, "big")
    expect_equal(raw[:2], b"\xed\x01", "multicodec")
    return raw[2:]


def test_log_chain_and_escrow_status_agree_after_settling(cloud):
    for _ in range(5):
        http1.request(cloud.gateway(cloud.cid("hello")))
    earned, claimed = cloud.earned(), cloud.on_chain()["claimed"]
    wait_for("holds to end", lambda: int(cloud.ledger()["held"]) == 0)
    owed = cloud.spent() - claimed
    expect(owed >= 5 * PRICE or claimed, f"owed {owed}")
    cloud.settle()
    wait_for("the chain to say what the log says", lambda: cloud.on_chain()["claimed"] == cloud.spent())
    expect_equal(cloud.earned() - earned, owed, "earned")
    report = cloud.good("escrow", "status", "--json").json
    channel = next(each for each in report["channels"] if each["provider"] == "alice.decloud")
    chain = cloud.on_chain()
    expect_equal({key: channel[key] for key in ("price", "reserved", "claimed", "spent")},
                 {"price": str(PRICE), "reserved": str(chain["reserved"]), "claimed": str(chain["claimed"]),
                  "spent": str(chain["claimed"])}, "escrow status")
    expect_equal(report["free"], str(cloud.free()), "free")


def test_decloud_call_prints_the_body_and_takes_curls_flags(cloud, folder):
    expect_equal(cloud.good("call", "hello").out, "hello\n", "by name")
    expect_equal(cloud.good("call", cloud.cid("hello")).out, "hello\n", "by cid")
    picture = folder / "small.jpg"
    cloud.good("call", cloud.cid("thumbnail") + "?width=50", "-X", "POST", "--data-binary",
               f"@{ROOT}/examples/thumbnail/photo.jpg", "-H", "X-A: b", "-o", picture)
    expect_equal(jpeg_width(picture.read_bytes()), 50, "width")


def test_well_known_says_who_sells_what(cloud):
    body = cloud.well_known()
    expect_equal(body["provider"]["address"].lower(), cloud.provider, "address")
    expect({"compute", "content"} <= set(body["services"]), body)
    expect({"owner", "authorization"} <= set(body["payments"]), body)
    expect_equal(body["prices"][0]["amount"], str(PRICE), "price")
    expect(body["node"]["id"].startswith("did:key:z") and body["delegation"]["account"].lower() == cloud.provider,
           body)


def test_metrics_are_on_the_console_only(cloud):
    expect("decloud_requests_total" in http1.request(cloud.console_url + "/metrics").text, "metrics")
    expect_equal(http1.request(cloud.console_url + "/metrics", headers={"Origin": "http://evil.example"}).status,
                 403, "another site's page")
    host, port = http1.address_of(cloud.console_url)
    with http1.Connection((host, port)) as connection:
        connection.send(http1.request_bytes("GET", "/metrics", "evil.example"))
        expect_equal(connection.response().status, 403, "a rebound name")
    for url in (cloud.node_url, cloud.gateway_url):
        expect_equal(http1.request(url + "/metrics").status, 404, url)
        expect_equal(http1.request(url + "/healthz").status, 200, url)
        expect_equal(http1.request(url + "/readyz").status, 200, url)


def test_the_operators_socket_is_the_operators_alone(cloud):
    expect_equal(os.stat(cloud.socket).st_mode & 0o777, 0o600, "mode of the socket")
    expect_equal(http1.request(cloud.node_url + "/operator/status").status, 404, "operator verbs in public")
    expect_equal(run_program("provider", "status", "--home", cloud.home, "--json").code in (0, 5), True, "the CLI")
