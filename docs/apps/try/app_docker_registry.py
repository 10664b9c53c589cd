"""A Docker registry: skopeo pushes, inspects and pulls an image with a token."""

import gzip
import hashlib
import io
import json
import tarfile

from gateway import Client, Gateway, Place, basic, free_port, needs, runs, seen


def image(folder):
    """An image of one file, as an OCI layout."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        info = tarfile.TarInfo("large")
        info.size = 2_000_000
        tar.addfile(info, io.BytesIO(hashlib.sha256(b"x").digest() * 62_500))
    layer = gzip.compress(raw.getvalue(), 1)
    config = {"architecture": "amd64", "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(raw.getvalue()).hexdigest()}"]}}
    kind = "application/vnd.oci.image."
    manifest = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "config": blob(json.dumps(config).encode(), kind + "config.v1+json"),
                "layers": [blob(layer, kind + "layer.v1.tar+gzip")]}
    index = {"schemaVersion": 2, "manifests": [{**blob(json.dumps(manifest).encode(), kind + "manifest.v1+json"),
                                                "annotations": {"org.opencontainers.image.ref.name": "one"}}]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def tries():
    needs(("docker-registry", "docker-registry"), ("skopeo", "skopeo"))
    app = Place()
    port = free_port()
    app.writes("registry.yml", f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {app.folder}/registry}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n")
    app.starts("docker-registry", "serve", app.path("registry.yml"))
    app.listening(port)
    gateway = Gateway("docker-registry", f"http://127.0.0.1:{port}")
    token = gateway.token("ci")
    app.path("image").mkdir()
    image(app.path("image"))
    there = f"docker://localhost:{gateway.port}/team/app:one"

    def skopeo(*words, **more):
        return runs("skopeo", "--insecure-policy", *words, **more)

    skopeo("copy", "--dest-tls-verify=false", "--dest-creds", f"ci:{token}", f"oci:{app.path('image')}:one", there)
    told = json.loads(skopeo("inspect", "--tls-verify=false", "--creds", f"any:{token}", there))
    seen("skopeo pushes and inspects an image", told["Name"].endswith("team/app"))
    skopeo("copy", "--src-tls-verify=false", "--src-creds", f"ci:{token}", there, f"oci:{app.path('back')}:one")
    seen("skopeo pulls it again", len(list(app.path("back/blobs/sha256").iterdir())) == 3)
    skopeo("inspect", "--tls-verify=false", "--no-creds", there, ok=False)
    client = Client(gateway)
    answer = client.asks("/v2/")
    seen("without a token /v2/ asks for one (401, Basic)", answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Basic"))
    seen("with it /v2/ answers 200", client.asks("/v2/", headers=basic("ci", token)).status == 200)
    reader = gateway.token("reader", "--method", "GET")
    seen("a token for GET alone pushes nothing (403)", client.asks("/v2/team/app/blobs/uploads/", "POST", basic("ci", reader), b"").status == 403)
