#!/usr/bin/env python3
"""Tests of the check scripts themselves: a check that lets everything through is worse than none."""

import pathlib
import sys
import tempfile
import unittest

import check_includes
import check_results
from check_results import Outcome, Result

FLOORS = """
set(DECLOUD_FLOOR_base 0)
foreach(module crypto async)
    set(DECLOUD_FLOOR_${module} 1)
endforeach()
set(DECLOUD_FLOOR_net 2)
"""


class Includes(unittest.TestCase):
    def setUp(self):
        depends = {
            "base": set(),
            "async": check_includes.read_dependencies("decloud_module(async SOURCES a.cpp DEPENDS base)"),
            "crypto": {"base"},
            "net": check_includes.read_dependencies("decloud_module(net\n DEPENDS async # x\n LIBRARIES A::B)"),
        }
        self.assertEqual(depends["net"], {"async"})
        floors = check_includes.read_floors(FLOORS)
        self.assertEqual(floors, {"base": 0, "crypto": 1, "async": 1, "net": 2})
        self.judge = check_includes.Includes(floors, check_includes.close_over(depends)).judge

    def judge_angle(self, module, path):
        folder = check_includes.MODULES / module if module else check_includes.ROOT / "apps"
        return self.judge(module, folder / "x.cpp", path, None)

    def test_lower_floor_is_fine(self):
        self.assertIsNone(self.judge_angle("net", "decloud/async/task.hpp"))

    def test_what_a_dependency_depends_on_is_fine(self):
        self.assertIsNone(self.judge_angle("net", "decloud/base/result.hpp"))

    def test_other_libraries_are_fine(self):
        self.assertIsNone(self.judge_angle("net", "boost/asio.hpp"))

    def test_upward_is_refused(self):
        self.assertIn("floor", self.judge_angle("async", "decloud/net/http.hpp"))

    def test_sideways_is_refused(self):
        self.assertIn("floor", self.judge_angle("async", "decloud/crypto/aead.hpp"))

    def test_undeclared_dependency_is_refused(self):
        self.assertIn("DEPENDS", self.judge_angle("net", "decloud/crypto/aead.hpp"))

    def test_unknown_module_is_refused(self):
        self.assertIn("no floor", self.judge_angle("net", "decloud/nowhere/x.hpp"))

    def test_foreign_internal_header_is_refused(self):
        self.assertIn("internal", self.judge_angle("net", "decloud/async/internal/x.hpp"))
        self.assertIn("internal", self.judge_angle(None, "decloud/async/internal/x.hpp"))

    def test_quotes_do_not_leave_the_module(self):
        file = check_includes.MODULES / "net" / "x.cpp"
        self.assertIsNotNone(self.judge("net", file, None, "decloud/base/result.hpp"))
        self.assertIsNotNone(self.judge("net", file, None, "../base/result.hpp"))


class Results(unittest.TestCase):
    def test_lines(self):
        text = "noise\nok a.b\nnot ok c: it broke\n  why\nskip d: no moon\n  more\nok e: f\n"
        self.assertEqual(check_results.read_lines(text), [
            Result("a.b", Outcome.passed),
            Result("c", Outcome.failed, "it broke\n  why"),
            Result("d", Outcome.skipped, "no moon"),
            Result("e: f", Outcome.passed),
        ])

    def test_totals_count_what_passed_without_a_line(self):
        results = check_results.read_lines("not ok c: it broke\n3 passed, 1 failed, 0 skipped\n")
        self.assertEqual([result.outcome.name for result in results], ["failed"] + ["passed"] * 3)

    def test_totals_that_disagree_are_a_failure(self):
        for text in ("ok a\n1 passed, 1 failed, 0 skipped\n", "ok a\nok b\n1 passed, 0 failed\n"):
            self.assertIs(check_results.read_lines(text)[-1].outcome, Outcome.failed)

    def test_junit(self):
        text = """<testsuite>
            <testcase name="a" status="run"/>
            <testcase name="b" status="fail"><failure message=""/><system-out>boom</system-out></testcase>
            <testcase name="c" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
              <system-out>x.cpp:3: Skipped\nneeds a moon\n[  SKIPPED ] c (0 ms)</system-out></testcase>
            <testcase name="d" status="notrun"><skipped message="Unable to find executable"/></testcase>
            <testcase name="e" status="disabled"><skipped message="Disabled"/></testcase>
        </testsuite>"""
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(text)
            file.flush()
            results = check_results.read_junit(file.name)
        outcomes = [result.outcome.name for result in results]
        self.assertEqual(outcomes, ["passed", "failed", "skipped", "failed", "failed"])
        self.assertEqual(results[2].details, "needs a moon")

    def test_only_listed_skips_are_allowed(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("# why\ninterop:go_*  needs a newer Go\n")
            file.flush()
            allowed = check_results.AllowedSkips(pathlib.Path(file.name))
        skip = Result("go_ethereum", Outcome.skipped, "no Go")
        self.assertIs(allowed.judge("interop", skip), skip)
        self.assertIs(allowed.judge("e2e", skip).outcome, Outcome.failed)


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False, verbosity=0).result.wasSuccessful() else 1)
