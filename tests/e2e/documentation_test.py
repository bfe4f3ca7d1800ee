"""Every command in a fenced `sh` block of README.md and docs/ runs, in order, in one shell per page."""

import re
import subprocess

import http1
from harness import BUILD, ROOT, Failure, expect

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
