"""Every command in a fenced `sh` block of README.md and docs/ runs, in order, in one shell per page."""

import re
import subprocess
import types

import http1
from edge import sections
from harness import (BUILD, ROOT, Failure, clean_environment, ends_with_parent, expect, expect_equal, probe, wait_for)
from tunnel_test import OWNER, Tunnelled, fund

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return [text for kind, text in FENCE.findall(page.read_text()) if kind == "sh"]


def pages():
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def run_page(cloud, folder, page):
    """The page's commands in a copy of the tree's examples, with this cloud's home and the program in PATH."""
    work = folder / page.stem
    work.mkdir()
    for name in ("examples", "build"):
        (work / name).symlink_to(ROOT / name if name == "examples" else BUILD)
    environment = cloud.environment | {
        "DECLOUD_HOME": str(cloud.home), "GATEWAY": cloud.gateway_url, "PROVIDER": cloud.node_url,
        "PATH": f"{BUILD}:{cloud.environment['PATH']}"}
    for text in blocks(page):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=work, env=environment, timeout=120,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise Failure(f"{page.name}: exit {done.returncode} of\n{text}\n{done.stdout.decode(errors='replace')}")


def test_the_commands_of_the_documentation_run(cloud, folder):
    found = [page for page in pages() if blocks(page)]
    expect(found, "no sh block in README.md or docs/")
    expect(http1.request(cloud.node_url + "/healthz").status == 200, "the cloud")
    for page in found:
        run_page(cloud, folder, page)


def fund_all_in(cloud, text):
    """Gas for every address that a command has printed; the first."""
    found = re.findall(r"0x[0-9a-fA-F]{40}\b", text)
    expect(found, f"no address in: {text}")
    for address in found:
        cloud.chain.rpc("anvil_setBalance", address, hex(10**19))
    return found[0]


def test_three_commands_sell_compute(cloud, folder):
    page = (ROOT / "docs/provider.md").read_text()
    commands = next(text for kind, text in FENCE.findall(page) if kind == "bash").splitlines()
    expect_equal(len(commands), 3, commands)
    port = http1.address_of(cloud.gateway_url)[1]
    commands = [line.replace("https://carol.gateway.example", f"http://carol.localhost:{port}")
                .replace("https://gateway.example", cloud.gateway_url) for line in commands]
    home = folder / "carol"
    (home / "config").mkdir(parents=True)
    (home / "config/config.toml").write_text(
        sections(cloud, "provider") + f'\n[provider]\nlisten = "unix:{home}/public"\nconsole = "unix:{home}/console"\n')
    environment = clean_environment(DECLOUD_HOME=str(home))
    environment["PATH"] = f"{BUILD}:{environment['PATH']}"

    def run(line):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], env=environment, timeout=120,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        expect_equal(done.returncode, 0, f"{line}: {done.stdout}")
        return done.stdout

    account = fund_all_in(cloud, run(commands[0]))
    fund_all_in(cloud, run(commands[1]))
    with open(home / "log", "wb") as log, subprocess.Popen(
            commands[2].split(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            preexec_fn=ends_with_parent) as process:
        carol = types.SimpleNamespace(name="carol.decloud", home=home, account=types.SimpleNamespace(address=account))

        def is_reached():
            expect(process.poll() is None, lambda: (home / "log").read_text())
            return http1.request(f"http://carol.localhost:{port}/readyz").status == 200

        wait_for("carol to be reached by her name", is_reached, 60)
        fund(cloud, carol)
        through = Tunnelled.as_seen_by(carol, cloud, cloud.gateway_url)
        cid = through.upload(OWNER, {"program.wasm": probe("wasm").read_bytes()})
        answer = http1.request(f"http://carol.localhost:{port}/{cid}?echo=1", "POST", (), b"sold")
        expect(answer.status == 200 and answer.body == b"sold", f"{answer.status} {answer.text}")
        process.terminate()
        expect_equal(process.wait(40), 0, "the provider's exit code")
