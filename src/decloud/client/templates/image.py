#!/usr/bin/env python3
"""Packs programs, their libraries and your files into an OCI image, without Docker and without root.

    image.py build/image.tar --package python3.11-minimal --binary /usr/bin/python3.11 --file main.py=/app/main.py \
        -- /usr/bin/python3.11 /app/main.py

Takes what is installed on this machine: the files of Debian packages (--package), programs (--binary PATH, which may
be =PATH in the image) and your own (--file SOURCE=PATH); the shared libraries that they need come with them. What
follows -- is started. The same files give the same image, so the same content id.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tarfile

UNWANTED = re.compile(r"^/usr/share/(doc|man|info|locale|lintian|bug|menu|applications|pixmaps)/|__pycache__")
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def files_of_package(name):
    listed = output_of("dpkg", "-L", name).splitlines()
    if not listed:
        sys.exit(f"image.py: the Debian package {name} is not installed")
    return [path for path in listed if not UNWANTED.search(path) and os.path.isfile(path)]


def libraries_of(path):
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return []
    return re.findall(r"(?:=> )?(/\S+) \(0x", output_of("ldd", path))


def add_with_libraries(content, source, target):
    """`content`: path in the image -> file here."""
    if target not in content:
        content[target] = source
        for library in libraries_of(source):
            content.setdefault(library, library)


def layer(content):
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as packed, \
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for target, source in sorted(content.items()):
            data = pathlib.Path(source).read_bytes()
            entry = tarfile.TarInfo(target.lstrip("/"))
            entry.size, entry.mode = len(data), 0o755 if os.access(source, os.X_OK) else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


class Layout:
    """An OCI image layout, as a tar file."""

    def __init__(self):
        self.files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def blob(self, kind, data):
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    def write(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as archive:
            for name, data in self.files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def make_image(options):
    programs, own = {}, {}
    for package in options.package:
        for path in files_of_package(package):
            add_with_libraries(programs, path, path)
    for word in options.binary:
        source, _, target = word.partition("=")
        add_with_libraries(programs, os.path.realpath(source), target or source)
    for word in options.file:
        source, _, target = word.partition("=")
        own[target] = source
    layout = Layout()
    # Your files in a layer of their own: what lies below is kept once for all your functions.
    layers = [layer(each) for each in (programs, own) if each]
    config = {"os": "linux", "architecture": MACHINE,
              "config": {"Entrypoint": options.command, "Env": options.env, "WorkingDir": "/"}}
    manifest = {"schemaVersion": 2, "config": layout.blob("config.v1+json", json.dumps(config).encode()),
                "layers": [layout.blob("layer.v1.tar+gzip", each) for each in layers]}
    described = layout.blob("manifest.v1+json", json.dumps(manifest).encode())
    described["platform"] = {"os": "linux", "architecture": MACHINE}
    layout.files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [described]}).encode()
    layout.write(pathlib.Path(options.output))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--package", action="append", default=[])
    parser.add_argument("--binary", action="append", default=[])
    parser.add_argument("--file", action="append", default=[])
    parser.add_argument("--env", action="append", default=["PATH=/usr/bin:/bin"])
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:split])
    options.command = words[split + 1:]
    if not options.command:
        parser.error("what is started follows --")
    make_image(options)


if __name__ == "__main__":
    main()
