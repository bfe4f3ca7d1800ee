#!/usr/bin/env python3
"""Builds and tests decloud: what ./check runs after installing. See ./check for the words it takes."""

import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from typing import Callable

from check_results import AllowedSkips, Outcome, Result, read_junit, read_lines

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "logs"
CORES = os.cpu_count() or 1
MINUTE = 60
# Unit tests that fail.
MOST_TRIED_AGAIN = 3
# Of the contracts in `./check long`: four invariants of 100 calls a run make more than a million.
LONG_CONTRACTS = {"FOUNDRY_FUZZ_RUNS": "10000", "FOUNDRY_INVARIANT_RUNS": "2600"}
# The e2e step has a few rounds of it.
FAULTS = {"DECLOUD_FAULTS_ROUNDS": "200", "DECLOUD_TESTS_DEADLINE": str(150 * MINUTE)}
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19",
}


@dataclasses.dataclass
class Options:
    """What `long` changes."""

    fuzz_seconds: int = 5
    tidy_everything: bool = False
    simulated_calls: int = 15_000
    contracts_environment: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Done:
    exit_code: int | None
    output: str

    @property
    def failure(self):
        how = "it took too long and was stopped" if self.exit_code is None else f"exit code {self.exit_code}"
        # A full disk leaves no other word of itself: the logs are on it.
        return f"{how}; {shutil.disk_usage(ROOT).free / 2**30:.1f} GiB free on the disk"


