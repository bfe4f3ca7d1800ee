"""Runs a program with a CGI interface as decloud does, and says what it answered. For the examples' tests."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

EXAMPLES = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    exit_code: int


def parse(output: bytes, exit_code: int) -> Answer:
    """A header block is optional: without one the output is the body."""
    for end in (b"\r\n\r\n", b"\n\n"):
        head, found, body = output.partition(end)
        lines = head.decode("latin-1").splitlines()
        if found and all(": " in line for line in lines):
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            return Answer(int(headers.pop("status", "200").split()[0]), headers, body, exit_code)
    return Answer(200, {}, output, exit_code)


def call(command, method="POST", query="", body=b"", content_type=""):
    environment = {
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": content_type,
    }
    done = subprocess.run(command, input=body, stdout=subprocess.PIPE, env=environment, timeout=60)
    return parse(done.stdout, done.returncode)


def wasm(program):
    node = os.environ.get("DECLOUD_NODE") or shutil.which("node") or sys.exit("no node: run tools/install")
    # Node 20's collector in a thread of its own crashes now and then after a program's memory has grown.
    return [node, "--no-warnings", "--single-threaded", str(EXAMPLES / "run_wasm.mjs"), str(program)]


def build(folder, *targets):
    subprocess.run(["make", "-s", "-C", folder, *targets], check=True)


class Checks:
    """Prints one line for each check: `ok NAME` or `not ok NAME`."""

    def __init__(self):
        self.failed = 0

    def equal(self, name, got, wanted):
        if got == wanted:
            print(f"ok {name}")
            return
        self.failed += 1
        print(f"not ok {name}\n  got    {str(got)[:200]}\n  wanted {str(wanted)[:200]}")

    def true(self, name, condition, shown):
        self.equal(name, shown if condition else f"not so: {shown}", shown)
