"""A provider behind a router that translates addresses sells calls through a gateway on the other side, whose address is a
public one, as documentation's own are not dialled."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import unittest

import http1
from edge import Gateway
from harness import ends_with_parent, expect, expect_equal, in_threads, probe, wait_for
from tunnel_test import OWNER, Tunnelled, fund

HERE = pathlib.Path(__file__).resolve().parent
GATEWAY = "11.22.33.2"


def ready(stack, *words):
    """Starts what says that it is ready."""
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, preexec_fn=ends_with_parent)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    if process.stdout.readline() != b"ready\n":
        raise unittest.SkipTest("a network namespace cannot be made here")
    return process


class Network:
    """inside (192.168.77.2) - router - outside (11.22.33.2): the router masquerades, and outside knows no way in."""

    def __init__(self, stack):
        self.pids = {name: ready(stack, "unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep 900").pid
                     for name in ("inside", "router", "outside")}
        ip = self.ip
        ip("inside", "link", "add", "out", "type", "veth", "peer", "name", "in", "netns", self.pids["router"])
        ip("outside", "link", "add", "in", "type", "veth", "peer", "name", "out", "netns", self.pids["router"])
        for where, link, address in (("inside", "out", "192.168.77.2/24"), ("router", "in", "192.168.77.1/24"),
                                     ("router", "out", "11.22.33.1/24"), ("outside", "in", f"{GATEWAY}/24")):
            ip(where, "address", "add", address, "dev", link)
            ip(where, "link", "set", link, "up")
        ip("inside", "route", "add", "default", "via", "192.168.77.1")
        self.run("router", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.run("router", "iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "out", "-j", "MASQUERADE")

    def within(self, name):
        return ["nsenter", f"--net=/proc/{self.pids[name]}/ns/net"]

    def run(self, name, *words):
        done = subprocess.run([*self.within(name), *words], capture_output=True, text=True)
        expect_equal(done.returncode, 0, f"{words}: {done.stderr}")
        return done.stdout

    def ip(self, name, *words):
        return self.run(name, "ip", *map(str, words))


class GatewayOutside(Gateway):
    """Reached by this test over a relay, as it is in a network of its own."""

    def __init__(self, cloud, home, port, prefix):
        super().__init__(cloud, home, more=f'domain = "{GATEWAY}"\n', listen=f"0.0.0.0:{port}")
        self.prefix = prefix


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_provider_behind_nat_is_called_and_paid(cloud, folder):
    if os.geteuid() != 0:
        raise unittest.SkipTest("a network namespace cannot be made here")
    chain, port = http1.address_of(cloud.info["chain"]["rpc"])[1], free_port()
    relay = (sys.executable, HERE / "relay.py")
    with contextlib.ExitStack() as stack:
        network = Network(stack)
        inside, outside = network.within("inside"), network.within("outside")
        # The chain is on this machine's loopback; the gateway is shown there.
        ready(stack, *relay, "outside", folder, chain)
        ready(stack, *inside, *relay, "inside", folder, chain)
        ready(stack, *outside, *relay, "inside", folder, chain)
        ready(stack, *outside, *relay, "outside", folder, port)
        ready(stack, *relay, "inside", folder, port)
        stack.enter_context(GatewayOutside(cloud, folder / "gateway", port, outside))
        url = f"http://127.0.0.1:{port}"
        nora = Tunnelled(cloud, folder, "nora", [f"http://{GATEWAY}:{port}"], inside)
        wait_for("nora to be reached", lambda: nora.is_reached(url), 60)
        peers = {line.split()[3].rsplit(":", 1)[0].removeprefix("[::ffff:").rstrip("]") for line in network.run(
            "outside", "ss", "-Htn", "state", "established", f"( sport = :{port} )").splitlines()}
        expect("11.22.33.1" in peers and not any(peer.startswith("192.168") for peer in peers), peers)
        unreachable = subprocess.run([*outside, "ip", "route", "get", "192.168.77.2"], capture_output=True)
        expect(unreachable.returncode != 0, "there is a way to the provider")
        fund(cloud, nora)
        cid = nora.as_seen_by(cloud, url).upload(OWNER, {"program.wasm": probe("wasm").read_bytes()})
        body = os.urandom(200_000)
        for answer in in_threads(4, lambda _: http1.request(f"{url}/p/{nora.name}/{cid}?echo=1", "POST", (), body)):
            expect(answer.status == 200 and answer.body == body, f"{answer.status} {answer.text[:300]}")
        expect(answer.receipt or answer.header("X-Decloud-Receipt"), "a paid call has a receipt")
        nora.stop()
