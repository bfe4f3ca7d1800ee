"""Every test of h2spec, against the gateway and the node behind it: a test that fails is named."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from edge import Gateway, make_certificate  # noqa: E402
from harness import interop_cloud  # noqa: E402

# All that h2spec 2.2.1 has, the newest that the Go module proxy gives.
TESTS = 145
# A cleartext listener takes what does not begin with the preface for HTTP/1.1, and answers 400 in HTTP/1.1.
OTHER_PROTOCOL = ("Sends invalid connection preface",)


def check(program, folder, name, port, path, *more, elsewhere=()):
    """True if all passed."""
    report = folder / f"{name}.xml"
    done = subprocess.run(
        [program, "--host", "127.0.0.1", "--port", str(port), "--path", path, "--timeout", "5",
         "--junit-report", str(report), *more], capture_output=True, text=True, timeout=300)
    cases = [case for suite in xml.parse(report).getroot().iter("testsuite") for case in suite.iter("testcase")]
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None
              or case.find("skipped") is not None]
    failed = [case for case in failed if case.get("classname") not in elsewhere]
    for case in failed:
        print(f"not ok {name}: {case.get('package')} {case.get('classname')}")
    if len(cases) != TESTS or (done.returncode != 0 and not failed and not elsewhere):
        print(f"not ok {name}: {len(cases)} tests, exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr}")
        return False
    if not failed:
        print(f"ok {name}, {len(cases) - len(elsewhere)} of {len(cases)} tests")
    return not failed


def main(program):
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="decloud-h2spec-")))
        cloud = stack.enter_context(interop_cloud())
        secure = stack.enter_context(Gateway(cloud, folder / "gateway", tls=make_certificate(folder)))
        plain = int(cloud.gateway_url.rsplit(":", 1)[1])
        path = "/p/alice.decloud/.well-known/decloud"
        passed = [check(program, folder, "cleartext", plain, path, elsewhere=OTHER_PROTOCOL),
                  check(program, folder, "tls", secure.port, path, "--tls", "--insecure")]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    os.environ.setdefault("DECLOUD", str(pathlib.Path(os.environ["DECLOUD_BUILD"]) / "decloud"))
    sys.exit(main(sys.argv[1]))
