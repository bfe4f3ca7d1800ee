"""Programs in images: what `docker save` writes and OCI image layouts, deployed and called."""

import hashlib
import io
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tarfile

import http1
from harness import PRICE, ROOT, expect, expect_equal, probe

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def tar(files, kind="w"):
    """A tar file of name -> bytes; a str is a symbolic link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=kind) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                archive.addfile(entry)
            else:
                entry.size, entry.mode = len(content), 0o755
                archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def docker_image(config, layers):
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": names}]
    return tar({"manifest.json": json.dumps(manifest).encode(), "config.json": json.dumps({"config": config}).encode()}
               | {name: tar(layer) for name, layer in zip(names, layers)})


def oci_image(config, layers):
    """Each layer is its files, or the bytes of its tar file."""
    blobs = {}

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": "application/octet-stream", "digest": f"sha256:{digest}", "size": len(data)}

    manifest = {"schemaVersion": 2, "layers": [blob(each if isinstance(each, bytes) else tar(each, "w:gz")) for each in layers],
                "config": blob(json.dumps({"os": "linux", "architecture": MACHINE, "config": config}).encode())}
    ours = blob(json.dumps(manifest).encode()) | {"platform": {"os": "linux", "architecture": MACHINE}}
    other = {"digest": "sha256:" + "0" * 64, "platform": {"os": "linux", "architecture": "s390x"}}
    index = {"schemaVersion": 2, "manifests": [other, ours]}
    return tar({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()} | blobs)


def deployed(cloud, folder, name, image, toml=""):
    folder = folder / name
    folder.mkdir()
    (folder / "image.tar").write_bytes(image)
    (folder / "decloud.toml").write_text(f'name = "{name}"\nruntime = "oci"\nentry = "image.tar"\nprice = "0.001"\n{toml}\n')
    return cloud.good("deploy", folder, "--provider", "alice.decloud", "--json").json["cid"]


def test_images_of_both_kinds_run_and_are_paid(cloud, folder):
    config = {"Entrypoint": ["probe"], "Env": ["PATH=/opt/bin", "FROM_IMAGE=yes"], "WorkingDir": "/srv"}
    layers = [{"opt/bin/probe": b"not this one", "srv/kept": b"", "etc/gone": b"x"},
              {"opt/bin/probe": probe().read_bytes(), "etc/.wh.gone": b""}]
    with cloud.costs(4 * PRICE):
        for name, make in (("docker", docker_image), ("layout", oci_image)):
            cid = deployed(cloud, folder, name, make(config, layers))
            for url in (cloud.gateway(cid, "/?echo=1"), cloud.node(cid, "/?echo=1")):
                answer = http1.request(url, body=b"through an image")
                expect_equal((answer.status, answer.body), (200, b"through an image"), url)


def test_a_server_in_an_image_stays_warm(cloud, folder):
    program = folder / "events-program"
    subprocess.run(["clang-19", "-O1", "-D_GNU_SOURCE", "-static", "-pthread", "-o", str(program),
                    str(ROOT / "examples" / "events" / "events.c")], check=True)
    image = oci_image({"Cmd": ["/server"]}, [{"server": program.read_bytes()}])
    cid = deployed(cloud, folder, "warm", image, toml="[server]\nconcurrency = 4")
    with cloud.costs(2 * PRICE):
        for number in (1, 2):
            expect_equal(http1.request(cloud.gateway(cid)).body, f"request {number}\n".encode())


NODE_SERVER = b"""
let calls = 0;
require('http').createServer((request, response) => {
  response.setHeader('Set-Cookie', ['a=1', 'b=2']);
  response.end(`call ${++calls} of ${request.url}`);
}).listen({fd: 3});
"""


def node_files():
    """Node and what it is linked with, as a layer."""
    node = os.environ.get("DECLOUD_NODE") or shutil.which("node")
    listed = subprocess.run(["ldd", node], capture_output=True, text=True, check=True).stdout
    libraries = [word for word in listed.split() if word.startswith("/")]
    return {"usr/bin/node": pathlib.Path(node).resolve().read_bytes()} | {
        name[1:]: pathlib.Path(name).resolve().read_bytes() for name in libraries}


def test_node_serves_from_an_image(cloud, folder):
    image = docker_image({"Cmd": ["node", "/srv/server.js"]}, [node_files(), {"srv/server.js": NODE_SERVER}])
    cid = deployed(cloud, folder, "node", image, toml='[server]\nconcurrency = 10\n[limits]\nmemory = "512MiB"')
    with cloud.costs(2 * PRICE):
        for number in (1, 2):
            answer = http1.request(cloud.gateway(cid, "/here?a=b"))
            expect_equal((answer.status, answer.text), (200, f"call {number} of /here?a=b"))
            expect_equal([cookie.split(";")[0] for cookie in answer.all("Set-Cookie")], ["a=1", "b=2"])


def test_a_hostile_image_is_refused_and_costs_nothing(cloud, folder):
    with cloud.costs(0):
        for name, layer, why in (("climber", {"../../escaped": b"x"}, "'..'"), ("through", {"a": "..", "a/../x": b"x"}, "'..'")):
            cid = deployed(cloud, folder, name, oci_image({"Cmd": ["/a"]}, [layer]))
            answer = http1.request(cloud.node(cid))
            expect_equal(answer.status, 502, answer.text)
            expect(why in answer.text, answer.text)
