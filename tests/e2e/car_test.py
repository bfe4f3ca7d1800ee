"""CAR files of both versions, written, inspected and taken."""

import pathlib

from harness import expect, expect_equal

FIXTURES = pathlib.Path(__file__).parents[1] / "vectors" / "car"


def test_a_tree_goes_out_as_carv2_with_its_index_and_comes_back(cloud, folder):
    tree = folder / "tree"
    tree.mkdir()
    for number in range(40):
        (tree / f"{number}.txt").write_text(f"number {number % 30}\n" * 100)
    cid = cloud.good("content", "add", tree).out.strip()
    car = folder / "tree.car"
    cloud.good("content", "export", cid, "--car-version", "2", "-o", car)
    found = cloud.good("--json", "content", "inspect", car).json
    expect_equal((found["version"], found["roots"], found["index"], found["missing_roots"]), (2, [cid], "right", 0), car)
    expect_equal((found["blocks"], found["bytes"]), (31, car.stat().st_size), "blocks that are the same are sent once")
    cloud.good("content", "export", cid, "-o", folder / "v1.car")
    expect((folder / "v1.car").read_bytes() in car.read_bytes(), "CARv2 is CARv1 within")
    expect_equal(cloud.good("content", "import", car).out.strip(), cid, "root")
    refused = cloud.cli("content", "export", cid, "--car-version", "2")
    expect(refused.code == 64 and "-o FILE" in refused.err and not refused.out, refused)


def test_what_go_car_wrote_is_taken(cloud):
    root = cloud.good("content", "import", FIXTURES / "sample-unixfs-v2.car").out.strip()
    expect_equal(cloud.good("content", "cat", root + "/a/b.txt").out, "hello world\n", "the file in it")
    for name, index in (("sample-unixfs-v2", "right"), ("sample-rw-bs-v2", "right"),
                        ("carv2-basic", "of an unknown format"), ("carv1-basic", "none")):
        expect_equal(cloud.good("--json", "content", "inspect", FIXTURES / f"{name}.car").json["index"], index, name)


def test_a_damaged_file_is_refused_with_the_reason(cloud, folder):
    good = (FIXTURES / "sample-unixfs-v2.car").read_bytes()
    damaged = folder / "damaged.car"
    for at, code, said in ((0x19a, 1, "index: wrong"), (0x95, 1, "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4 are not its own")):
        damaged.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        done = cloud.cli("content", "inspect", damaged)
        expect(done.code == code and said in done.out + done.err, done)
    damaged.write_bytes(good[:300])
    done = cloud.cli("content", "import", damaged)
    expect(done.code != 0 and "section" in done.err, done)
    done = cloud.cli("content", "inspect", folder / "nothing.car")
    expect(done.code != 0 and "nothing.car" in done.err, done)


def test_a_file_is_read_from_the_node(cloud, folder):
    large = folder / "large"
    large.write_text("".join(f"line {number}\n" for number in range(400_000)))
    cid = cloud.good("content", "add", large).out.strip()
    expect(cloud.good("content", "cat", cid).out == large.read_text(), "it differs")
    done = cloud.cli("content", "cat", cloud.good("content", "add", folder).out.strip())
    expect(done.code != 0 and "not a file" in done.err and "content ls" in done.err and not done.out, done)