def stop(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(log_name, command, timeout, environment=None):
    """Runs a command in a process group of its own, which does not survive it; its output is kept in a log."""
    log = LOGS / f"{log_name}.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True, env=os.environ | (environment or {}))
        try:
            exit_code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            exit_code = None
        finally:
            stop(process)
    return Done(exit_code, log.read_text(errors="replace"))


def single(name, done):
    """A step that is one check: it passed if the command did."""
    if done.exit_code == 0:
        return [Result(name, Outcome.passed)]
    tail = "\n".join(done.output.splitlines()[-40:])
    return [Result(name, Outcome.failed, f"{done.failure}\n{tail}")]


def suite(name, done, results):
    """A runner of many tests: its exit code has to agree with what it printed."""
    failed = any(result.outcome is Outcome.failed for result in results)
    if done.exit_code != 0 and not failed:
        return results + single(f"{name} as a whole", done)
    return results or [Result(f"{name} as a whole", Outcome.failed, "no test ran")]


# Name of a build → what tools/build is told.
BUILDS = {
    "release": ["release", "all", "decloud_sandbox_test", "decloud_kubo_test", "money_simulation"],
    "release-tests": ["release", "all", "decloud_tests"],
    "asan": ["asan", "all", "decloud_tests"],
}


def build(name):
    return single(f"build {name}", run(f"build-{name}", ["tools/build", *BUILDS[name]], 40 * MINUTE))


def check_format(_options):
    listed = subprocess.run(
        ["git", "ls-files", "*.cpp", "*.hpp", "*.c", "*.h"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [name for name in listed.stdout.split() if (ROOT / name).exists()]
    return single("format", run("format", ["clang-format-19", "--dry-run", "-Werror", *files], 5 * MINUTE))


def check_includes(_options):
    return single("includes", run("includes", [sys.executable, "tools/check_includes.py"], MINUTE))


def check_tools(_options):
    return single("tools", run("tools", [sys.executable, "tools/tools_test.py"], MINUTE))


def check_headers(options):
    everything = ["--all"] if options.tidy_everything else []
    return single("headers", run("headers", [sys.executable, "tools/check_headers.py", *everything], 15 * MINUTE))


def check_tidy(options):
    everything = ["--all"] if options.tidy_everything else []
    return single("tidy", run("tidy", [sys.executable, "tools/run_tidy.py", *everything], 40 * MINUTE))


def ctest(name, folder, options, environment):
    report = LOGS / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = ["ctest", "--test-dir", folder, "--timeout", 300, "--output-on-failure", "--test-output-size-failed", 65536,
               "--output-junit", report, *options]
    done = run(name, command, 30 * MINUTE, environment)
    return suite("unit tests", done, read_junit(report) if report.exists() else [])


def unit_tests(folder, environment=None, pattern="."):
    """A few that fail among many are tried once more, alone: machines that are too busy are told from faults."""
    name = f"unit-{folder}"
    results = ctest(name, folder, ["-R", pattern, "--schedule-random", "-j", CORES], environment)
    failed = [result for result in results if result.outcome is Outcome.failed]
    if not failed or len(failed) > MOST_TRIED_AGAIN:
        return results
    for result in failed:
        print(f"  {result.name} failed, and is tried again alone:\n{result.details}", file=sys.stderr, flush=True)
    again = ctest(f"{name}-again", folder, ["--rerun-failed"], environment)
    return [result for result in results if result not in failed] + again


def fuzz_one(name, seconds):
    work = ROOT / "build-asan" / "fuzz-work" / name
    work.mkdir(parents=True, exist_ok=True)
    program = ROOT / "build-asan" / "fuzz" / f"fuzz_{name}"
    if not program.exists():
        return [Result(name, Outcome.failed, f"{program} was not built: add it to fuzz/CMakeLists.txt")]
    corpus = ROOT / "fuzz" / "corpus" / name
    dictionary = ROOT / "fuzz" / f"{name}.dict"
    command = [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
               f"-artifact_prefix={work}/", work / "corpus"]
    (work / "corpus").mkdir(exist_ok=True)
    if corpus.is_dir():
        command.append(corpus)
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    return single(name, run(f"fuzz-{name}", command, seconds + 5 * MINUTE, SANITIZERS))


def fuzz(options):
    names = sorted(file.name.removesuffix("_fuzz.cpp") for file in (ROOT / "fuzz").glob("*_fuzz.cpp"))
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        parts = list(pool.map(lambda name: fuzz_one(name, options.fuzz_seconds), names))
    return [result for part in parts for result in part]


def line_suite(name, command, timeout, environment=None):
    """A runner that prints a line for each test."""
    if not (ROOT / command[0]).exists():
        return [Result(name, Outcome.failed, f"{command[0]} is missing")]
    done = run(name, command, timeout, environment)
    return suite(name, done, read_lines(done.output))


def examples(_options):
    results = []
    for test in sorted((ROOT / "examples").glob("*/test")):
        name = f"examples-{test.parent.name}"
        results += line_suite(name, [test.relative_to(ROOT)], 10 * MINUTE)
    return results


def contracts(options):
    return line_suite("contracts", ["contracts/test"], 60 * MINUTE, options.contracts_environment)


def in_build(folder):
    return {"DECLOUD_BUILD": str(ROOT / folder), "DECLOUD": str(ROOT / folder / "decloud")}


@dataclasses.dataclass
class Step:
    run: Callable[[Options], list[Result]]
    builds: tuple[str, ...] = ("release",)
    # A step that runs at the same time, if both are wanted.
    beside: str = ""


STEPS = {
    "format": Step(check_format, ()),
    "includes": Step(check_includes, ()),
    "tools": Step(check_tools, ()),
    "unit": Step(lambda _: unit_tests("build"), ("release-tests",)),
    # Confinement has to allow sanitizers more.
    "unit-sandbox": Step(lambda _: unit_tests("build", pattern=r"^sandbox\.")),
    "headers": Step(check_headers),
    "tidy": Step(check_tidy),
    # One thread of a compiler; end-to-end tests wait most of their time.
    "contracts": Step(contracts, (), beside="e2e"),
    "proofs": Step(lambda _: line_suite("proofs", ["contracts/prove"], 60 * MINUTE), ()),
    "simulation": Step(lambda options: line_suite(
        "simulation", ["tests/simulation/run", "--calls", str(options.simulated_calls)], 60 * MINUTE, in_build("build"))),
    "examples": Step(examples, ()),
    "e2e": Step(lambda _: line_suite("e2e", ["tests/run"], 30 * MINUTE, in_build("build"))),
    "faults": Step(
        lambda _: line_suite("faults", ["tests/run", "faults"], 160 * MINUTE, in_build("build") | FAULTS)),
    "interop": Step(lambda _: line_suite("interop", ["tests/interop/run"], 30 * MINUTE, in_build("build"))),
    "unit-asan": Step(lambda _: unit_tests("build-asan", SANITIZERS), ("asan",)),
    "fuzz": Step(fuzz, ("asan",)),
    "e2e-asan": Step(
        # What templates adds are other people's compilers.
        lambda _: line_suite("e2e-asan", ["tests/run", "--without", "templates"], 40 * MINUTE,
                             in_build("build-asan") | SANITIZERS), ("asan",)),
    "bench": Step(lambda _: line_suite("bench", ["bench/run"], 60 * MINUTE, in_build("build"))),
}
GROUPS = {
    "quick": ["format", "includes", "tools", "unit"],
    # unit-asan runs the same tests as unit.
    "default": [name for name in STEPS if name not in ("unit", "bench", "faults", "proofs")],
    "long": [name for name in STEPS if name != "unit-sandbox"],
}


def timed(action):
    """What it returns, and how many seconds it took."""
    start = time.monotonic()
    return action(), time.monotonic() - start


class Report:
    """Prints a line for each step, and the totals at the end."""

    def __init__(self):
        self.totals = collections.Counter()
        self.failures = []
        self.allowed = AllowedSkips(ROOT / "tools" / "allowed-skips.txt")

    def step(self, name, action):
        """Runs a step and says how it went; true if nothing failed."""
        return self.tell(name, *timed(action))

    def tell(self, name, results, seconds):
        results = [self.allowed.judge(name, result) for result in results]
        counts = collections.Counter(result.outcome for result in results)
        self.totals += counts
        shown = ", ".join(f"{counts[each]} {each.name}" for each in Outcome if counts[each])
        word = "FAILED" if counts[Outcome.failed] else "ok"
        print(f"{word:7}{name:16}{shown or 'nothing to do':36}{seconds:8.1f} s", flush=True)
        for result in results:
            self.show(name, result)
        return not counts[Outcome.failed]

    def show(self, step, result):
        if result.outcome is Outcome.failed:
            self.failures.append(f"{step}: {result.name}")
            print(f"  {result.name}")
            print("".join(f"    {line}\n" for line in result.details.splitlines()), end="", flush=True)
        elif result.outcome is Outcome.skipped:
            print(f"  skipped {result.name}: {result.details}", flush=True)

    def finish(self):
        if self.failures:
            print(f"\nFailed (whole logs are in {LOGS.relative_to(ROOT)}):")
            print("".join(f"  {failure}\n" for failure in self.failures), end="")
        counts = [self.totals[each] for each in (Outcome.passed, Outcome.failed, Outcome.skipped)]
        print("{} passed, {} failed, {} skipped".format(*counts), flush=True)
        return 1 if counts[1] else 0


def choose(words):
    """The steps that the words name, in the order in which they run."""
    unknown = [word for word in words if word not in STEPS and word not in GROUPS]
    if unknown:
        sys.exit(f"check: no step or group {', '.join(unknown)}; there are: {', '.join([*GROUPS, *STEPS])}")
    wanted = {name for word in words or ["default"] for name in GROUPS.get(word, [word])}
    return [name for name in STEPS if name in wanted]


def run_steps(names, options, report):
    """Runs each step once what it needs is built; a step whose build failed is not run."""
    built = {}
    beside = {STEPS[name].beside: name for name in names if STEPS[name].beside in names}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for name in names:
            if name in beside.values():
                continue
            other = beside.get(name)
            running = pool.submit(timed, lambda other=other: STEPS[other].run(options)) if other else None
            run_step(name, options, report, built)
            if running:
                report.tell(other, *running.result())


def run_step(name, options, report, built):
    """`built`: what was built already, and whether it could be."""
    for preset in STEPS[name].builds:
        if preset not in built:
            built[preset] = report.step(f"build-{preset}", lambda preset=preset: build(preset))
    if all(built[preset] for preset in STEPS[name].builds):
        report.step(name, lambda name=name: STEPS[name].run(options))


def interrupted(number, _frame):
    sys.exit(128 + number)


def main():
    words = sys.argv[1:]
    if words == ["--list"]:
        print("\n".join(f"{group}: {' '.join(names)}" for group, names in GROUPS.items()))
        return 0
    names = choose(words)
    is_long = "long" in words
    signal.signal(signal.SIGTERM, interrupted)
    LOGS.mkdir(parents=True, exist_ok=True)
    report = Report()
    options = Options(300, True, 1_000_000, LONG_CONTRACTS) if is_long else Options()
    run_steps(names, options, report)
    return report.finish()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
