"""Deploying: content ids, versions, secrets, undeploying, several providers."""

import json
import os
import pathlib

import http1
from content import Upload
from ethereum import Account, sha256
from harness import expect, expect_equal, probe, project, wait_for

CANARY = "canary-4f1d0a7be2"


def deploy(cloud, folder, *options):
    return cloud.good("deploy", folder, "--json", *options).json


def to_alice(cloud, folder, *options):
    return deploy(cloud, folder, "--provider", "alice.decloud", *options)["cid"]


def answer_of(cloud, cid, rest="?environment=1"):
    answer = http1.request(cloud.gateway(cid, rest))
    expect_equal(answer.status, 200, answer.text)
    return answer.text


def package_cid(cloud, folder):
    return cloud.good("content", "add", folder, "--json").json["cid"]


def test_the_same_files_have_the_same_cid(cloud, folder):
    one, two = folder / "one", folder / "two"
    for each in (one, two):
        (each / "sub").mkdir(parents=True)
        (each / "a.txt").write_text("a")
        (each / "sub" / "b.bin").write_bytes(b"b" * 3_000_000)
    os.utime(two / "a.txt", (1, 1))
    expect_equal(package_cid(cloud, one), package_cid(cloud, two), "cid")
    expect_equal(cloud.good("content", "add", one / "a.txt", "--json").json["cid"],
                 "bafkreigks6arfsq3xxfpvqrrwonchxcnu6do76auprhhfomao6c273sixm", "the cid that others give")


def test_an_unchanged_example_is_not_deployed_again(cloud):
    before = cloud.good("versions", "hello", "--json").json
    expect(json.dumps(before).count(cloud.cid("hello")) >= 1, before)


def test_a_public_deployment_can_be_read_by_anybody(cloud, folder):
    cid = to_alice(cloud, project(folder / "open", "open"), "--public")
    expect("DECLOUD_CID=" + cid in answer_of(cloud, cid), "answer")


def test_a_public_deployment_with_secrets_is_refused(cloud, folder):
    cloud.good("secret", "set", "leaky", "TOKEN", input=CANARY.encode())
    done = cloud.cli("deploy", project(folder / "leaky", "leaky"), "--provider", "alice.decloud", "--public")
    expect(done.code in (1, 64), str(done))
    expect("secret" in done.err and CANARY not in done.err + done.out, str(done))


def test_secrets_reach_the_program_and_nothing_else(cloud, folder):
    value = folder / "value"
    value.write_text(CANARY)
    cloud.good("secret", "set", "private", "TOKEN", "--file", value)
    cloud.good("secret", "set", "private", "OTHER", input=b"second")
    cid = to_alice(cloud, project(folder / "private", "private"))
    text = answer_of(cloud, cid)
    expect(f"TOKEN={CANARY}\n" in text and "OTHER=second\n" in text, text)
    shown = [cloud.good("secret", "list", "private"), cloud.good("secret", "list", "private", "--json"),
             cloud.good("show", "private"), cloud.good("versions", "private"), cloud.good("ls")]
    expect("TOKEN" in shown[0].out, shown[0])
    for done in shown:
        expect(CANARY not in done.out + done.err, f"a secret is shown: {done.command}")
    secrets = [pathlib.Path(at) for at in files_with(cloud.home, CANARY.encode())]
    wrong = [at for at in secrets if "node" in at.relative_to(cloud.home).parts or "logs" in at.parts]
    expect(not wrong, f"secrets in clear in {wrong}")
    for at in secrets:
        expect_equal(at.stat().st_mode & 0o077, 0, f"who can read {at}")
    cloud.good("secret", "remove", "private", "TOKEN")
    expect("TOKEN" not in cloud.good("secret", "list", "private").out, "a removed secret is listed")


def files_with(folder, needle):
    for base, _, names in os.walk(folder):
        for name in names:
            path = pathlib.Path(base, name)
            if path.is_file() and needle in path.read_bytes():
                yield str(path)


