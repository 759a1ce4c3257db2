"""A small Hugging Face Hub look-alike for tests, standard library only.

Speaks the subset of the Hub's HTTP API that huggingface_hub 2.4 and datasets 5.2 use for
create/upload/list/download/delete, with LFS in place of Xet (run clients with
HF_HUB_DISABLE_XET=1).  Not for anything but loopback tests. Not there: Xet, organisations.

    python localhub.py --root DIR --port 0 --port-file FILE
    with LocalHub(root) as hub: os.environ["HF_ENDPOINT"] = hub.url
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import datetime as dt
import fnmatch
import hashlib
import json
import os
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

HEX40 = re.compile(r"^[0-9a-f]{40}$")
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
#: what the server asks to be sent as LFS, whatever its size
LFS_GLOBS = [
    "*.safetensors",
    "*.bin",
    "*.ckpt",
    "*.pt",
    "*.pth",
    "*.parquet",
    "*.arrow",
    "*.npz",
    "*.npy",
    "*.onnx",
    "*.gz",
    "*.zip",
    "*.pkl",
    "*.h5",
]
LFS_BYTES = 10 * 1024 * 1024
GITATTRIBUTES = "".join(f"{g} filter=lfs diff=lfs merge=lfs -text\n" for g in LFS_GLOBS)


def git_blob_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def now() -> str:
    return dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class HubError(Exception):
    def __init__(self, status, message, code=None, body=None, headers=None):
        super().__init__(message)
        self.status, self.code, self.body, self.headers = status, code, body, headers or {}


class Store:
    """Repositories as JSON, contents by hash: ROOT/objects/<sha>, ROOT/repos/<kind>/<id>.json."""

    def __init__(self, root):
        self.root = Path(root)
        (self.root / "objects").mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()

    # -- contents
    def obj(self, oid: str) -> Path:
        return self.root / "objects" / oid

    def put(self, oid: str, data: bytes):
        tmp = self.obj(oid + f".{threading.get_ident()}.tmp")
        tmp.write_bytes(data)
        os.replace(tmp, self.obj(oid))

    # -- repositories
    def _file(self, kind, repo_id) -> Path:
        return self.root / "repos" / kind / (repo_id.replace("/", "--") + ".json")

    def load(self, kind, repo_id) -> dict:
        try:
            return json.loads(self._file(kind, repo_id).read_text())
        except FileNotFoundError:
            raise HubError(404, "Repository not found", "RepoNotFound") from None

    def save(self, repo):
        f = self._file(repo["kind"], repo["id"])
        f.parent.mkdir(parents=True, exist_ok=True)
        tmp = f.with_suffix(".tmp")
        tmp.write_text(json.dumps(repo))
        os.replace(tmp, f)

    def all(self, kind):
        d = self.root / "repos" / kind
        return [json.loads(p.read_text()) for p in sorted(d.glob("*.json"))] if d.is_dir() else []

    def create(self, kind, repo_id, private, author):
        with self.lock:
            if self._file(kind, repo_id).exists():
                raise HubError(409, "You already created this repo")
            repo = {
                "kind": kind,
                "id": repo_id,
                "private": private,
                "createdAt": now(),
                "branches": {},
                "tags": {},
                "commits": {},
                "downloads": 0,
            }
            data = GITATTRIBUTES.encode()
            oid = git_blob_sha1(data)
            self.put(oid, data)
            self.commit(repo, "main", "initial commit", "", {".gitattributes": {"oid": oid, "size": len(data)}}, author)
            self.save(repo)
            return repo

    def commit(self, repo, branch, title, message, tree, author):
        parent = repo["branches"].get(branch)
        body = json.dumps([repo["kind"], repo["id"], parent, title, message, tree, now(), author])
        oid = hashlib.sha1(body.encode()).hexdigest()
        repo["commits"][oid] = {
            "parent": parent,
            "title": title,
            "message": message,
            "tree": tree,
            "date": now(),
            "author": author,
        }
        repo["branches"][branch] = oid
        return oid

    def resolve(self, repo, rev) -> str:
        for table in (repo["branches"], repo["tags"]):
            if rev in table:
                return table[rev]
        if HEX40.match(rev) and rev in repo["commits"]:
            return rev
        if re.match(r"^[0-9a-f]{7,39}$", rev):
            hits = [c for c in repo["commits"] if c.startswith(rev)]
            if len(hits) == 1:
                return hits[0]
        raise HubError(404, f"Invalid rev id: {rev}", "RevisionNotFound")


def card_data(store, tree):
    entry = tree.get("README.md")
    if not entry:
        return None
    text = store.obj(entry["oid"]).read_text("utf-8", "replace")
    m = re.match(r"^---\s*\n(.*?)\n---\s*(\n|$)", text, re.S)
    if not m:
        return None
    try:
        import yaml

        data = yaml.safe_load(m.group(1))
        return json.loads(json.dumps(data, default=str)) if isinstance(data, dict) else None
    except Exception:
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "localhub/0"

    # ------------------------------------------------------------ plumbing
    def setup(self):
        super().setup()
        self.server.connections.append(self.connection)

    def log_message(self, fmt, *args):
        if self.server.log:
            self.server.log.write(
                "{} range={}\n".format(fmt % args, self.headers.get("Range") if getattr(self, "headers", None) else None)
            )
            self.server.log.flush()

    def read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            out = bytearray()
            while True:
                n = int(self.rfile.readline().split(b";")[0], 16)
                if n == 0:
                    while self.rfile.readline().strip():
                        pass
                    return bytes(out)
                out += self.rfile.read(n)
                self.rfile.readline()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send(self, status=200, body=b"", headers=None, ctype="application/json; charset=utf-8"):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        h = {"Content-Type": ctype, "Content-Length": str(len(body)), **(headers or {})}
        for k, v in h.items():
            self.send_header(k, v)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def user(self, needed=False):
        auth = self.headers.get("Authorization", "")
        token = auth[7:] if auth.lower().startswith("bearer ") else None
        name = self.server.tokens.get(token)
        if token and not name:
            raise HubError(401, "Invalid credentials in Authorization header")
        if needed and not name:
            raise HubError(401, "Invalid username or password.")
        return name

    def handle_any(self):
        self.server.requests.append((self.command, self.path))
        try:
            u = urlsplit(self.path)
            self.q = dict(parse_qs(u.query, keep_blank_values=True).items())
            self.body = self.read_body() if self.command in ("POST", "PUT", "DELETE") else b""
            for method, rx, fn in ROUTES:
                if self.command in method and (m := rx.fullmatch(u.path)):
                    return fn(self, **{k: unquote(v) if v is not None else None for k, v in m.groupdict().items()})
            raise HubError(404, "Not Found")
        except HubError as e:
            h = {"X-Error-Message": str(e), **e.headers}
            if e.code:
                h["X-Error-Code"] = e.code
            self.send(e.status, e.body if e.body is not None else {"error": str(e)}, h)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as e:  # a test server should say what broke
            import traceback

            traceback.print_exc()
            self.send(500, {"error": repr(e)}, {"X-Error-Message": repr(e)[:200]})

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    @property
    def store(self) -> Store:
        return self.server.store

    def json(self):
        return json.loads(self.body or b"{}")

    def repo(self, kind, id, write=False):
        who = self.user(needed=write)
        repo = self.store.load(KINDS[kind], id)
        if (write or repo["private"]) and who != id.split("/")[0] and who not in self.server.admins:
            if (repo["private"] and not write) or who is None:
                raise HubError(401 if who is None else 404, "Repository not found", "RepoNotFound")
            raise HubError(403, "You don't have the rights to write to this repo")
        return repo

    # ------------------------------------------------------------ accounts, repositories
    def whoami(self):
        name = self.user(needed=True)
        self.send(
            body={
                "type": "user",
                "id": hashlib.sha1(name.encode()).hexdigest()[:24],
                "name": name,
                "fullname": name,
                "email": f"{name}@example.org",
                "emailVerified": True,
                "isPro": False,
                "orgs": [],
                "periodEnd": None,
                "canPay": False,
                "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}},
            }
        )

    def repos_create(self):
        name, p = self.user(needed=True), self.json()
        kind = p.get("type") or "model"
        owner = p.get("organization") or name
        if owner != name and name not in self.server.admins:
            raise HubError(403, f"You don't have the rights to create a {kind} under the namespace {owner!r}")
        repo_id = f"{owner}/{p['name']}"
        private = p.get("visibility") == "private" or bool(p.get("private"))
        prefix = "" if kind == "model" else kind + "s/"
        url = f"{self.server.url}/{prefix}{repo_id}"
        try:
            self.store.create(kind, repo_id, private, name)
        except HubError as e:
            raise HubError(409, str(e), body={"error": str(e), "url": url}) from None
        self.send(body={"url": url, "name": repo_id, "id": repo_id, "private": private})

    def repos_delete(self):
        p = self.json()
        kind, repo_id = p.get("type") or "model", f"{p.get('organization') or self.user(True)}/{p['name']}"
        self.repo(kind + "s", repo_id, write=True)
        self.store._file(kind, repo_id).unlink()
        self.send(body={})

    def settings(self, kind, id):
        with self.store.lock:
            repo, p = self.repo(kind, id, write=True), self.json()
            if "private" in p or "visibility" in p:
                repo["private"] = p.get("visibility", "private" if p.get("private") else "public") == "private"
            self.store.save(repo)
        self.send(body={"private": repo["private"]})

    def validate_yaml(self):
        text = self.json()["content"]
        m = re.match(r"^---\s*\n(.*?)\n---\s*(\n|$)", text, re.S)
        if not m:
            return self.send(body={"warnings": [{"message": "empty or missing yaml metadata in repo card"}], "errors": []})
        try:
            import yaml

            data = yaml.safe_load(m.group(1))
            if not isinstance(data, dict):
                raise ValueError("metadata must be a mapping")
        except ImportError:
            pass
        except Exception as e:
            raise HubError(400, "bad yaml", body={"errors": [{"message": str(e)}], "warnings": []}) from None
        self.send(body={"warnings": [], "errors": []})

    def info_dict(self, repo, rev="main", blobs=False, full=True):
        sha = self.store.resolve(repo, rev)
        c = repo["commits"][sha]
        card = card_data(self.store, c["tree"]) if full else None
        tags = [
            t
            for k in ("tags", "language", "license", "datasets", "pipeline_tag", "library_name")
            for v in [(card or {}).get(k)]
            if v
            for t in ([str(x) for x in v] if isinstance(v, list) else [str(v)])
        ]
        out = {
            "_id": hashlib.sha1(repo["id"].encode()).hexdigest()[:24],
            "id": repo["id"],
            "sha": sha,
            "author": repo["id"].split("/")[0],
            "private": repo["private"],
            "gated": False,
            "disabled": False,
            "lastModified": c["date"],
            "createdAt": repo["createdAt"],
            "downloads": repo["downloads"],
            "likes": 0,
            "tags": tags,
            "usedStorage": sum(e["size"] for e in c["tree"].values()),
            "siblings": [],
        }
        if repo["kind"] == "model":
            out["modelId"] = repo["id"]
        if card:
            out["cardData"] = card
            for k in ("pipeline_tag", "library_name"):
                if card.get(k):
                    out[k] = card[k]
            if card.get("model-index"):
                out["model-index"] = card["model-index"]
        for path, e in sorted(c["tree"].items()):
            s = {"rfilename": path}
            if blobs:
                s.update(size=e["size"], blobId=e["oid"])
                if "sha256" in e:
                    s["lfs"] = {
                        "sha256": e["sha256"],
                        "size": e["size"],
                        "pointerSize": len(lfs_pointer(e["sha256"], e["size"])),
                    }
            out["siblings"].append(s)
        return out

    def info(self, kind, id, rev=None):
        repo = self.repo(kind, id)
        self.send(body=self.info_dict(repo, rev or "main", blobs="blobs" in self.q))

    def listing(self, kind):
        who = self.user()

        def one(k):
            return (self.q.get(k) or [None])[0]

        out = []
        for r in self.store.all(KINDS[kind]):
            if r["private"] and r["id"].split("/")[0] != who:
                continue
            if one("author") and r["id"].split("/")[0] != one("author"):
                continue
            if one("search") and one("search").lower() not in r["id"].lower():
                continue
            d = self.info_dict(r)
            if any(f not in d["tags"] for f in self.q.get("filter", [])):
                continue
            out.append(d)
        lim = int(one("limit") or 1000)
        self.send(body=out[:lim])

    # ------------------------------------------------------------ trees
    def entry(self, path, e):
        d = {"type": "file", "path": path, "size": e["size"], "oid": e["oid"]}
        if "sha256" in e:
            d["lfs"] = {"oid": e["sha256"], "size": e["size"], "pointerSize": len(lfs_pointer(e["sha256"], e["size"]))}
        return d

    @staticmethod
    def folder(tree, path):
        inside = sorted((p, e["oid"]) for p, e in tree.items() if p.startswith(path + "/"))
        return (
            {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(json.dumps(inside).encode()).hexdigest()}
            if inside
            else None
        )

    def expand(self, repo, sha, items):
        if (self.q.get("expand") or ["false"])[0].lower() in ("true", "1"):
            for d in items:
                d["lastCommit"] = self.last_commit(repo, sha, d["path"], d["oid"])
        return items

    def last_commit(self, repo, sha, path, oid):
        """newest commit that still gives `path` this oid while its parent does not"""

        def oid_at(c):
            t = repo["commits"][c]["tree"]
            e = t.get(path) or self.folder(t, path)
            return e and e["oid"]

        while (p := repo["commits"][sha]["parent"]) and oid_at(p) == oid:
            sha = p
        c = repo["commits"][sha]
        return {"id": sha, "title": c["title"], "date": c["date"]}

    def tree(self, kind, id, rev, path=None):
        repo = self.repo(kind, id)
        sha = self.store.resolve(repo, rev)
        t = repo["commits"][sha]["tree"]
        base = path.strip("/") + "/" if path and path.strip("/") else ""
        recursive = (self.q.get("recursive") or ["false"])[0].lower() in ("true", "1")
        if base and not any(p.startswith(base) for p in t):
            raise HubError(404, f"{path} does not exist on {rev!r}", "EntryNotFound")
        names, dirs = [], set()
        for p in t:
            if p.startswith(base):
                parts = p[len(base) :].split("/")
                for i in range(1, len(parts)):
                    if recursive or i == 1:
                        dirs.add(base + "/".join(parts[:i]))
                if recursive or len(parts) == 1:
                    names.append(p)
        items = [self.folder(t, d) for d in dirs] + [self.entry(p, t[p]) for p in names]
        items.sort(key=lambda d: d["path"])
        start, lim = int((self.q.get("cursor") or ["0"])[0]), int((self.q.get("limit") or [self.server.page])[0])
        headers = {"X-Repo-Commit": sha}
        if start + lim < len(items):
            q = "&".join(f"{k}={quote(v[0])}" for k, v in self.q.items() if k != "cursor")
            headers["Link"] = f'<{self.server.url}{urlsplit(self.path).path}?{q}&cursor={start + lim}>; rel="next"'
        self.send(body=self.expand(repo, sha, items[start : start + lim]), headers=headers)

    def paths_info(self, kind, id, rev):
        repo = self.repo(kind, id)
        sha = self.store.resolve(repo, rev)
        t = repo["commits"][sha]["tree"]
        if "json" in self.headers.get("Content-Type", ""):
            p = self.json()
            paths, exp = p["paths"], p.get("expand")
            paths = [paths] if isinstance(paths, str) else paths
        else:
            p = parse_qs(self.body.decode(), keep_blank_values=True)
            paths, exp = p.get("paths", []), (p.get("expand") or ["false"])[0]
        self.q["expand"] = [str(exp)]
        out = []
        for path in paths:
            path = path.strip("/")
            d = self.entry(path, t[path]) if path in t else self.folder(t, path)
            if d:
                out.append(d)
        self.send(body=self.expand(repo, sha, out))

    # ------------------------------------------------------------ refs, history
    def refs(self, kind, id):
        r = self.repo(kind, id)
        out = {
            "branches": [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, c in r["branches"].items()],
            "tags": [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": c} for n, c in r["tags"].items()],
            "converts": [],
        }
        if "include_prs" in self.q:
            out["pullRequests"] = []
        self.send(body=out)

    def commits(self, kind, id, rev):
        r = self.repo(kind, id)
        c, out = self.store.resolve(r, rev), []
        while c:
            d = r["commits"][c]
            out.append(
                {
                    "id": c,
                    "title": d["title"],
                    "message": d["message"],
                    "date": d["date"],
                    "authors": [{"user": d["author"]}],
                    "parents": [d["parent"]] if d["parent"] else [],
                }
            )
            c = d["parent"]
        self.send(body=out, headers={"X-Total-Count": str(len(out))})

    def ref_change(self, kind, id, rev, what):
        with self.store.lock:
            r = self.repo(kind, id, write=True)
            table = r["branches"] if what == "branch" else r["tags"]
            if self.command == "DELETE":
                if rev not in table:
                    raise HubError(404, f"no such {what} {rev}", "RevisionNotFound")
                del table[rev]
            else:
                p = self.json()
                name = rev if what == "branch" else p["tag"]
                start = (p.get("startingPoint") or "main") if what == "branch" else rev
                if name in table:
                    raise HubError(409, f"{what.title()} already exists")
                table[name] = self.store.resolve(r, start)
            self.store.save(r)
        self.send(body={})

    # ------------------------------------------------------------ uploads
    def preupload(self, kind, id, rev):
        repo, p = self.repo(kind, id, write=True), self.json()
        tree = repo["commits"][self.store.resolve(repo, rev)]["tree"]
        ignore = [g.strip() for g in (p.get("gitIgnore") or "").splitlines() if g.strip() and not g.startswith("#")]
        files = []
        for f in p["files"]:
            path, sample = f["path"], base64.b64decode(f["sample"])
            name = path.rsplit("/", 1)[-1]
            big = f["size"] >= LFS_BYTES or any(fnmatch.fnmatch(name, g) for g in LFS_GLOBS) or b"\0" in sample
            d = {
                "path": path,
                "uploadMode": "lfs" if big and f["size"] else "regular",
                "shouldIgnore": any(fnmatch.fnmatch(path, g) or fnmatch.fnmatch(name, g) for g in ignore),
            }
            if path in tree:  # what the client compares with to drop files that did not change
                d["oid"] = tree[path].get("sha256") or tree[path]["oid"]
            files.append(d)
        self.send(body={"files": files, "commitOid": self.store.resolve(repo, rev)})

    def lfs_batch(self, kind, id):
        kind = (kind or "models/").rstrip("/")
        self.repo(kind, id, write=True)
        p, prefix = self.json(), f"{self.server.url}/_lfs"
        objs = []
        for o in p["objects"]:
            d = {"oid": o["oid"], "size": o["size"]}
            if not self.store.obj(o["oid"]).exists():
                verify = {"href": f"{prefix}/verify", "header": {}}
                up = {"href": f"{prefix}/{o['oid']}", "header": {}}
                part = self.server.multipart_bytes
                if part and o["size"] > part and "multipart" in p.get("transfers", []):
                    n = -(-o["size"] // part)
                    up = {
                        "href": f"{prefix}/{o['oid']}/complete",
                        "header": {
                            "chunk_size": str(part),
                            **{f"{i:05d}": f"{prefix}/{o['oid']}/part/{i}" for i in range(1, n + 1)},
                        },
                    }
                d.update(authenticated=True, actions={"upload": up, "verify": verify})
            objs.append(d)
        self.send(body={"transfer": "basic", "objects": objs}, ctype="application/vnd.git-lfs+json")

    def lfs_put(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise HubError(400, "content does not have that sha256")
        self.store.put(oid, self.body)
        self.send(200)

    def lfs_part(self, oid, n):
        self.store.put(f"{oid}.part{int(n)}", self.body)
        self.send(200, headers={"ETag": f'"{hashlib.md5(self.body).hexdigest()}"'})

    def lfs_complete(self, oid):
        parts = sorted(self.json()["parts"], key=lambda p: p["partNumber"])
        data = b"".join(self.store.obj(f"{oid}.part{p['partNumber']}").read_bytes() for p in parts)
        if hashlib.sha256(data).hexdigest() != oid:
            raise HubError(400, "parts do not add up")
        self.store.put(oid, data)
        for p in parts:
            self.store.obj(f"{oid}.part{p['partNumber']}").unlink()
        self.send(body={"success": True})

    def lfs_verify(self):
        p = self.json()
        f = self.store.obj(p["oid"])
        if not f.exists() or f.stat().st_size != p["size"]:
            raise HubError(404, "object missing or of another size")
        self.send(body={})

    def commit(self, kind, id, rev):
        with self.store.lock:
            repo = self.repo(kind, id, write=True)
            branch = rev
            if branch not in repo["branches"]:
                raise HubError(404, f"no branch {rev}", "RevisionNotFound")
            parent, request = repo["branches"][branch], None
            if "create_pr" in self.q:
                request = 1 + sum(name.startswith("refs/pr/") for name in repo["branches"])
                branch = f"refs/pr/{request}"
                repo["branches"][branch] = parent
            tree = dict(repo["commits"][parent]["tree"])
            title = message = ""
            for line in self.body.splitlines():
                if not line.strip():
                    continue
                item = json.loads(line)
                key, v = item["key"], item["value"]
                if key == "header":
                    title, message = v["summary"], v.get("description", "")
                    want = v.get("parentCommit")
                    if want and not parent.startswith(want):
                        raise HubError(412, "A commit has happened since. Please refresh and try again.")
                elif key == "file":
                    data = base64.b64decode(v["content"]) if v.get("encoding") == "base64" else v["content"].encode()
                    oid = git_blob_sha1(data)
                    self.store.put(oid, data)
                    tree[v["path"]] = {"oid": oid, "size": len(data)}
                elif key == "lfsFile":
                    f = self.store.obj(v["oid"])
                    if not f.exists():
                        raise HubError(400, f"LFS object {v['oid']} was not uploaded")
                    size = f.stat().st_size
                    tree[v["path"]] = {"oid": git_blob_sha1(lfs_pointer(v["oid"], size)), "size": size, "sha256": v["oid"]}
                elif key == "deletedFile":
                    if v["path"] not in tree:
                        raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
                    del tree[v["path"]]
                elif key == "deletedFolder":
                    base = v["path"].rstrip("/") + "/"
                    gone = [p for p in tree if p.startswith(base)]
                    if not gone:
                        raise HubError(404, "A folder with this name doesn't exist", "EntryNotFound")
                    for p in gone:
                        del tree[p]
                else:
                    raise HubError(400, f"unknown operation {key}")
            oid = self.store.commit(repo, branch, title, message, tree, self.user())
            self.store.save(repo)
        prefix = "" if kind == "models" else kind + "/"
        page = f"{self.server.url}/{prefix}{id}"
        body = {"success": True, "commitOid": oid, "commitUrl": f"{page}/commit/{oid}", "hookOutput": ""}
        if request:
            body["pullRequestUrl"] = f"{page}/discussions/{request}"
        self.send(body=body)

    # ------------------------------------------------------------ downloads
    def resolve(self, kind, id, rev, path):
        kind = (kind or "models/").rstrip("/")
        repo = self.repo(kind, id)
        sha = self.store.resolve(repo, rev)
        e = repo["commits"][sha]["tree"].get(path)
        if e is None:
            raise HubError(404, "Entry not found", "EntryNotFound", headers={"X-Repo-Commit": sha})
        headers = {
            "X-Repo-Commit": sha,
            "Accept-Ranges": "bytes",
            "Access-Control-Expose-Headers": "*",
            "Content-Disposition": f"inline; filename*=UTF-8''{quote(path.rsplit('/', 1)[-1])}; "
            f'filename="{path.rsplit("/", 1)[-1]}";',
        }
        if "sha256" in e:  # as the Hub does it: 302 to the store, the file's own size and hash in X-Linked-*
            headers.update({"X-Linked-Size": str(e["size"]), "X-Linked-Etag": f'"{e["sha256"]}"', "ETag": f'"{e["oid"]}"'})
            if self.server.cdn:
                # another host name than the endpoint's: the client follows redirects within the Hub's own hosts itself
                # (and would then miss X-Repo-Commit), and takes any other host for a CDN, without the token
                headers["Location"] = f"{self.server.url.replace('127.0.0.1', 'localhost')}/_cdn/{e['sha256']}"
                return self.send(302, b"", headers, "text/plain")
            return self.blob(e["sha256"], headers, e["sha256"])
        headers["ETag"] = f'"{e["oid"]}"'
        self.blob(e["oid"], headers, e["oid"])

    def cdn(self, oid):
        self.blob(oid, {"Accept-Ranges": "bytes", "ETag": f'"{oid}"'}, oid)

    def blob(self, oid, headers, etag):
        f = self.store.obj(oid)
        if not f.exists():
            raise HubError(404, "no such object")
        size = f.stat().st_size
        start, end, status = 0, size - 1, 200
        rng = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if rng and size and (rng[1] or rng[2]):
            if rng[1]:
                start, end = int(rng[1]), min(int(rng[2]) if rng[2] else size - 1, size - 1)
            else:
                start = max(0, size - int(rng[2]))
            if start > end:
                return self.send(416, b"", {"Content-Range": f"bytes */{size}"})
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        n = max(0, end - start + 1)
        self.send_response(status)
        for k, v in {"Content-Type": "application/octet-stream", "Content-Length": str(n), **headers}.items():
            self.send_header(k, v)
        self.end_headers()
        if self.command == "HEAD":
            return
        with f.open("rb") as fh:
            fh.seek(start)
            sent = 0
            while sent < n:
                cut = self.server.cut_after  # fault injection: hang up after so many bytes, `cuts` times
                if cut is not None and self.server.cuts > 0 and sent >= cut:
                    self.server.cuts -= 1
                    self.close_connection = True
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                chunk = fh.read(min(self.server.piece if cut is None or self.server.cuts < 1 else cut - sent, n - sent))
                if self.server.slow:
                    time.sleep(0.02)
                self.wfile.write(chunk)
                sent += len(chunk)
                if self.server.watch:
                    self.server.sent += len(chunk)
                    self.server.watch(self.server.sent)


def R(methods, pattern, fn):
    k = r"(?P<kind>models|datasets|spaces)"
    i = r"(?P<id>[^/]+/[^/]+)"
    d = r"(?P<kind>(?:datasets|spaces)/)?"
    return (
        set(methods.split("|")),
        re.compile(
            pattern.replace("{K}", k)
            .replace("{I}", i)
            .replace("{P}", d)
            .replace("{R}", r"(?P<rev>[^/]+|refs/(?:pr|convert|heads|tags)/[^/]+)")
        ),
        fn,
    )


H = Handler
ROUTES = [
    R("GET", "/api/whoami-v2", H.whoami),
    R("POST", "/api/repos/create", H.repos_create),
    R("DELETE", "/api/repos/delete", H.repos_delete),
    R("POST", "/api/validate-yaml", H.validate_yaml),
    R("GET", "/api/{K}", H.listing),
    R("GET", "/api/{K}/{I}", H.info),
    R("GET", "/api/{K}/{I}/revision/{R}", H.info),
    R("PUT", "/api/{K}/{I}/settings", H.settings),
    R("GET", "/api/{K}/{I}/tree/{R}(?:/(?P<path>.*))?", H.tree),
    R("POST", "/api/{K}/{I}/paths-info/{R}", H.paths_info),
    R("GET", "/api/{K}/{I}/refs", H.refs),
    R("GET", "/api/{K}/{I}/commits/{R}", H.commits),
    R("POST|DELETE", "/api/{K}/{I}/(?P<what>branch|tag)/{R}", H.ref_change),
    R("POST", "/api/{K}/{I}/preupload/{R}", H.preupload),
    R("POST", "/api/{K}/{I}/commit/{R}", H.commit),
    R("POST", r"/{P}(?P<id>[^/]+/[^/]+?)\.git/info/lfs/objects/batch", H.lfs_batch),
    R("PUT", "/_lfs/(?P<oid>[0-9a-f]{64})", H.lfs_put),
    R("PUT", "/_lfs/(?P<oid>[0-9a-f]{64})/part/(?P<n>[0-9]+)", H.lfs_part),
    R("POST", "/_lfs/(?P<oid>[0-9a-f]{64})/complete", H.lfs_complete),
    R("POST", "/_lfs/verify", H.lfs_verify),
    R("GET|HEAD", "/_cdn/(?P<oid>[0-9a-f]{64})", H.cdn),
    R("GET|HEAD", "/{P}{I}/resolve/{R}/(?P<path>.+)", H.resolve),
]


class LocalHub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, root, port=0, tokens=None, log=None, cdn=True, multipart_bytes=None, page=1000):
        super().__init__(("127.0.0.1", port), Handler)
        self.store = Store(root)
        self.tokens = tokens or {"hf_test": "tester"}
        self.admins, self.log, self.cdn = set(), log, cdn
        self.multipart_bytes, self.page = multipart_bytes, page
        self.cut_after, self.cuts, self.slow, self.requests = None, 0, False, []
        self.stopped, self.connections, self.watch, self.piece, self.sent = False, [], None, 65536, 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def head(self, repo_id, branch="main", kind="model"):
        """the commit that a branch stands at"""
        return self.store.load(kind, repo_id)["branches"][branch]

    def stop(self):
        """gone: no connection is answered any more"""
        if not self.stopped:
            self.stopped = True
            self.shutdown()
            self.server_close()
            for connection in list(self.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.stop()


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", required=True)
    ap.add_argument("--port", type=int, default=0)
    ap.add_argument("--port-file")
    ap.add_argument("--log")
    ap.add_argument("--token", action="append", default=[], help="token=user")
    ap.add_argument("--multipart-bytes", type=int)
    a = ap.parse_args()
    hub = LocalHub(
        a.root,
        a.port,
        dict(t.split("=", 1) for t in a.token) or None,
        open(a.log, "a") if a.log else None,
        multipart_bytes=a.multipart_bytes,
    )
    if a.port_file:
        Path(a.port_file).write_text(hub.url)
    print(hub.url, flush=True)
    hub.serve_forever()
