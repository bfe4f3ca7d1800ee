"""Bad input: each kind has its status, a body that says what to do, and is charged or not as it has to be."""

import io
import json
import os
import struct
import subprocess
import zipfile

import http1
from content import Upload, encrypt, make_spec, sign_spec, thumbprint, zip_of
from ethereum import Account, development_account
from harness import PRICE, expect, expect_equal, in_threads, probe, project, run_program, says_what_to_do

UNKNOWN = "bafkreidgvpkjawlxz6sffxzwgooowe5yt7i6wsyg236mfoks77nywkptdq"


def owner_of(cloud):
    return cloud.user()


def wasm():
    return probe("wasm").read_bytes()


def probe_cid(cloud):
    """The test program in WASM, deployed in public by a stranger's deployer, once."""
    if not hasattr(cloud, "stranger_cid"):
        cloud.stranger_cid = cloud.upload(owner_of(cloud), {"program.wasm": wasm()},
                                          limits={"wallMilliseconds": 2000, "requestBytes": 1 << 20})
    return cloud.stranger_cid


def native_cid(cloud):
    if not hasattr(cloud, "native_cid"):
        cloud.native_cid = cloud.upload(owner_of(cloud), {"probe": probe().read_bytes()}, runtime="native",
                                        entry="probe", limits={"wallMilliseconds": 1000})
    return cloud.native_cid


def refused(cloud, status, url, cost=0, **options):
    with cloud.costs(cost):
        answer = http1.request(url, **options)
    expect_equal(answer.status, status, f"{url}: {answer.text}")
    return says_what_to_do(answer)


def refused_everywhere(cloud, status, cid, rest="", cost=0, **options):
    return [refused(cloud, status, url, cost, **options) for url in (cloud.gateway(cid, rest), cloud.node(cid, rest))]


def has_help(body, word):
    expect(word in body.get("help", ""), f"no {word!r} in the help of {body}")


def test_a_strangers_deployment_runs(cloud):
    with cloud.costs(PRICE):
        answer = http1.request(cloud.gateway(probe_cid(cloud), "?echo=1"), body=b"echo")
    expect_equal((answer.status, answer.body), (200, b"echo"), answer.text)


def test_a_malformed_cid_is_400(cloud):
    good = cloud.cid("hello")
    for bad in (good[:-1], good[:-1] + "!", good.upper(), good + "aa", "bafy" + "1" * 55, "Qm" + "0" * 44):
        refused_everywhere(cloud, 400, bad)


def test_an_unknown_cid_is_404(cloud):
    for body in refused_everywhere(cloud, 404, UNKNOWN):
        has_help(body, "decloud deploy")


def test_content_that_is_no_deployment_is_404(cloud):
    content = Upload()
    cid = content.add(b"just text")
    expect_equal(cloud.import_car(owner_of(cloud), content.car()).status, 200, "import")
    refused_everywhere(cloud, 404, cid)


def test_an_unknown_name_is_404_at_the_gateway(cloud):
    body = refused(cloud, 404, f"{cloud.gateway_url}/p/nobody.decloud/{cloud.cid('hello')}")
    expect("nobody" in body["detail"], body)


def test_a_spec_encrypted_for_another_is_403(cloud):
    node = os.environ.get("DECLOUD_NODE", "node")
    key = json.loads(run_node(node, "const {generateKeyPairSync} = require('node:crypto');"
                                   "process.stdout.write(JSON.stringify(generateKeyPairSync('rsa', "
                                   "{modulusLength: 2048}).publicKey.export({format: 'jwk'})))"))
    cid = cloud.upload(owner_of(cloud), {"program.wasm": wasm()}, providers=["bob.decloud"], keys=[thumbprint(key)],
                       seal=lambda text: encrypt(text, [key]))
    for body in refused_everywhere(cloud, 403, cid):
        has_help(body, "--provider")


def run_node(node, script):
    return subprocess.run([node, "-e", script], capture_output=True, check=True, text=True).stdout