def test_an_encrypted_program_is_in_clear_nowhere_at_the_provider(cloud, folder):
    program = folder / "marked"
    program.write_bytes(probe().read_bytes() + b"\n" + CANARY.encode())
    program.chmod(0o755)
    cid = to_alice(cloud, project(folder / "sealed", "sealed", program=program), "--encrypt-program")
    expect("DECLOUD_CID" in answer_of(cloud, cid), "answer")
    blocks = cloud.home / "data" / "node" / "blocks"
    expect(blocks.is_dir(), f"no blocks in {blocks}")
    for at in files_with(blocks, b"PK\x03\x04"):
        expect(b"marked" not in pathlib.Path(at).read_bytes(), f"the program's package in clear in {at}")


def pinned(cloud):
    return json.dumps(cloud.good("content", "list", "--json").json)


def test_undeploy_is_410_and_stays_so(cloud, folder):
    cid = to_alice(cloud, project(folder / "gone", "gone"))
    answer_of(cloud, cid)
    expect(cid in pinned(cloud), "a deployment that is not pinned")
    cloud.good("undeploy", cid)
    expect(cid not in pinned(cloud), "still pinned")
    with cloud.costs(0):
        expect_equal(http1.request(cloud.gateway(cid)).status, 410, "after undeploy")
        cloud.kill_node()
        answer = http1.request(cloud.node(cid))
    expect_equal(answer.status, 410, "after a restart")
    expect("revoked" in answer.json["detail"], answer.text)


def test_only_the_owner_can_revoke(cloud):
    stranger = Account.fresh()
    cid = cloud.cid("hello")
    for body in (b"{}", b"nonsense", json.dumps(cloud.domain.sign(stranger, "Revocation", {
            "specHash": "0x" + sha256(b"x").hex(), "owner": cloud.account, "created": 1})).encode()):
        answer = http1.request(f"{cloud.node_url}/oc/v1/compute/revoke?arg={cid}", body=body)
        expect(answer.status in (400, 403), f"{answer.status} {answer.text}")
    expect_equal(http1.request(cloud.node(cid)).status, 200, "still there")


def test_versions_and_rollback(cloud, folder):
    one = to_alice(cloud, project(folder / "v", "versioned", toml='[environment]\nVERSION = "one"'))
    two = to_alice(cloud, project(folder / "v", "versioned", toml='[environment]\nVERSION = "two"'))
    expect(one != two, "another environment, the same cid")
    listed = cloud.good("versions", "versioned", "--json").out
    expect(one in listed and two in listed, listed)
    expect("VERSION=two" in cloud.good("call", "versioned?environment=1").out, "newest")
    done = cloud.good("rollback", "versioned", one)
    expect(two in done.out + done.err, f"rollback does not say that {two} still answers: {done}")
    expect("VERSION=one" in cloud.good("call", "versioned?environment=1").out, "rolled back")
    expect("VERSION=two" in answer_of(cloud, two), "both answer")
    done = cloud.good("rollback", "versioned", two, "--revoke-old")
    expect_equal(http1.request(cloud.gateway(one)).status, 410, "revoked with the rollback")
    expect("VERSION=two" in answer_of(cloud, two), "the kept one")


def test_limits_of_decloud_toml_hold(cloud, folder):
    cid = to_alice(cloud, project(folder / "tight", "tight", limits='request = "1KiB"\nresponse = "1KiB"'))
    expect_equal(http1.request(cloud.node(cid, "?echo=1"), body=b"x" * 1025).status, 413, "request")
    answer = http1.request(cloud.node(cid, "?bytes=5000"))
    expect(answer.status == 502 or not answer.complete, f"{answer.status}, {len(answer.body)} bytes")


def test_a_bad_decloud_toml_is_refused_by_line(cloud, folder):
    at = project(folder / "bad", "bad")
    (at / "decloud.toml").write_text('name = "bad"\nruntime = "native"\nentry = "probe"\nprise = "0.001"\n')
    done = cloud.cli("deploy", at, "--provider", "alice.decloud")
    expect_equal(done.code, 64, str(done))
    expect("prise" in done.err and "4" in done.err, str(done))


