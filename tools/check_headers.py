#!/usr/bin/env python3
"""tools/check_headers.py [--all] [BUILD]: headers of ours compile alone.

Each is compiled by itself with the flags of a source of its module. ccache remembers those that have not changed.
Without --all: those changed since the commit in tools/tidy-base, and those that include one of them.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

import compile_database
import run_tidy

ROOT = compile_database.ROOT
MODULES = ROOT / "src" / "decloud"


def module_folder(file):
    """src/decloud/<module>, or the first folder for what is elsewhere."""
    depth = 3 if MODULES in file.parents else 1
    return pathlib.Path(*file.relative_to(ROOT).parts[:depth])


def flags_by_module(sources):
    """A module's flags come from a source of its own, from a test only if there is no other."""
    flags = {}
    for source in sorted(sources, key=lambda each: not each.file.stem.endswith("_test")):
        if source.file.suffix == ".cpp":
            flags[module_folder(source.file)] = (source.folder, source.flags())
    return flags


def compile_alone(header, work, folder, flags):
    name = "_".join(header.relative_to(ROOT).with_suffix("").parts)
    source = work / f"{name}.cpp"
    text = f'#include "{header}"\n'
    if not source.exists() or source.read_text() != text:
        source.write_text(text)
    launcher = [shutil.which("ccache")] if shutil.which("ccache") else []
    command = [*launcher, "clang++-19", *flags, "-O0", "-g0", "-c", str(source), "-o", str(source.with_suffix(".o"))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return None if done.returncode == 0 else f"{header.relative_to(ROOT)} does not compile alone:\n{done.stderr}"


def tracked_headers():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src/*.hpp", "apps/*.hpp"],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).exists()]


def affected(headers):
    """Of these, the changed ones and those that name one of them."""
    changed = run_tidy.changed_files()
    if changed is None:
        return headers
    names = {header.name for header in headers if header in changed}
    included = re.compile(r'^#include [<"](?:.*/)?([^/>"]+)[>"]', re.MULTILINE)
    return [header for header in headers
            if header in changed or names & set(included.findall(header.read_text()))]


def main():
    words = [word for word in sys.argv[1:] if word != "--all"]
    build = pathlib.Path(words[0] if words else ROOT / "build").resolve()
    headers = tracked_headers() if "--all" in sys.argv else affected(tracked_headers())
    work = build / "headers"
    work.mkdir(exist_ok=True)
    flags = flags_by_module(compile_database.read(build))
    if not flags:
        sys.exit("check_headers: the build knows no sources")
    fallback = next(iter(flags.values()))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = [
            pool.submit(compile_alone, header, work, *flags.get(module_folder(header), fallback))
            for header in headers
        ]
    found = [result.result() for result in results if result.result()]
    print("\n".join(found) if found else f"{len(results)} headers compile alone")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
