"""Functions that reach other machines: by the node's proxy, to the hosts that they and the provider name, and no others."""

import contextlib
import http.server
import json
import pathlib
import re
import shutil
import subprocess

import http1
from ethereum import development_account
from harness import USDC, Cloud, expect, expect_equal, project, run_program
from http_server import send, serving
from oci_test import docker_image
from strangers_test import configure


class Page(http.server.BaseHTTPRequestHandler):
    """Of a server on this machine, outside of every sandbox, that keeps what it is asked."""

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.path, self.headers["Host"]))
        answer = b"from outside: " + self.path.encode() + b" " + body
        send(self, answer)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def outside():
    return serving(Page, asked=[])


@contextlib.contextmanager
def cloud_that_leads_out(home, *, private="true"):
    """A cloud whose provider lets functions reach one server on this machine, and names below example.com."""
    with outside() as server:
        configure(home, "provider", egress=f'["localhost:{server.port}", "*.example.com"]', egress_private=private)
        with Cloud(home) as cloud:
            yield cloud, server


def compiled(folder):
    source = pathlib.Path(__file__).parent / "programs" / "egress.c"
    program = folder / "egress"
    subprocess.run(["clang-19", "-O1", "-static", "-o", str(program), str(source)], check=True)
    return program


def made(folder, name, runtime, hosts, more=""):
    toml = f"egress = {json.dumps(hosts)}\n{more}"
    return project(folder / name, name, runtime, compiled(folder), toml=toml)


def deployed(cloud, folder, name, runtime, hosts, more=""):
    return cloud.good("deploy", made(folder, name, runtime, hosts, more), "--provider", "alice.decloud",
                      "--json").json["cid"]


def ask(cloud, cid, text):
    answer = http1.request(cloud.node(cid), body=text.encode())
    expect_equal(answer.status, 200, answer.text)
    return answer.text


def get_whole(host, path="/plain"):
    return f"proxy\nGET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"