def test_a_spec_that_names_another_provider_is_403(cloud):
    jwk = cloud.well_known()["rsaKey"]
    for providers, keys, seal in (
            (["bob.decloud"], [], None),
            (["bob.decloud"], [thumbprint(jwk)], lambda text: encrypt(text, [jwk])),
            ([], [], lambda text: encrypt(text, [jwk])),
            (["alice.decloud"], ["0x" + "11" * 32], lambda text: encrypt(text, [jwk]))):
        cid = cloud.upload(owner_of(cloud), {"program.wasm": wasm()}, providers=providers, keys=keys, seal=seal)
        refused_everywhere(cloud, 403, cid)


def test_a_strangers_private_deployment_runs(cloud):
    jwk = cloud.well_known()["rsaKey"]
    cid = cloud.upload(owner_of(cloud), {"program.wasm": wasm()}, providers=["alice.decloud", "bob.decloud"],
                       keys=[thumbprint(jwk)], seal=lambda text: encrypt(text, [jwk]),
                       environment={"GREETING": "hi"}, secrets={"TOKEN": "canary"})
    with cloud.costs(PRICE):
        answer = http1.request(cloud.gateway(cid, "?environment=1"))
    expect("GREETING=hi" in answer.text and "TOKEN=canary" in answer.text, answer.text)


def test_a_bad_owner_signature_is_403(cloud):
    owner, stranger = owner_of(cloud), Account.fresh()
    wrong_signer = type("Pretender", (), {"address": owner.address, "sign": stranger.sign})()
    other_chain = {"chainId": 1}
    other_escrow = {"escrow": "0x" + "22" * 20}
    for signer, changes in ((wrong_signer, {}), (owner, other_chain), (owner, other_escrow)):
        content = Upload()
        spec = make_spec(owner, content.add(zip_of({"program.wasm": wasm()})))
        cid = content.add(sign_spec(spec, signer, cloud.domain, **changes))
        expect_equal(cloud.import_car(owner, content.car()).status, 200, "import")
        refused_everywhere(cloud, 403, cid)


def test_a_spec_that_is_not_what_was_signed_is_refused(cloud):
    owner = owner_of(cloud)
    content = Upload()
    program = content.add(zip_of({"program.wasm": wasm()}))
    text = sign_spec(make_spec(owner, program, maxPrice="1000"), owner, cloud.domain)
    cid = content.add(text.replace(b'"perDay":1000', b'"perDay":9000'))
    expect_equal(cloud.import_car(owner, content.car()).status, 200, "import")
    for url in (cloud.gateway(cid), cloud.node(cid)):
        with cloud.costs(0):
            expect(http1.request(url).status in (403, 404), "a spec with another hash")


def is_the_402_body(body):
    expect_equal(body["x402Version"], 1, "x402Version")
    expect_equal(body["accepts"], [], "accepts")
    expect(len(body["error"]) > 10, body)
    has_help(body, "decloud ")


def acceptable(body):
    expect(any(each["method"] == "authorization" and each["amount"] == str(PRICE) for each in body["acceptable"]),
           f"what would be accepted: {body['acceptable']}")


def test_an_owner_who_has_allowed_nothing_is_402(cloud):
    pauper = development_account(4)
    content = Upload()
    spec = make_spec(pauper, content.add(zip_of({"program.wasm": wasm()})))
    cid = content.add(sign_spec(spec, pauper, cloud.domain))
    expect_equal(cloud.import_car(pauper, content.car()).status, 200, "import within the free bytes")
    for body in refused_everywhere(cloud, 402, cid):
        is_the_402_body(body)
        acceptable(body)
        expect(pauper.address in body["detail"].lower(), body)
        has_help(body, "decloud escrow approve alice.decloud")


def test_a_price_above_the_allowed_one_is_402(cloud):
    cid = cloud.upload(owner_of(cloud), {"program.wasm": wasm()}, maxPrice="999")
    for body in refused_everywhere(cloud, 402, cid):
        is_the_402_body(body)
        acceptable(body)
    miser = development_account(5)
    cloud.fund(miser, 50_000, price=999)
    cid = cloud.upload(miser, {"program.wasm": wasm()})
    for body in refused_everywhere(cloud, 402, cid):
        is_the_402_body(body)


