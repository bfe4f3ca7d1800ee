#!/usr/bin/env python3
"""tools/run_tidy.py [--all] [--record] [BUILD]: clang-tidy over our sources.

Without --all: those changed since the commit in tools/tidy-base, up to which everything was tidied, and those that
include a header changed since then and carry its name. What passed is remembered in BUILD/tidy by the content of
everything that went into it. --record writes the current commit into tools/tidy-base after a clean run of --all.
Tests are left out: GoogleTest's macros are not ours to mend.
"""

import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import subprocess
import sys

import compile_database

ROOT = compile_database.ROOT
BASE = ROOT / "tools" / "tidy-base"


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)


def changed_files():
    """Paths changed since the recorded commit, committed or not; None if that cannot be told."""
    base = BASE.read_text().strip() if BASE.exists() else ""
    if not base or git("merge-base", "--is-ancestor", base, "HEAD").returncode != 0:
        return None
    names = git("diff", "--name-only", base).stdout + git("ls-files", "--others", "--exclude-standard").stdout
    return {ROOT / name for name in names.splitlines()}


def is_affected(source, inputs, changed):
    if ROOT / ".clang-tidy" in changed or source.file in changed:
        return True
    return any(file in changed and file.stem == source.file.stem for file in inputs.get(source.output, []))


class Cache:
    """Remembers, by content, what passed."""

    def __init__(self, folder, inputs):
        self.folder = folder
        self.inputs = inputs
        self.digests = {}
        folder.mkdir(parents=True, exist_ok=True)

    def digest(self, file):
        if file not in self.digests:
            self.digests[file] = hashlib.sha256(file.read_bytes()).digest() if file.exists() else b""
        return self.digests[file]

    def entry(self, source):
        key = hashlib.sha256("\0".join(source.flags()).encode())
        files = {source.file, ROOT / ".clang-tidy", *self.inputs.get(source.output, [])}
        for file in sorted(files):
            key.update(str(file.relative_to(ROOT)).encode() + b"\0" + self.digest(file))
        return self.folder / key.hexdigest()


def tidy(source, folder, entry):
    """What clang-tidy found, or None; `folder` has the compile commands."""
    done = subprocess.run(
        ["clang-tidy-19", "--quiet", "-p", str(folder), str(source.file)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode == 0 and "warning:" not in done.stdout:
        entry.touch()
        return None
    return done.stdout or f"clang-tidy-19 failed on {source.file}"


def select(sources, inputs, everything):
    own = [source for source in sources if not source.file.stem.endswith("_test")]
    unique = list({source.file: source for source in own}.values())
    changed = None if everything else changed_files()
    if changed is None:
        return unique
    return [source for source in unique if is_affected(source, inputs, changed)]


def run(sources, cache):
    pending = [(source, cache.entry(source)) for source in sources]
    pending = [(source, entry) for source, entry in pending if not entry.exists()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda each: tidy(each[0], cache.folder, each[1]), pending))
    # A finding in a header comes up in each source that includes it.
    findings = dict.fromkeys(result for result in results if result)
    print(f"{len(sources)} sources, {len(pending)} of them new or changed, {len(findings)} with findings")
    print("\n".join(findings))
    return not findings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    if options.record and (not options.all or git("status", "--porcelain").stdout):
        sys.exit("run_tidy: --record needs --all and no uncommitted change")
    build = options.build.resolve()
    inputs = compile_database.read_inputs(build)
    sources = select(compile_database.read(build), inputs, options.all)
    cache = Cache(build / "tidy", inputs)
    compile_database.write(sources, cache.folder)
    clean = run(sources, cache)
    if clean and options.record:
        BASE.write_text(git("rev-parse", "HEAD").stdout)
    return not clean


if __name__ == "__main__":
    sys.exit(main())
