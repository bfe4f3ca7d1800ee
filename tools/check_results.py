"""Reads what test runners print: lines `ok NAME`, `not ok NAME`, `skip NAME: reason`, with or without a closing
`N passed, N failed, N skipped`, and ctest's JUnit file."""

import dataclasses
import enum
import fnmatch
import pathlib
import re
import xml.etree.ElementTree

TOTALS = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
LINE = re.compile(r"^(ok|not ok|skip) (\S.*)$")
SKIP_REASON = re.compile(r": Skipped\n(.*?)\[  SKIPPED \]", re.DOTALL)  # as GoogleTest prints it
SHOWN_LINES = 40


class Outcome(enum.Enum):
    passed = "ok"
    failed = "not ok"
    skipped = "skip"


@dataclasses.dataclass
class Result:
    name: str
    outcome: Outcome
    details: str = ""


def read_lines(text):
    """One result a line; the lines after a failure, up to the next result, are its details."""
    results = []
    details = []
    for line in text.splitlines():
        match = LINE.match(line)
        if not match:
            details.append(line)
            continue
        details = []
        outcome, name = Outcome(match.group(1)), match.group(2)
        name, _, reason = name.partition(": ") if outcome is not Outcome.passed else (name, "", "")
        results.append(Result(name, outcome, reason))
        if outcome is Outcome.failed:
            details = [reason] if reason else []
            results[-1].details = details
    for result in results:
        if isinstance(result.details, list):
            result.details = "\n".join(result.details[-SHOWN_LINES:])
    return results + unnamed(text, results)


def unnamed(text, results):
    """What the closing totals count beyond the lines: a runner need not name what passed, but all else."""
    totals = next((match for line in reversed(text.splitlines()) if (match := TOTALS.match(line))), None)
    if not totals:
        return []
    more = []
    for outcome, total in zip((Outcome.passed, Outcome.failed, Outcome.skipped), totals.groups("0")):
        missing = int(total) - sum(result.outcome is outcome for result in results)
        if missing and (missing < 0 or outcome is not Outcome.passed):
            return [Result("totals", Outcome.failed, f"the lines and the totals disagree: {totals.group()}")]
        more += [Result(f"unnamed {number}", outcome) for number in range(missing)]
    return more


def read_junit(file):
    results = []
    for case in xml.etree.ElementTree.parse(file).getroot().iter("testcase"):
        output = (case.findtext("system-out") or "").strip()
        skipped = case.find("skipped")
        name = case.get("name")
        if case.get("status") == "run":
            results.append(Result(name, Outcome.passed))
        elif skipped is not None and skipped.get("message", "").startswith("SKIP_"):
            reason = SKIP_REASON.search(output)
            results.append(Result(name, Outcome.skipped, reason.group(1).strip() if reason else "no reason given"))
        else:
            failure = case.find("failure")
            message = failure.get("message", "") if failure is not None else case.get("status")
            shown = "\n".join(output.splitlines()[-SHOWN_LINES:])
            results.append(Result(name, Outcome.failed, f"{message}\n{shown}"))
    return results


class AllowedSkips:
    """The reviewed list of skips: patterns over SUITE:NAME."""

    def __init__(self, file: pathlib.Path):
        lines = (line.strip() for line in file.read_text().splitlines())
        self.patterns = [line.split()[0] for line in lines if line and not line.startswith("#")]

    def judge(self, suite, result):
        """A skip that nobody allowed is a failure."""
        if result.outcome is not Outcome.skipped:
            return result
        if any(fnmatch.fnmatchcase(f"{suite}:{result.name}", pattern) for pattern in self.patterns):
            return result
        details = f"skipped ({result.details}), and {suite}:{result.name} is not in tools/allowed-skips.txt"
        return Result(result.name, Outcome.failed, details)
