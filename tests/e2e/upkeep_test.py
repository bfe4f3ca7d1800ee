"""What an operator does with content that is kept: pins, garbage, verifying."""

import secrets

import http1
from harness import Cloud, expect, expect_equal


def add(cloud, folder, name="file", size=100):
    file = folder / name
    file.write_bytes(secrets.token_bytes(size))
    return cloud.good("content", "add", file, "--json").json["cid"], file


def is_held(cloud, cid):
    return http1.request(f"{cloud.node_url}/ipfs/{cid}?format=raw").status == 200


def reasons(cloud, cid):
    pins = cloud.good("content", "list", "--json").json["pins"]
    return sorted(pin["reason"] for pin in pins if pin["root"] == cid)


def test_what_nothing_pins_goes_and_the_rest_stays(cloud, folder):
    kept, _ = add(cloud, folder)
    gone, file = add(cloud, folder, "gone", 3_000_000)
    cloud.good("content", "pin", gone, "--pin", "second")
    expect_equal(reasons(cloud, gone), ["second", "user"], "pins")
    expect_equal(cloud.good("content", "unpin", gone, "--pin", "user", "--json").json["removed"], 1, "of one reason")
    cloud.good("content", "gc", "--min-age", "0")
    expect(is_held(cloud, gone), "pinned for another reason")
    cloud.good("content", "unpin", gone)
    expect(cloud.good("content", "gc", "--json").json["blocks"] == 0 and is_held(cloud, gone), "young")
    collected = cloud.good("content", "gc", "--min-age", "0", "--json").json
    expect(collected["blocks"] >= 4 and collected["bytes"] >= 3_000_000, collected)
    expect_equal((is_held(cloud, kept), is_held(cloud, gone)), (True, False), "afterwards")
    for verb in ("pin", "unpin"):
        refused = cloud.cli("content", verb, gone)
        expect(refused.code == 3 and gone in refused.err, str(refused))
    expect_equal(cloud.good("content", "add", file, "--json").json["cid"], gone, "added again")
    expect(is_held(cloud, gone), "added again")


def test_a_byte_that_flipped_is_found_named_and_mended(home, folder):
    with Cloud(home) as cloud:
        cid, file = add(cloud, folder)
        whole = cloud.good("content", "verify", "--json").json
        expect_equal((whole["damaged_blocks"], whole["damaged"]), (0, []), "a sound store")
        content = file.read_bytes()
        segment, = (each for each in home.rglob("blocks/segments/*.car") if content in each.read_bytes())
        offset = segment.read_bytes().index(content)
        with open(segment, "r+b") as damaged:
            damaged.seek(offset + 50)
            damaged.write(bytes([content[50] ^ 1]))
        found = cloud.cli("content", "verify", "--json")
        expect_equal(found.code, 1, str(found))
        expect_equal(found.json["damaged"],
                     [{"cid": cid, "segment": f"segments/{segment.name}", "offset": offset}], str(found))
        said = cloud.cli("content", "verify")
        expect(f"damaged: {cid}  segments/{segment.name} at {offset}" in said.out and "help: " in said.err, str(said))
        expect(http1.request(f"{cloud.node_url}/ipfs/{cid}?format=raw").status >= 500, "damaged content is not served")
        read = cloud.cli("content", "cat", cid)
        expect(read.code != 0 and cid in read.err and not read.out, read)
        expect_equal(cloud.cli("content", "pin", cid).code == 0, False, "nor pinned")
        cloud.good("content", "add", file)
        expect_equal(cloud.good("content", "verify", "--json").json["damaged_blocks"], 0, "brought again")
