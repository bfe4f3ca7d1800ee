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