def test_a_budget_that_is_used_up_is_402(cloud):
    owner = development_account(3)
    cloud.fund(owner, 3 * PRICE + PRICE // 2)
    cid = cloud.upload(owner, {"program.wasm": wasm()})
    with cloud.costs(3 * PRICE, owner.address):
        answers = [http1.request(cloud.gateway(cid, "?bytes=1")).status for _ in range(6)]
    expect_equal(answers, [200] * 3 + [402] * 3, "answers")
    body = refused(cloud, 402, cloud.node(cid))
    is_the_402_body(body)
    has_help(body, "decloud escrow increase")


def test_owner_pays_that_is_used_up_is_402(cloud):
    for limits in ({"perDay": 2}, {"perDay": 100, "perCaller": 2}, {"perDay": 100, "total": 2}):
        cid = cloud.upload(owner_of(cloud), {"program.wasm": wasm()}, ownerPays={"callers": "any"} | limits)
        with cloud.costs(2 * PRICE):
            answers = [http1.request(cloud.node(cid, "?bytes=1")).status for _ in range(4)]
        expect_equal(answers, [200, 200, 402, 402], limits)
        body = refused(cloud, 402, cloud.gateway(cid))
        is_the_402_body(body)
        acceptable(body)


def test_an_owner_who_pays_for_nobody_asks_the_caller(cloud):
    cid = cloud.upload(owner_of(cloud), {"program.wasm": wasm()}, ownerPays={"callers": "none", "perDay": 1000})
    for body in refused_everywhere(cloud, 402, cid):
        acceptable(body)


def test_a_flood_by_strangers_spends_exactly_the_cap(cloud):
    cid = cloud.upload(owner_of(cloud), {"program.wasm": wasm()}, ownerPays={"callers": "any", "perDay": 40})

    def flood(_):
        url = cloud.node(cid, "?bytes=1")
        with http1.Connection(http1.address_of(url)) as connection:
            statuses = []
            for _ in range(25):
                connection.send(http1.request_bytes("GET", http1.target_of(url), url.split("/")[2]))
                statuses.append(connection.response().status)
        return statuses

    with cloud.costs(40 * PRICE):
        statuses = [status for part in in_threads(8, flood) for status in part]
    expect_equal((statuses.count(200), statuses.count(402)), (40, 160), "answers")


def test_a_program_that_fails_before_a_byte_is_502_and_charged(cloud):
    for cid in (probe_cid(cloud), native_cid(cloud)):
        for rest in ("?exit=3", "?crash=1"):
            for url in (cloud.gateway(cid, rest), cloud.node(cid, rest)):
                body = refused(cloud, 502, url, PRICE)
                expect("exit code 3" in body["detail"] or "crash" in rest, body)


def test_a_program_that_fails_after_a_byte_breaks_the_answer_and_is_charged(cloud):
    for cid in (native_cid(cloud), probe_cid(cloud)):
        for url in (cloud.gateway(cid, "?part=1&exit=3"), cloud.node(cid, "?part=1&exit=3")):
            with cloud.costs(PRICE), http1.Connection(http1.address_of(url)) as connection:
                connection.send(http1.request_bytes("GET", http1.target_of(url), url.split("/")[2]))
                answer = connection.response()
                expect(answer is None or not answer.complete, f"{url}: a whole answer, {answer}")


def test_a_program_that_does_not_end_is_504_and_charged(cloud):
    for cid in (probe_cid(cloud), native_cid(cloud)):
        body = refused(cloud, 504, cloud.gateway(cid, "?wait=60000"), PRICE)
        expect("time" in body["detail"], body)


def test_a_native_program_that_wants_more_than_15_s_is_refused(cloud, folder):
    at = project(folder / "slow", "slow")
    settings = at / "decloud.toml"
    settings.write_text(settings.read_text().replace('wall = "3s"', 'wall = "16s"'))
    done = cloud.cli("deploy", at, "--provider", "alice.decloud")
    expect_equal(done.code, 5, str(done))
    expect("15000 ms" in done.err and "16000 ms" in done.err and "decloud.toml" in done.err, str(done))
    limits = {"wallMilliseconds": 16_000}
    cid = cloud.upload(owner_of(cloud), {"probe": probe().read_bytes()}, runtime="native", entry="probe", limits=limits)
    for answer in refused_everywhere(cloud, 502, cid):
        expect("15000 ms" in answer["detail"], answer)
    cid = cloud.upload(owner_of(cloud), {"program.wasm": wasm()}, limits=limits)
    expect_equal(http1.request(cloud.node(cid, "?echo=1"), body=b"wasm").body, b"wasm", "wasm has its own limit")


def test_a_body_too_large_is_413(cloud):
    cid = probe_cid(cloud)
    for body in refused_everywhere(cloud, 413, cid, "?echo=1", body=b"x" * ((1 << 20) + 1)):
        expect(str(1 << 20) in body["detail"], body)
    for url in (cloud.gateway(cid, "?echo=1"), cloud.node(cid, "?echo=1")):
        with http1.Connection(http1.address_of(url)) as connection:
            connection.send(http1.request_bytes("POST", http1.target_of(url), url.split("/")[2],
                                                {"Transfer-Encoding": "chunked"}, length=False))
            try:
                for _ in range(40):
                    connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            except ConnectionError:
                pass
            answer = connection.response()
            expect(answer is not None, f"{url}: no answer to a chunked body without end")
            expect_equal(answer.status, 413, url)


def half_a_body(url, end):
    """The answer to a chunked body that breaks off with `end` after two MiB, which is when a program has begun."""
    with http1.Connection(http1.address_of(url)) as connection:
        connection.send(http1.request_bytes("POST", http1.target_of(url), url.split("/")[2],
                                            {"Transfer-Encoding": "chunked"}, length=False))
        try:
            connection.send((b"10000\r\n" + b"x" * 65536 + b"\r\n") * 32 + end)
        except ConnectionError:
            pass
        return connection.response()


def test_a_program_never_takes_half_a_body_for_a_whole_one(cloud):
    for runtime, content in (("wasm", wasm()), ("native", probe().read_bytes())):
        cid = cloud.upload(owner_of(cloud), {"program": content}, runtime=runtime, entry="program",
                           limits={"requestBytes": 3 << 20})
        for url in (cloud.node(cid, "?count=1"), cloud.gateway(cid, "?count=1")):
            expect_equal(half_a_body(url, b"0\r\n\r\n").body, b"%d bytes" % (2 << 20), f"{runtime} {url}")
            expect_equal(half_a_body(url, b"nonsense\r\n").status, 400, f"{runtime} {url}, a broken chunk")
            more = (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17
            expect_equal(half_a_body(url, more).status, 413, f"{runtime} {url}, above the limit")


def test_a_bad_content_digest_is_400(cloud):
    cid = probe_cid(cloud)
    for digest in ("sha-256=:AAAA:", "nonsense=", http1.content_digest(b"another")):
        with cloud.costs(0):
            answer = http1.request(cloud.node(cid, "?echo=1"), body=b"body", headers={"Content-Digest": digest})
            expect_equal(answer.status, 400, digest)


def test_an_unknown_service_or_method_is_404(cloud):
    for path in ("/oc/v1/nothing/call", "/oc/v1/compute/nothing", "/oc/v2/compute/call", "/oc"):
        answer = http1.request(cloud.node_url + path, "POST")
        expect_equal(answer.status, 404, path)
        says_what_to_do(answer)
    expect_equal(http1.request(cloud.node_url + "/oc/v1/content/import", "GET").status, 405, "GET")


def test_import_without_an_owner_is_refused(cloud):
    content = Upload()
    content.add(b"free storage?")
    answer = http1.request(cloud.node_url + "/oc/v1/content/import", body=content.car())
    expect_equal(answer.status, 402, answer.text)
    says_what_to_do(answer)


def test_a_bad_car_is_refused_whole(cloud):
    owner = owner_of(cloud)
    content = Upload()
    cid = content.add(b"a block of content")
    good = content.car()
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    content.blocks.append((content.blocks[0][0][:-1] + b"\0", b"another"))
    for name, body in {"a flipped byte": flipped, "cut": good[:-3], "empty": b"", "no CAR": b"hello",
                       "a block that no root leads to": content.car()}.items():
        answer = cloud.import_car(owner, body)
        expect_equal(answer.status, 400, name)
        says_what_to_do(answer)
    expect_equal(http1.request(cloud.node(cid)).status, 404, "content of a refused CAR")


def bomb(size):
    return zip_of({"program.wasm": b"\0" * size})


def linked(name, target):
    """A zip with a symbolic link."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.create_system = 3
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, target)
        archive.writestr("program.wasm", wasm())
    return buffer.getvalue()


def lying(size):
    """A zip whose headers say another size than what comes out."""
    data = bytearray(zip_of({"program.wasm": b"\0" * 4_000_000}))
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = data.index(mark)
        data[at + offset:at + offset + 4] = struct.pack("<I", size)
    return bytes(data)


def test_hostile_packages_are_refused_and_hurt_nothing(cloud):
    packages = {
        "a bomb": bomb(600 << 20), "a path with ..": zip_of({"../evil": b"x", "program.wasm": wasm()}),
        "an absolute path": zip_of({"/evil-package": b"x", "program.wasm": wasm()}),
        "a link to the host": linked("data", "/etc/passwd"), "the program a link": linked("program.wasm", "/bin/sh"),
        "too many files": zip_of({f"f{i}": b"" for i in range(20_000)}), "a lie about sizes": lying(10),
        "no zip": b"PK\x03\x04 and then nothing", "no entry": zip_of({"other": b"x"}), "empty": b"",
    }
    for name, package in packages.items():
        cid = cloud.upload(owner_of(cloud), package=package)
        with cloud.costs(0):
            answer = http1.request(cloud.node(cid))
            expect_equal(answer.status, 502, f"{name}: {answer.text}")
            says_what_to_do(answer)
    expect(not os.path.exists("/evil-package") and not os.path.exists(cloud.home.parent / "evil"), "written outside")
    expect_equal(http1.request(cloud.node(cloud.cid("hello"))).status, 200, "after them")


def test_a_program_that_is_no_program_is_502_and_not_charged(cloud):
    for files, runtime in (({"program.wasm": b"\0asm\1\0\0\0garbage"}, "wasm"), ({"program.wasm": b"text"}, "native")):
        cid = cloud.upload(owner_of(cloud), files, runtime=runtime)
        for _ in range(3):
            answer = http1.request(cloud.node(cid))
            expect_equal(answer.status, 502, answer.text)
        log = (cloud.home / "state" / "logs" / "provider.log").read_text()
        if runtime == "wasm":
            expect_equal(log.count(f"deployment {cid} cannot run"), 1, "times that it was compiled")
    cid = cloud.upload(owner_of(cloud), {"program.wasm": wasm()}, runtime="cobol")
    with cloud.costs(0):
        expect(http1.request(cloud.node(cid)).status in (502, 503), "an unknown runtime")


def test_a_second_node_on_the_same_home_is_refused(cloud):
    done = cloud.cli("provider", "run", timeout=20)
    expect(done.code not in (0, 64), str(done))
    expect("use" in done.err and str(cloud.home) in done.err, str(done))
    done = run_program("up", "--once", "--home", cloud.home, "--chain-port", "0", "--node-port", "0",
                       "--console-port", "0", "--gateway-port", "0", timeout=30)
    expect(done.code != 0 and str(cloud.home) in done.err, str(done))
    expect_equal(http1.request(cloud.node(cloud.cid("hello"))).status, 200, "the first one")