def test_a_failing_build_is_shown(cloud, folder):
    at = project(folder / "broken", "broken", toml='build = "echo the reason >&2; exit 3"')
    done = cloud.cli("deploy", at, "--provider", "alice.decloud")
    expect_equal(done.code, 1, str(done))
    expect("the reason" in done.err, str(done))


def test_an_interrupted_build_is_a_cancelled_deploy(cloud, folder):
    at = project(folder / "interrupted", "interrupted", toml='build = "kill -INT $PPID; exec sleep 600"')
    done = cloud.cli("deploy", at, "--provider", "alice.decloud")
    expect_equal(done.code, 2, str(done))


def test_an_unknown_provider_is_not_found(cloud, folder):
    done = cloud.cli("deploy", project(folder / "lost", "lost"), "--provider", "nobody.decloud")
    expect_equal(done.code, 3, str(done))


def test_init_makes_a_project_that_deploys(cloud, folder):
    cloud.good("init", "fresh", cwd=folder)
    cid = to_alice(cloud, folder / "fresh")
    expect_equal(http1.request(cloud.gateway(cid)).status, 200, "a new project")


def test_content_survives_the_round_trip(cloud, folder):
    source = folder / "tree"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "big").write_bytes(os.urandom(2_500_000))
    (source / "small").write_text("small")
    cid = cloud.good("content", "add", source, "--json").json["cid"]
    expect_equal(cloud.good("content", "cat", f"{cid}/small").out, "small", "cat")
    cloud.good("content", "get", cid, "-o", folder / "back")
    expect_equal((folder / "back" / "deep" / "big").read_bytes(), (source / "deep" / "big").read_bytes(), "get")
    nowhere = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    for words in (("get", nowhere, "-o", folder / "nowhere"), ("cat", nowhere), ("ls", nowhere)):
        done = cloud.cli("content", *words)
        expect(done.code == 3 and nowhere in done.err and "--source URL" in done.err, str(done))
    cloud.good("content", "export", cid, "-o", folder / "tree.car")
    imported = cloud.good("content", "import", folder / "tree.car", "--json").json
    expect(cid in json.dumps(imported), imported)


def test_a_car_with_a_wrong_block_is_refused_by_the_blocks_name(cloud, folder):
    content = Upload()
    right = content.add(b"what the file says it is")
    car = content.car()
    (folder / "wrong.car").write_bytes(car[:-1] + bytes([car[-1] ^ 1]))
    (folder / "cut.car").write_bytes(car[:-3])
    for name, word in (("wrong.car", right), ("cut.car", "CAR")):
        done = cloud.cli("content", "import", folder / name)
        expect_equal(done.code, 1, str(done))
        expect("HTTP 400" in done.err and word in done.err, str(done))


def test_what_a_program_is_needs_not_be_said(cloud, folder):
    for kind in ("wasm", "native"):
        made = project(folder / kind, f"auto-{kind}", runtime="auto", program=probe(kind))
        expect("GATEWAY_INTERFACE" in answer_of(cloud, to_alice(cloud, made)), kind)
    (folder / "text").mkdir()
    (folder / "text" / "decloud.toml").write_text('name = "text"\nentry = "notes.txt"\n')
    (folder / "text" / "notes.txt").write_text("buy milk")
    refused = cloud.cli("deploy", folder / "text", "--provider", "alice.decloud")
    expect_equal(refused.code, 64, str(refused))
    expect("notes.txt" in refused.err and "runtime" in refused.err, refused.err)


def test_a_program_is_compiled_before_its_first_call(cloud, folder):
    compiled = cloud.home / "data" / "node" / "cache" / "wasm"
    before = set(compiled.glob("*"))
    made = project(folder / "early", "early", runtime="wasm")
    with (made / "probe.wasm").open("ab") as program:
        program.write(b"\0\4\3own")  # a custom section: no other deployment has this program
    cid = to_alice(cloud, made)
    wait_for("compiled code", lambda: set(compiled.glob("[!.]*")) - before, deadline=60)
    expect("GATEWAY_INTERFACE" in answer_of(cloud, cid), "answer")
