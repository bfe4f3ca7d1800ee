"""The gateway beside nginx, HAProxy and nghttpx in front of the same upstream: a part of bench/run.

Proxies are on core 0, each with one thread or process; the upstream and the client on core 1.
"""

import contextlib
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

CID = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
SMALL, LARGE = f"/p/edge/{CID}/small", f"/p/edge/{CID}/large"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def processes_of(pid):
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += processes_of(int(child))
    return found


def processor_seconds(pid):
    total = 0
    for process in processes_of(pid):
        total += sum(map(int, pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def on_core(core, port, *words):
    """A server until it is left, once it listens."""
    process = subprocess.Popen(["taskset", "-c", str(core), *map(str, words)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{words[0]} does not listen")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def nginx(core, folder, port, servers):
    """nginx in the foreground with those `http` lines, one worker."""
    folder.mkdir()
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
        "user root; events { worker_connections 4096; }\n"
        "http { access_log off; keepalive_requests 1000000000; sendfile on; default_type application/octet-stream;\n"
        f"{servers}\n}}\n")
    return on_core(core, port, "nginx", "-p", folder, "-c", folder / "nginx.conf")


def upstream(folder, port):
    (folder / "files").mkdir()
    (folder / "files" / "large").write_bytes(os.urandom(1 << 20))
    return nginx(1, folder / "upstream", port,
                 f"server {{ listen 127.0.0.1:{port} reuseport; location ~ /large$ {{ alias {folder}/files/large; }}\n"
                 "location / { return 200 'hello\\n'; } }")


def nginx_proxy(folder, port, behind):
    return nginx(0, folder / "proxy", port,
                 f"upstream behind {{ server 127.0.0.1:{behind}; keepalive 256; keepalive_requests 1000000000; }}\n"
                 f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://behind; proxy_http_version 1.1;\n"
                 "proxy_set_header Connection ''; proxy_set_header Host $host; } }")


def haproxy(folder, port, behind):
    settings = folder / "haproxy.cfg"
    settings.write_text(
        "global\n nbthread 1\n maxconn 4096\ndefaults\n mode http\n http-reuse always\n timeout client 30s\n"
        f" timeout server 30s\n timeout connect 5s\nfrontend front\n bind 127.0.0.1:{port}\n default_backend behind\n"
        f"backend behind\n server one 127.0.0.1:{behind}\n")
    return on_core(0, port, "haproxy", "-db", "-f", settings)


def nghttpx(folder, port, behind):
    settings = folder / "nghttpx.conf"
    settings.write_text("")
    return on_core(0, port, "nghttpx", f"--conf={settings}", "--workers=1", f"--frontend=127.0.0.1,{port};no-tls",
                   f"--backend=127.0.0.1,{behind}", "--log-level=ERROR", "--accesslog-file=/dev/null",
                   "--errorlog-file=/dev/null", "--backend-keep-alive-timeout=30s")


@contextlib.contextmanager
def ours(folder, behind):
    """(port, pid) of a gateway that finds the upstream in the registry as the provider `edge`."""
    import edge as clouds
    from harness import interop_cloud

    with interop_cloud() as cloud:
        clouds.register(cloud, folder, "edge", f"http://127.0.0.1:{behind}")
        with clouds.Gateway(cloud, folder / "gateway") as gateway:
            subprocess.run(["taskset", "-acp", "0", str(gateway.process.pid)], check=True, stdout=subprocess.DEVNULL)
            yield gateway.port, gateway.process.pid


def wrk(port, path, seconds):
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{seconds}s", f"http://127.0.0.1:{port}{path}"],
                         capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out:
        raise RuntimeError(out)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), int(re.search(r"(\d+) requests in", out).group(1))


def h2load(port, path, seconds):
    out = subprocess.run(["taskset", "-c", "1", "h2load", "-c16", "-m32", "-t1", f"-D{seconds}", "-p", "h2c",
                          f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True).stdout
    done, succeeded = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded", out).groups()
    if done != succeeded:
        raise RuntimeError(out)
    return float(re.search(r"([\d.]+) req/s", out).group(1)), int(succeeded)


def proxies(work, measure):
    """Interleaved rounds of all proxies: rates, and the processor time of a request."""
    subprocess.run([ROOT / "tools/install", "--bench"], check=True)
    folder = work / "proxies"
    folder.mkdir()
    ports = {name: free_port() for name in ("upstream", "nginx", "HAProxy", "nghttpx")}
    cases = (("small responses", wrk, SMALL, {"nginx": 0.9, "HAProxy": 1.0}), ("1 MiB responses", wrk, LARGE, {"HAProxy": 0.9}),
             ("HTTP/2", h2load, SMALL, {"nghttpx": 0.9}))
    with contextlib.ExitStack() as stack:
        stack.enter_context(upstream(folder, ports["upstream"]))
        pids = {name: stack.enter_context(start(folder, ports[name], ports["upstream"]))
                for name, start in (("nginx", nginx_proxy), ("HAProxy", haproxy), ("nghttpx", nghttpx))}
        ports["decloud"], pids["decloud"] = stack.enter_context(ours(folder, ports["upstream"]))
        for title, load, path, goals in cases:
            rates, costs = {}, {}
            for _ in range(measure.rounds):
                for name in ("decloud", *goals):
                    before = processor_seconds(pids[name])
                    rate, requests = load(ports[name], path, measure.seconds)
                    rates.setdefault(name, []).append(rate)
                    costs.setdefault(name, []).append((processor_seconds(pids[name]) - before) * 1e6 / requests)
            for name, goal in goals.items():
                rate = [statistics.median(rates[each]) for each in ("decloud", name)]
                cost = [statistics.median(costs[each]) for each in ("decloud", name)]
                measure.report(f"gateway, {title} / {name}", measure.ratio(rates["decloud"], rates[name]), goal,
                               said=f"{rate[0]:,.0f} and {rate[1]:,.0f} req/s; {cost[0]:.1f} and {cost[1]:.1f} µs of "
                                    "processor time a request")
