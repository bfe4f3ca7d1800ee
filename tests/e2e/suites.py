"""Runs the tests of an interop suite and tells each of them in a line, as tests/interop/run reads it."""

import time
import traceback


def run_tests(suite):
    """Runs the methods `test_…` of the object in the order they are written in: the exit code."""
    failed = False
    for name in [each for each in vars(type(suite)) if each.startswith("test_")]:
        start = time.monotonic()
        try:
            getattr(suite, name)()
            print(f"ok {name.removeprefix('test_')}\n# {time.monotonic() - start:.1f} s", flush=True)
        except Exception:  # noqa: BLE001
            failed = True
            trace = traceback.format_exc().replace("\n", "\n  ")
            print(f"not ok {name.removeprefix('test_')}\n  {trace}", flush=True)
    return 1 if failed else 0
