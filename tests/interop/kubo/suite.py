"""Content between decloud and Kubo, both ways."""

import contextlib
import json
import pathlib
import secrets
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "e2e"))

import http1  # noqa: E402
import trees  # noqa: E402
from harness import expect, expect_equal, interop_cloud  # noqa: E402
from kubo import Kubo  # noqa: E402
from suites import run_tests  # noqa: E402

TREES = 200
PROFILES = ("unixfs-v1-2025", "unixfs-v0-2015")
# Trees whose CAR files are exchanged: among them one with a sharded folder.
EXCHANGED = (2, 5, 7)


class ContentTool:
    """decloud's importer and exporter without a node, a line for each thing done."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, *words):
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        status, _, text = self.process.stdout.readline().strip().partition("\t")
        expect(status == "ok", f"{words[0]}: {text}")
        return text

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


class Suite:
    def __init__(self, program, tool, folder, stack):
        self.program, self.folder = program, folder
        self.tool = ContentTool(tool)
        stack.callback(self.tool.stop)
        self.trees = folder / "trees"
        self.trees.mkdir()
        for number in range(TREES):
            trees.make(number, self.trees / f"tree-{number}")
        self.offline = {profile: Kubo(program, folder / profile, profile) for profile in PROFILES}
        self.cids = {}
        self.cloud = stack.enter_context(interop_cloud())
        self.kubo = Kubo(program, folder / "online", config=(
            ("Routing.Type", "autoclient"), ("Routing.DelegatedRouters", [self.cloud.node_url])))
        stack.callback(self.kubo.stop)
        self.kubo.start()

    def check_cids(self, profile):
        kubo = self.offline[profile]
        names = [f"tree-{number}" for number in range(TREES)]
        printed = kubo.text("add", "-r", "--only-hash", "--progress=false", *names, cwd=self.trees, timeout=300)
        theirs = dict(line.split(" ", 2)[:0:-1] for line in printed.splitlines())
        for name in names:
            ours = self.tool.run("import", profile, self.trees / name, self.folder / "scratch.car")
            expect_equal(ours, theirs[name], name)
            self.cids[profile, name] = ours

    def test_the_same_cids_in_unixfs_v1_2025(self):
        self.check_cids("unixfs-v1-2025")

    def test_the_same_cids_in_unixfs_v0_2015(self):
        self.check_cids("unixfs-v0-2015")

    def test_kubo_imports_cars_of_decloud(self):
        for profile in PROFILES:
            kubo, cars = self.offline[profile], []
            for number in EXCHANGED:
                cars.append(self.folder / f"{profile}-{number}.car")
                cid = self.tool.run("import", profile, self.trees / f"tree-{number}", cars[-1])
                expect_equal(cid, self.cids[profile, f"tree-{number}"], "again")
            kubo.run("dag", "import", "--pin-roots", *cars)
            for number in EXCHANGED:
                name, out = f"tree-{number}", self.folder / f"{profile}-{number}"
                kubo.run("get", self.cids[profile, name], "-o", out)
                expect(trees.read(out) == trees.read(self.trees / name), f"{name} in {profile} differs")

    def test_kubo_imports_a_carv2_file_of_decloud(self):
        name, car, out = "tree-7", self.folder / "v2.car", self.folder / "v2-out"
        cid = self.cloud.good("content", "add", self.trees / name).out.strip()
        self.cloud.good("content", "export", cid, "--car-version", "2", "-o", car)
        kubo = self.offline[PROFILES[0]]
        kubo.run("dag", "import", "--pin-roots", car)
        kubo.run("get", cid, "-o", out)
        expect(trees.read(out) == trees.read(self.trees / name), f"{name} differs")

    def test_decloud_imports_cars_of_kubo(self):
        for profile in PROFILES:
            kubo = self.offline[profile]
            for number in EXCHANGED:
                name, car = f"tree-{number}", self.folder / "kubo.car"
                out = self.folder / f"back-{profile}-{number}"
                cid = kubo.text("add", "-r", "-Q", name, cwd=self.trees)
                car.write_bytes(kubo.run("dag", "export", "--progress=false", cid))
                expect_equal(self.tool.run("export", car, out), cid, name)
                expect(trees.read(out) == trees.read(self.trees / name), f"{name} in {profile} differs")

    def test_a_node_keeps_a_car_of_kubo(self):
        name, car = "tree-7", self.folder / "kubo.car"
        cid = self.kubo.text("add", "-r", "-Q", name, cwd=self.trees)
        car.write_bytes(self.kubo.run("dag", "export", "--progress=false", cid))
        expect_equal(self.cloud.good("content", "import", car).out.strip(), cid, "root")
        self.cloud.good("content", "get", cid, "-o", self.folder / "kept")
        expect(trees.read(self.folder / "kept") == trees.read(self.trees / name), "it differs")

    def test_decloud_fetches_what_only_kubo_has(self):
        tree = self.folder / "only-kubo"
        tree.mkdir()
        for number in range(3):
            (tree / f"{number}.bin").write_bytes(secrets.token_bytes(1_500_000))
        cid = self.kubo.text("add", "-r", "-Q", tree)
        refused = self.cloud.cli("content", "get", cid, "-o", self.folder / "none")
        expect(refused.code != 0, "decloud's node has it already")
        self.cloud.good("content", "get", cid, "-o", self.folder / "fetched", "--source", self.kubo.gateway)
        expect(trees.read(self.folder / "fetched") == trees.read(tree), "it differs")

    def test_kubo_cats_what_only_decloud_has(self):
        tree = self.folder / "only-decloud"
        (tree / "sub").mkdir(parents=True)
        (tree / "sub" / "large.bin").write_bytes(secrets.token_bytes(3_000_000))
        cid = self.cloud.good("content", "add", tree).out.strip()
        expect_equal(self.kubo.run("cat", f"/ipfs/{cid}/sub/large.bin"), (tree / "sub" / "large.bin").read_bytes(), "cat")
        asked = http1.request(f"{self.cloud.node_url}/routing/v1/providers/{cid}")
        expect_equal(self.kubo.text("routing", "findprovs", cid), asked.json["Providers"][0]["ID"], "its provider")

    def test_kubo_resolves_a_name_that_only_decloud_keeps(self):
        cid = self.cloud.good("content", "add", self.trees / "tree-1").out.strip()
        with contextlib.ExitStack() as stack:
            maker = Kubo(self.program, self.folder / "maker", config=(("Routing.Type", "dhtserver"),))
            stack.callback(maker.stop)
            maker.start()
            name, record = maker.text("key", "gen", "site"), self.folder / "site.ipns-record"
            maker.run("name", "publish", "--key=site", "--allow-offline", "--resolve=false", f"/ipfs/{cid}")
            record.write_bytes(maker.run("name", "get", name))
        self.cloud.good("content", "record", name, record)
        expect_equal(self.kubo.text("name", "resolve", f"/ipns/{name}"), f"/ipfs/{cid}", "the name")

    def test_kubo_resolves_and_verifies_a_name_that_decloud_publishes(self):
        for number in (2, 3):
            cid = self.cloud.good("content", "add", self.trees / f"tree-{number}").out.strip()
            published = self.cloud.good("content", "publish", cid, "--key", "interop", "--ttl", "0", "--json").json
            name = published["name"]
            record = http1.request(f"{self.cloud.node_url}/routing/v1/ipns/{name}",
                                   headers={"Accept": "application/vnd.ipfs.ipns-record"}).body
            told = json.loads(self.kubo.text("name", "inspect", "--verify", name, "--enc=json", input=record))
            expect(told["Validation"]["Valid"], told)
            expect_equal((told["Entry"]["Value"], told["Entry"]["Sequence"]), (f"/ipfs/{cid}", number - 2), told)
            expect_equal(self.kubo.text("name", "resolve", "--nocache", f"/ipns/{name}"), f"/ipfs/{cid}", "the name")


def main():
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="decloud-kubo-", ignore_cleanup_errors=True)))
        start = time.monotonic()
        suite = Suite(sys.argv[1], sys.argv[2], folder, stack)
        print(f"# set up in {time.monotonic() - start:.1f} s", flush=True)
        return run_tests(suite)


if __name__ == "__main__":
    sys.exit(main())
