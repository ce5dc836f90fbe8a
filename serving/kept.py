"""The parts of every publication that a decision of its days is replayed with, kept under var/kept when the publication itself is deleted.

`var/kept/publications/<hash>.json` is its manifest; `var/kept/parts/<sha256>.gz` are its catalogue, context and policy, each named by what it says, so that
what did not change from one publication to the next is there once. The book, which is large and about persons, is not kept.
"""

import gzip
import hashlib
import json
import os
from pathlib import Path

import msgspec

from features.catalogue import Catalogue
from features.context import Context
from features.errors import RiskError
from models.policy import parse_policy

# Part of a publication to its file; the manifest's `files` has the sha256 of each.
FILES = {"catalogue": "catalogue.json", "context": "context.json", "policy": "policy.yaml"}


class PublicationDamaged(RiskError):
    """A part of what is published is gone or cannot be read."""


class Parts:
    """What a publication says beside its book; a subclass has `manifest`, `hash` and `_content(part)`, the bytes of a part of FILES."""

    @property
    def as_of(self):
        """ISO moment of the book: nothing known later is in it."""
        return self.manifest["as_of"]

    def columns(self):
        """Columns of the source's tables, {table: {column: kind}}, as far as the publication says; otherwise those its features read."""
        return self.manifest.get("columns") or self.catalogue().needs

    def catalogue(self):
        """The Catalogue the book's features were computed by."""
        return Catalogue.from_dict(self._decoded("catalogue"))

    def context(self):
        """The Context the book was compared with."""
        return Context.from_rows(self._decoded("context"))

    def policy(self):
        """The Policy in force."""
        return parse_policy(self.policy_text())

    def policy_text(self):
        """The policy as it was written."""
        return self._content("policy").decode("utf-8")

    def _decoded(self, part):
        return decoded(self._content(part), f"The {part} of the publication {self.hash[:12]}")


class Kept(Parts):
    """A past publication without its book."""

    def __init__(self, var, publication):
        """publication: its hash. Raises PublicationDamaged when it was not kept or its manifest is not the one of that hash."""
        self._home, self.hash = Path(var) / "kept", publication
        path = self._home / "publications" / f"{publication}.json"
        self.manifest = decoded(_read(path), path)
        if manifest_hash(self.manifest) != publication:
            raise PublicationDamaged(f"{path} is not the publication {publication[:12]}; restore it from a backup.")

    def _content(self, part):
        return _unpacked(_part_path(self._home, self.manifest["files"][part]))


def keep(var, folder, manifest):
    """Keep the parts of a publication in `folder` for good; what is there already stays, and the manifest comes last.

    Raises PublicationDamaged for a part that is not what its manifest says.
    """
    home, name = Path(var) / "kept", f"{manifest['hash']}.json"
    for part, file in FILES.items():
        path = _part_path(home, manifest["files"][part])
        if not path.is_file():
            _write(path, gzip.compress(_whole(Path(folder) / file, manifest["files"][part]), mtime=0))
    if not (home / "publications" / name).is_file():
        _write(home / "publications" / name, msgspec.json.encode(manifest))


def manifest_hash(manifest):
    """sha256 hex of a manifest without its hash: the publication's name."""
    return hashlib.sha256(msgspec.json.encode({name: value for name, value in manifest.items() if name != "hash"})).hexdigest()


def decoded(content, what):
    """A file's JSON. Raises PublicationDamaged."""
    try:
        return json.loads(content)
    except ValueError as error:
        raise PublicationDamaged(f"{what} cannot be read ({error}); run `risk publish`, or restore it from a backup.") from error


def replace_file(path, content):
    """Write a file beside its place and move it there once it is on the disk."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def _whole(path, digest):
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise PublicationDamaged(f"{path} is not what its publication says; delete {path.parent} and run `risk publish`.")
    return content


def _part_path(home, digest):
    return home / "parts" / f"{digest}.gz"


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)


def _unpacked(path):
    try:
        content = gzip.decompress(_read(path))
    except (OSError, EOFError) as error:
        raise PublicationDamaged(f"{path} cannot be read ({error}); restore it from a backup.") from error
    if hashlib.sha256(content).hexdigest() != path.stem:
        raise PublicationDamaged(f"{path} has another content than its name says; restore it from a backup.")
    return content


def _read(path):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise PublicationDamaged(f"{path} is not there; restore it from a backup.") from None
