"""What of a node's content the public reads under /ipfs, and what nobody does."""

import secrets

import http1
from harness import expect, expect_equal, project
from policy_test import write


def deploy(cloud, folder, name, *options):
    """The spec's cid and the roots that came with it; the program is like no other."""
    made = project(folder / name, name)
    (made / "unique.txt").write_text(secrets.token_hex(16))
    cid = cloud.good("deploy", made, "--provider", "alice.decloud", "--json", *options).json["cid"]
    pins = cloud.good("content", "list", "--json").json["pins"]
    return cid, {pin["root"] for pin in pins if pin["reason"] == f"deployment:{cid}"}


def statuses(cloud, cids):
    return {form: {http1.request(f"{cloud.node_url}/ipfs/{cid}{form}").status for cid in cids}
            for form in ("", "?format=raw", "?format=car", "?format=tar")}


def test_a_private_deployment_is_not_there_in_any_form(cloud, folder):
    _, roots = deploy(cloud, folder, "closed")
    expect_equal(len(roots), 2, "spec and program")
    for form, found in statuses(cloud, roots).items():
        expect_equal(found, {404}, form)


def test_a_public_deployment_can_be_read(cloud, folder):
    cid, roots = deploy(cloud, folder, "open", "--public")
    found = statuses(cloud, roots)
    expect_equal((found["?format=raw"], found["?format=car"]), ({200}, {200}), found)
    expect("spec" in http1.request(f"{cloud.node_url}/ipfs/{cid}").json, "the spec")


def test_what_is_added_is_fetched_and_verified_by_others(cloud, folder):
    tree = folder / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "a.txt").write_text("a")
    (tree / "big.bin").write_bytes(secrets.token_bytes(3_000_000))
    cid = cloud.good("content", "add", tree, "--json").json["cid"]
    source = ("--source", "http://127.0.0.1:1", "--source", cloud.node_url)
    cloud.good("content", "get", cid, "-o", folder / "copy", *source)
    expect_equal((folder / "copy" / "big.bin").read_bytes(), (tree / "big.bin").read_bytes(), "big.bin")
    expect_equal(cloud.good("content", "cat", f"{cid}/sub/a.txt", *source).out, "a", "cat")
    rows = cloud.good("content", "ls", cid, "--json").json["entries"]
    expect_equal([(row["name"], row["kind"], row["bytes"]) for row in rows],
                 [("big.bin", "file", 3_000_000), ("sub", "folder", 0)], "ls")
    expect_equal(cloud.good("content", "stat", f"{cid}/big.bin", "--json").json["bytes"], 3_000_000, "stat")
    refused = cloud.cli("content", "get", cid, "-o", folder / "none", "--source", "http://127.0.0.1:1")
    expect(refused.code != 0 and "127.0.0.1:1" in refused.err, str(refused))


def test_denied_content_is_451(cloud, folder):
    (folder / "bad.txt").write_text(secrets.token_hex(16))
    cid = cloud.good("content", "add", folder / "bad.txt", "--json").json["cid"]
    expect_equal(http1.request(f"{cloud.node_url}/ipfs/{cid}").status, 200, "before")
    write(cloud, f'[[rule]]\ncid = "{cid}"\ndeny = true\n')
    expect_equal(http1.request(f"{cloud.node_url}/ipfs/{cid}").status, 451, "after")


def test_a_file_is_the_same_from_a_folder_a_path_and_standard_input(cloud, folder):
    (folder / "of").mkdir()
    (folder / "of" / "large.bin").write_bytes(secrets.token_bytes(5_000_001))
    alone = cloud.good("content", "add", folder / "of" / "large.bin", "--json").json
    expect_equal((alone["blocks"], alone["bytes"] > 5_000_001), (6, True), alone)
    root = cloud.good("content", "add", folder / "of", "--json").json["cid"]
    rows = cloud.good("content", "ls", root, "--json").json["entries"]
    expect_equal([row["cid"] for row in rows], [alone["cid"]], "in a folder")
    piped = cloud.good("content", "add", "-", "--pin", "piped", "--json",
                       input=(folder / "of" / "large.bin").read_bytes()).json
    expect_equal(piped["cid"], alone["cid"], "standard input")
    pins = cloud.good("content", "list", "--json").json["pins"]
    expect_equal({pin["reason"] for pin in pins if pin["root"] == alone["cid"]}, {"user", "piped"}, "pins")
    (folder / "empty").write_bytes(b"")
    expect_equal(cloud.good("content", "cat", cloud.good("content", "add", folder / "empty").out.strip()).out, "", "empty")


RECORD = {"Accept": "application/vnd.ipfs.ipns-record"}


def publish(cloud, *words):
    return cloud.good("content", "publish", *words, "--json").json


def test_a_name_leads_where_it_was_published(cloud, folder):
    cids = []
    for text in ("first", "second"):
        (folder / text).write_text(text)
        cids.append(cloud.good("content", "add", folder / text).out.strip())
    first = publish(cloud, cids[0], "--key", "site")
    name, record = first["name"], f"{cloud.node_url}/routing/v1/ipns/{first['name']}"
    expect_equal((first["value"], first["sequence"]), (f"/ipfs/{cids[0]}", 0), first)
    expect_equal(http1.request(f"{cloud.node_url}/ipns/{name}").body, b"first", "first")
    old = http1.request(record, headers=RECORD)
    expect_equal(old.status, 200, "its record")
    expect_equal(publish(cloud, cids[1], "--key", "site")["sequence"], 1, "another value")
    expect_equal(http1.request(f"{cloud.node_url}/ipns/{name}").body, b"second", "second")
    new = http1.request(record, headers=RECORD).body

    def put(address, body):
        return http1.request(address, method="PUT", body=body, headers={"Content-Type": RECORD["Accept"]}).status

    expect_equal((put(record, new), put(record, old.body), put(record, new[:-1] + b"x")), (200, 409, 400), "PUT")
    expect_equal(http1.request(f"{cloud.node_url}/ipns/{name}").body, b"second", "after PUT")
    stranger = f"{cloud.node_url}/routing/v1/ipns/k51qzi5uqu5dljtg5upm7x7ugan9lql3ewyknv4r4mhhkwzn8n7cnbd1unfwgq"
    expect_equal(put(stranger, new), 403, "a name that nobody keeps here")
    cloud.good("content", "unpublish", "--key", "site")
    expect(cloud.cli("content", "unpublish", "--key", "site").code != 0, "nothing is left to unpublish")
    expect(cloud.cli("content", "publish", "nonsense").code != 0, "no content id")
    expect(cloud.cli("content", "publish", cids[0], "--lifetime", "1").code != 0, "too short a life")
