#!/usr/bin/env python3
"""Refuses an #include that goes against the floors.

Reads the floors from cmake/DecloudModule.cmake and what each module may use from the `decloud_module(…)` of its
CMakeLists.txt. An include of another module is `<decloud/module/file.hpp>`, of a module that is declared, on a lower
floor, and never from another module's internal/ (fuzz targets excepted). Inside a module it is "file.hpp".
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODULES = ROOT / "src" / "decloud"
SOURCES = {".hpp", ".cpp", ".h", ".c"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')


def read_floors(text):
    """Module → floor, from `set(DECLOUD_FLOOR_base 0)` and the loops over module names."""
    floors = {name: int(floor) for name, floor in re.findall(r"set\(DECLOUD_FLOOR_(\w+) (\d+)\)", text)}
    loop = re.compile(r"foreach\(module ([\w\s]+)\)\s*set\(DECLOUD_FLOOR_\$\{module\} (\d+)\)")
    for names, floor in loop.findall(text):
        floors |= dict.fromkeys(names.split(), int(floor))
    return floors


def read_dependencies(text):
    """What `decloud_module(name … DEPENDS a b …)` names."""
    call = re.search(r"decloud_module\(([^)]*)\)", re.sub(r"#.*", "", text))
    if not call:
        return None
    words = re.split(r"\bDEPENDS\b", call.group(1))
    if len(words) == 1:
        return set()
    return set(re.split(r"\b[A-Z][A-Z_]{3,}\b", words[1])[0].split())


def close_over(dependencies):
    """Each module's dependencies and theirs: linking passes headers on."""
    def reach(name, seen):
        for dependency in dependencies.get(name, set()) - seen:
            seen.add(dependency)
            reach(dependency, seen)
        return seen

    return {name: reach(name, set()) for name in dependencies}


class Includes:
    """Judges one file's includes; says what is wrong with each as text, or None."""

    def __init__(self, floors, allowed):
        self.floors = floors
        self.allowed = allowed

    def by_angle(self, module, file, path):
        parts = path.split("/")
        if len(parts) < 3:
            return f"<{path}> names no module"
        other = parts[1]
        if other not in self.floors:
            return f"{other} has no floor in cmake/DecloudModule.cmake"
        if module is None:
            foreign = "internal" in parts and (ROOT / "fuzz") not in file.parents
            return f"<{path}> is internal to {other}" if foreign else None
        if other == module:
            own = "/".join(parts[2:])
            return f'a file of its own module is included as "{own}"' if (file.parent / own).exists() else None
        if "internal" in parts:
            return f"<{path}> is internal to {other}"
        if self.floors[other] >= self.floors[module]:
            return f"{module} (floor {self.floors[module]}) may not use {other} (floor {self.floors[other]})"
        if other not in self.allowed[module]:
            return f"{module} does not name {other} in DEPENDS"
        return None

    def by_quote(self, module, file, path):
        if module is None:
            return None
        beside, inside = file.parent / path, MODULES / module / path
        found = next((each for each in (beside, inside) if each.exists()), None)
        if found is None:
            return None  # made by the build, or the compiler says that it is missing
        if (MODULES / module) not in found.resolve().parents:
            return f'"{path}" leaves the module: use <decloud/…>'
        return None

    def judge(self, module, file, angle, quote):
        if angle:
            return self.by_angle(module, file, angle) if angle.startswith("decloud/") else None
        if quote.startswith("decloud/"):
            return f'"{quote}" is written <{quote}>'
        return self.by_quote(module, file, quote)


def module_of(file):
    return file.relative_to(MODULES).parts[0] if MODULES in file.parents else None


def source_files():
    for folder in ("src", "apps", "fuzz", "bench", "tests"):
        for file in sorted((ROOT / folder).rglob("*")):
            skipped = {"node_modules", "target"} & set(file.parts)
            if file.suffix in SOURCES and not skipped:
                yield file


def complaints(floors, dependencies):
    for module in sorted(dependencies):
        if module not in floors:
            yield f"src/decloud/{module}: the module has no floor in cmake/DecloudModule.cmake"
    known = {name: depends for name, depends in dependencies.items() if name in floors}
    judge = Includes(floors, close_over(known)).judge
    undeclared = set()
    for file in source_files():
        module = module_of(file)
        if module is not None and module not in known:
            if module not in undeclared:
                yield f"src/decloud/{module}: is not declared by a decloud_module()"
            undeclared.add(module)
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if match := INCLUDE.match(line):
                if wrong := judge(module, file, *match.groups()):
                    yield f"{file.relative_to(ROOT)}:{number}: {wrong}"


def main():
    floors = read_floors((ROOT / "cmake" / "DecloudModule.cmake").read_text())
    dependencies = {}
    for file in MODULES.glob("*/CMakeLists.txt"):
        declared = read_dependencies(file.read_text())
        if declared is not None:
            dependencies[file.parent.name] = declared
    if not floors or not dependencies:
        sys.exit("check_includes: no floors or no modules found: has cmake/DecloudModule.cmake changed?")
    found = list(complaints(floors, dependencies))
    print("\n".join(found) if found else f"{len(dependencies)} modules keep to their floors")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
