"""Kubo as the engine of a node's public content, and the store's own tests with it."""

import contextlib
import os
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "e2e"))

import http1  # noqa: E402
from harness import PROGRAM, Cloud, expect, expect_equal, interop_home, probe, project, run_program, wait_for  # noqa: E402
from kubo import Kubo  # noqa: E402
from suites import run_tests  # noqa: E402

SECRET = secrets.token_hex(16)


def configure(home, **settings):
    file = home / "config" / "config.toml"
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    file.write_text(file.read_text().split("\n[content]\n")[0] + f"\n[content]\n{lines}")


class Suite:
    def __init__(self, program, unit_tests, folder, stack):
        self.program, self.unit_tests, self.folder = program, unit_tests, folder
        # A socket of its own, so that the node finds it again when it is started again.
        socket = folder / "api.sock"
        self.kubo = Kubo(program, folder / "kubo", config=(
            ("Addresses.API", f"/unix{socket}"), ("Routing.Type", "dhtserver"), ("Provide.Strategy", "mfs"),
            ("API.Authorizations", {"node": {"AuthSecret": f"bearer:{SECRET}", "AllowedPaths": ["/api/v0"]}})))
        self.kubo.authorization = f"bearer:{SECRET}"
        stack.callback(self.kubo.stop)
        self.kubo.start()
        # Another one in the same network.
        self.peer = Kubo(program, folder / "peer", config=(("Routing.Type", "dhtserver"),))
        stack.callback(self.peer.stop)
        self.peer.start()
        self.kubo.run("swarm", "connect", self.peer.text("id", "-f", "<addrs>").split()[0])
        home = interop_home()
        (folder / "secret").write_text(f"bearer:{SECRET}\n")
        configure(home, engine='"kubo"', kubo_api=f'"unix:{socket}"', kubo_secret_file=f'"{folder / "secret"}"')
        self.cloud = stack.enter_context(Cloud(home))

    def add(self, name, size=100):
        file = self.folder / name
        file.write_bytes(secrets.token_bytes(size))
        return self.cloud.good("content", "add", file).out.strip(), file

    def deploy(self, name, *options):
        # A program like no other, as what is public once stays so.
        program = self.folder / f"{name}-program"
        program.write_bytes(probe().read_bytes() + secrets.token_bytes(16))
        program.chmod(0o755)
        made = project(self.folder / name, name, program=program)
        deployed = self.cloud.good("deploy", made, "--provider", "alice.decloud", "--json", *options).json
        pins = self.cloud.good("content", "list", "--json").json["pins"]
        return deployed["cid"], {pin["root"] for pin in pins if pin["reason"] == f"deployment:{deployed['cid']}"}

    def call(self, cid):
        return http1.request(self.cloud.node(cid), body=b"hello")

    def has(self, cid):
        return self.kubo.succeeds("block", "stat", "--offline", cid)

    def providers(self, cid):
        return self.peer.text("routing", "findprovs", cid).split()

    def pins(self):
        return set(self.kubo.text("pin", "ls", "--type=recursive", "--quiet").split())

    def test_the_stores_own_tests(self):
        with contextlib.ExitStack() as stack:
            kubo = Kubo(self.program, self.folder / "units")
            stack.callback(kubo.stop)
            kubo.start()
            done = subprocess.run([self.unit_tests, "--gtest_filter=*Engine*:*Suite*"], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=300, check=False,
                                  env=os.environ | {"DECLOUD_KUBO_API": kubo.api})
        expect(done.returncode == 0 and "StoreSuite.KeepsBlocksAcrossReopening/kubo" in done.stdout,
               f"{done.stdout[-6000:]}{done.stderr[-2000:]}")

    def test_what_is_added_at_the_node_is_in_kubo_and_pinned_there(self):
        cid, file = self.add("added", 3_000_000)
        expect_equal(self.kubo.run("cat", "--offline", cid), file.read_bytes(), "ipfs cat")
        expect(cid in self.pins(), "its pin in Kubo")
        expect_equal(http1.request(f"{self.cloud.node_url}/ipfs/{cid}").body, file.read_bytes(), "/ipfs")
        self.cloud.good("content", "get", cid, "-o", self.folder / "got")
        expect_equal((self.folder / "got").read_bytes(), file.read_bytes(), "content get")
        expect_equal(self.cloud.good("content", "verify", "--json").json["damaged_blocks"], 0, "verified")

    def test_the_documented_commands_run(self):
        page = (HERE.parents[2] / "docs" / "content.md").read_text()
        commands, = re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        tools = self.folder / "tools"
        tools.mkdir()
        (tools / "decloud").symlink_to(PROGRAM)
        ipfs = tools / "ipfs"
        ipfs.write_text(f'#!/bin/sh\nexec {self.program} --api-auth={self.kubo.authorization} "$@"\n')
        ipfs.chmod(0o755)
        environment = self.cloud.environment | self.kubo.environment | {
            "DECLOUD_HOME": str(self.cloud.home), "PATH": f"{tools}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=tools, env=environment, timeout=120,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        expect(done.returncode == 0 and "hello" in done.stdout and "decloud" in done.stdout, str(done))
        expect(done.stdout.split()[1] not in self.pins(), "unpinned")

    def test_a_public_deployment_is_in_kubo_and_runs(self):
        cid, roots = self.deploy("open", "--public")
        expect_equal(self.call(cid).status, 200, "a call")
        expect(roots <= self.pins(), f"{roots} in {self.pins()}")

    def test_a_private_deployment_runs_and_is_not_in_kubo(self):
        cid, roots = self.deploy("closed")
        expect_equal(self.call(cid).status, 200, "a call")
        expect_equal(len(roots), 2, "spec and program")
        for root in roots:
            expect(not self.has(root), f"{root} is in Kubo")
            expect_equal(http1.request(f"{self.cloud.node_url}/ipfs/{root}?format=raw").status, 404, "/ipfs")

    def test_the_network_is_told_of_what_is_public_and_of_nothing_else(self):
        us = self.kubo.text("id", "-f", "<id>")
        cid, _ = self.add("announced")
        wait_for("it is found", lambda: us in self.providers(cid), 60)
        untold = self.kubo.text("add", "-Q", "--fast-provide-root=false", input=secrets.token_bytes(100))
        _, private = self.deploy("unannounced")
        later, _ = self.add("announced-later")
        wait_for("a later one is found", lambda: us in self.providers(later), 60)
        for root in {untold, *private}:
            expect(us not in self.providers(root), f"the network was told of {root}")

    def test_unpinned_content_is_kubos_to_collect(self):
        cid, _ = self.add("dropped")
        self.cloud.good("content", "unpin", cid)
        expect(cid not in self.pins(), "its pin in Kubo")
        self.cloud.good("content", "gc", "--min-age", "0")
        expect_equal(http1.request(f"{self.cloud.node_url}/ipfs/{cid}?format=raw").status, 404, "forgotten")
        self.kubo.run("repo", "gc")
        expect(not self.has(cid), "still in Kubo")

    def test_what_kubo_lost_is_named(self):
        cid, file = self.add("lost")
        self.kubo.run("pin", "rm", cid)
        self.kubo.run("block", "rm", cid)
        found = self.cloud.cli("content", "verify", "--json")
        expect_equal((found.code, found.json["damaged"]), (1, [{"cid": cid}]), str(found))
        said = self.cloud.cli("content", "verify")
        expect(f"damaged: {cid}  in Kubo" in said.out, str(said))
        expect_equal(self.cloud.good("content", "add", file).out.strip(), cid, "added again")
        expect_equal(self.cloud.good("content", "verify", "--json").json["damaged_blocks"], 0, "mended")
        expect(cid in self.pins(), "its pin in Kubo")

    def test_without_kubo_nothing_is_acknowledged_and_it_goes_on_when_kubo_does(self):
        kept, kept_file = self.add("kept")
        private, _ = self.deploy("on-this-disk")
        dropped, _ = self.add("dropped-meanwhile")
        self.kubo.kill()
        # Kubo does not listen where a killed one did.
        (self.folder / "api.sock").unlink()
        (self.folder / "refused").write_bytes(secrets.token_bytes(100))
        refused = self.cloud.cli("content", "add", self.folder / "refused")
        expect(refused.code != 0 and "ipfs daemon" in refused.err and "kubo_api" in refused.err, str(refused))
        expect_equal(http1.request(f"{self.cloud.node_url}/ipfs/{kept}").status, 503, "/ipfs")
        expect_equal(self.call(private).status, 200, "a private deployment")
        self.cloud.good("content", "unpin", dropped)
        self.kubo.start()
        wait_for("Kubo is found again", lambda: self.cloud.cli("content", "add", self.folder / "refused").code == 0)
        expect_equal(http1.request(f"{self.cloud.node_url}/ipfs/{kept}").body, kept_file.read_bytes(), "/ipfs")
        wait_for("the pin ends", lambda: dropped not in self.pins(), 60)
        expect(kept in self.pins(), "its pin in Kubo")

    def test_a_node_whose_secret_is_wrong_says_so_and_does_not_start(self):
        (self.folder / "secret").write_text("bearer:wrong\n")
        self.cloud.stop()
        refused = run_program("up", "--once", "--home", self.cloud.home, timeout=60)
        expect(refused.code != 0 and SECRET not in refused.err, str(refused))
        log = (self.cloud.home / "state" / "logs" / "provider.log").read_text()
        expect("kubo_secret_file" in log and "wrong" not in log and SECRET not in log, log[-2000:])


def main():
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix="decloud-engine-", ignore_cleanup_errors=True)))
        return run_tests(Suite(sys.argv[1], sys.argv[2], folder, stack))


if __name__ == "__main__":
    sys.exit(main())
