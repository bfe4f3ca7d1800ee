"""What the build knows about each source: its command and the files that it was made from."""

import dataclasses
import json
import pathlib
import shlex
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Source:
    file: pathlib.Path
    folder: pathlib.Path
    arguments: tuple[str, ...]

    @property
    def output(self):
        return self.arguments[self.arguments.index("-o") + 1]

    def flags(self):
        """The command without compiler, input and output."""
        arguments = list(self.arguments[1:])
        for option in ("-o", "-c"):
            at = arguments.index(option)
            del arguments[at:at + 2]
        return arguments


def without_precompiled(arguments):
    """The command without its precompiled header, which would hide that an include is missing."""
    kept = []
    position = 0
    while position < len(arguments):
        if arguments[position] == "-Xclang" and arguments[position + 1] in ("-include", "-include-pch"):
            position += 4
        else:
            kept.append(arguments[position])
            position += 1
    return kept


def read(build):
    """Our own sources that `build` compiles, generated ones left out, without precompiled headers."""
    sources = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"])
        if ROOT in file.parents and build not in file.parents:
            arguments = without_precompiled(shlex.split(entry["command"]))
            sources.append(Source(file, pathlib.Path(entry["directory"]), tuple(arguments)))
    return sources


def write(sources, folder):
    """Writes compile_commands.json of these sources into a folder, for tools that read it."""
    entries = [
        {"directory": str(source.folder), "file": str(source.file), "arguments": source.arguments}
        for source in sources]
    (folder / "compile_commands.json").write_text(json.dumps(entries))


def read_inputs(build):
    """Object file → the project's files that it was made from, as the last build saw them."""
    listing = subprocess.run(
        ["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True).stdout
    inputs = {}
    current = []
    for line in listing.splitlines():
        if line.startswith("    "):
            file = pathlib.Path(line.strip())
            if ROOT in file.parents:
                current.append(file)
        elif ": #deps" in line:
            current = inputs.setdefault(line.split(": #deps")[0], [])
    return inputs