def get_inside(host, path="/tunnel", target=None, version="1.1"):
    field = f"Host: {target or host}\r\n" if version == "1.1" else ""
    return (f"proxy\nCONNECT {target or host} HTTP/{version}\r\n{field}\r\n"
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")


def expect_way_out(cloud, server, cid):
    """To the named host and nowhere else, whatever is tried."""
    host = f"localhost:{server.port}"
    ours = "http://127.0.0.1:3128"
    expect_equal(ask(cloud, cid, "environment"), (ours + "\n") * 4, "variables")
    server.asked.clear()
    expect("from outside: /plain" in ask(cloud, cid, get_whole(host)), "an absolute URL")
    for version in ("1.1", "1.0"):
        through = ask(cloud, cid, get_inside(host, version=version))
        expect("200 Connection Established" in through and "from outside: /tunnel" in through, through)
    expect_equal(server.asked, [("/plain", host)] + [("/tunnel", host)] * 2, "what came outside")
    server.asked.clear()
    for other in (f"127.0.0.1:{server.port}", f"[::1]:{server.port}", f"0x7f.1:{server.port}", "localhost:22",
                  f"{cloud.node_url[7:]}".replace("127.0.0.1", "localhost"), "other.example.com:443", "example.com:443"):
        for request in (get_whole(other), get_inside(host, target=other)):
            refused = ask(cloud, cid, request)
            expect(refused.startswith("HTTP/1.1 403 ") and "the way out: " in refused, f"{other}: {refused}")
    for address in ("127.0.0.1", "169.254.169.254", "10.0.0.1", "192.0.2.1"):
        direct = ask(cloud, cid, f"connect {address} {server.port}")
        expect(direct.startswith("no connection\n"), f"{address}: {direct}")
    expect_equal(server.asked, [], "nothing came outside")


def entries(cloud, name):
    return [json.loads(line) for line in cloud.good("logs", name, "--json").out.splitlines()]


def metric(cloud, name, labels):
    page = http1.request(cloud.console_url + "/metrics").text
    return float(re.search(rf"{name}{{{labels}}} (\S+)", page).group(1))


def test_functions_reach_the_hosts_that_they_and_the_provider_name(home, folder):
    with cloud_that_leads_out(home) as (cloud, server):
        host = f"localhost:{server.port}"
        expect_equal(cloud.well_known()["egress"], [host, "*.example.com"], "public")
        for runtime in ("native", "server"):
            cid = deployed(cloud, folder, runtime, runtime, [host])
            expect_way_out(cloud, server, cid)
        # Each call's record says what went where, a server's calls those of the call.
        for name in ("native", "server"):
            ask(cloud, cloud_cid(cloud, name), get_whole(host, "/counted"))
            found = entries(cloud, name)
            last = found[-1]["egress"]
            expect_equal((last["requests"], last["refused"]), (1, 0), name)
            expect(len(host) < last["sentBytes"] < 200 < 2 * last["receivedBytes"], last)
            expect_equal(sum(each["egress"]["refused"] for each in found), 14, name)
            expect("egress: 1 requests, 0 refused" in cloud.good("logs", name).out, "for people")
            for direction in ("sent", "received"):
                labels = f'direction="{direction}",runtime="{name}"'
                total = sum(each["egress"][f"{direction}Bytes"] for each in found)
                expect_equal(metric(cloud, "decloud_egress_bytes_total", labels), total, labels)
        # Who asks for nothing has no network at all.
        none = deployed(cloud, folder, "alone", "native", [])
        expect_equal(ask(cloud, none, "environment"), "none\n" * 4, "variables of one without a way out")
        expect(ask(cloud, none, f"connect 127.0.0.1 {server.port}").startswith("no socket\n"), "it has a socket")


def cloud_cid(cloud, name):
    return cloud.good("versions", name, "--json").json["versions"][-1]["cid"]


def test_an_image_with_an_ordinary_client_goes_out(home, folder):
    curl = shutil.which("curl")
    libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", curl], check=True, capture_output=True, text=True).stdout)
    layer = {path.lstrip("/"): pathlib.Path(path).read_bytes() for path in [curl, *libraries]}
    with cloud_that_leads_out(home) as (cloud, server):
        host = f"localhost:{server.port}"
        config = {"Entrypoint": [curl, "-sS", "--data-binary", "@-", f"http://{host}/plain",
                                 "--next", "-sS", "--proxytunnel", f"http://{host}/tunnel"]}
        project_folder = folder / "curl"
        project_folder.mkdir()
        (project_folder / "image.tar").write_bytes(docker_image(config, [layer]))
        (project_folder / "decloud.toml").write_text(
            f'name = "curl"\nruntime = "oci"\nentry = "image.tar"\nprice = "0.001"\noutput = "raw"\negress = ["{host}"]\n')
        cid = cloud.good("deploy", project_folder, "--provider", "alice.decloud", "--json").json["cid"]
        answer = ask(cloud, cid, "said by curl")
        expect_equal(answer, "from outside: /plain said by curlfrom outside: /tunnel ", "curl")


def test_a_name_that_leads_to_a_private_address_is_refused(home, folder):
    with cloud_that_leads_out(home, private="false") as (cloud, server):
        host = f"localhost:{server.port}"
        cid = deployed(cloud, folder, "inward", "native", [host])
        for request in (get_whole(host), get_inside(host)):
            refused = ask(cloud, cid, request)
            expect(refused.startswith("HTTP/1.1 403 "), refused)
        expect_equal(server.asked, [], "nothing came outside")


def test_what_the_provider_does_not_allow_is_neither_deployed_nor_run(home, folder):
    with cloud_that_leads_out(home) as (cloud, server):
        for name, runtime, hosts, why in (
                ("beyond", "native", ["api.example.org"], "asks for api.example.org"),
                ("everything", "native", ["*"], "asks for *"),
                ("address", "native", ["10.0.0.1"], "names no host")):
            refused = cloud.cli("deploy", made(folder, name, runtime, hosts), "--provider", "alice.decloud")
            expect(refused.code not in (0, 2) and why in refused.err, str(refused))
            expect("egress" in refused.err, str(refused))
        # Whoever sends it past the command's check is told when it is called.
        stranger = development_account(4)
        cloud.fund(stranger, USDC)
        manifest = {"name": "beyond", "runtime": "native", "entry": "egress", "output": "auto",
                    "limits": {"wallMilliseconds": 3000, "memoryBytes": 64 << 20, "processes": 8,
                               "requestBytes": 65536, "responseBytes": 65536, "tmpBytes": 1 << 20},
                    "egress": ["api.example.org"]}
        cid = cloud.upload(stranger, {"egress": compiled(folder).read_bytes()}, manifest=manifest)
        with cloud.costs(0, stranger.address):
            answer = http1.request(cloud.node(cid))
        expect_equal(answer.status, 502, answer.text)
        expect("asks for api.example.org" in answer.json["detail"], answer.text)


def test_dev_leads_out_to_what_the_function_names(folder):
    with outside() as server:
        made(folder, "tried", "native", [f"localhost:{server.port}"])
        request = folder / "request"
        request.write_text(get_inside(f"localhost:{server.port}"))
        done = run_program("dev", str(folder / "tried"), "--port", "0", "--run",
                           f'curl -fsS --data-binary @{request} "$DECLOUD_URL"')
        expect("from outside: /tunnel" in done.out, str(done))
