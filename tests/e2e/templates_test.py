"""`decloud init --template …`: what a new user gets builds, passes its own test, deploys and answers."""

import pathlib
import shutil
import subprocess
import unittest

import http1
from harness import expect, expect_equal


def need(*programs):
    missing = [each for each in programs if not shutil.which(each)]
    if missing:
        raise unittest.SkipTest(f"{' and '.join(missing)} not found")


def try_template(cloud, folder, kind):
    """Everything that `decloud init` tells a new user to do."""
    name = f"new-{kind}"
    cloud.good("init", name, "--template", kind, cwd=folder)
    project = folder / name
    tested = cloud.good("dev", project, "--port", "0", "--run", "./test", timeout=280)
    expect_equal([line for line in tested.out.splitlines() if line.startswith("ok ")], ["ok greeting", "ok query"],
                 str(tested))
    expect('asked for "me"' in tested.err.replace("'", '"'), str(tested))
    cid = cloud.good("deploy", project, "--provider", "alice.decloud", "--json", timeout=280).json["cid"]
    answer = http1.request(cloud.gateway(cid, "?you"))
    expect_equal((answer.status, answer.text), (200, "hello from you\n"))
    return project


def start_of(file):
    return pathlib.Path(file).read_bytes()[:4]


def test_c(cloud, folder):
    try_template(cloud, folder, "c")


def test_cpp(cloud, folder):
    try_template(cloud, folder, "cpp")


def test_rust(cloud, folder):
    need("cargo", "rustc")
    try_template(cloud, folder, "rust")


def test_go(cloud, folder):
    need("go")
    project = try_template(cloud, folder, "go")
    targets = subprocess.run(["go", "tool", "dist", "list"], capture_output=True, text=True, check=True).stdout
    wanted = b"\0asm" if "wasip1/wasm" in targets else b"\x7fELF"
    expect_equal(start_of(project / "build" / "new-go"), wanted)


def test_python(cloud, folder):
    try_template(cloud, folder, "python")


def test_js(cloud, folder):
    try_template(cloud, folder, "js")


def test_typescript(cloud, folder):
    try_template(cloud, folder, "typescript")


def test_image(cloud, folder):
    project = try_template(cloud, folder, "image")
    image = project / "build" / "new-image.tar"
    first = image.read_bytes()
    subprocess.run(["sh", "build.sh"], cwd=project, check=True)
    expect(image.read_bytes() == first, "the same files gave another image")


def test_what_there_is_not(cloud, folder):
    unknown = cloud.cli("init", "new", "--template", "cobol", cwd=folder)
    expect_equal(unknown.code, 64, str(unknown))
    expect("typescript" in unknown.err, str(unknown))
    cloud.good("init", "new", cwd=folder)
    again = cloud.cli("init", "new", cwd=folder)
    expect(again.code != 0 and "not empty" in again.err, str(again))
