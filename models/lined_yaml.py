"""YAML rule files read with the line of every field, so that a refusal says where: strict types, no aliases, no key given twice."""

import hashlib
import pathlib
import re

import msgspec
import yaml

from features.errors import RiskError


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a rule file that knows all its fields."""


def read_lined(path, kind, faults, *, prepare=None):
    """Read and validate a rule file. Returns a `kind`; arguments and errors as `parse_lined`. Raises: RiskError naming file, line, field and reason."""
    path = pathlib.Path(path)
    try:
        return parse_lined(path.read_text(encoding="utf-8"), kind, faults, where=path.name, prepare=prepare)
    except OSError as error:
        raise RiskError(f"{path} cannot be read ({error.strerror}); put a {path.name} there") from error
    except UnicodeDecodeError as error:
        raise RiskError(f"{path} is not UTF-8 text ({error.reason}); save it as UTF-8") from error


def parse_lined(text, kind, faults, *, where, prepare=None):
    """Validate a rule file's text as a `kind` (a Closed); `faults` maps that to (path, reason) of everything wrong that types cannot say, in the file's
    order, and the first is reported. `where` names the file. `prepare(value, refusal)` gives the plain values to convert, and may raise
    `refusal(path, reason)`. Raises: RiskError with the line of the offending field."""
    lines = {}

    def refusal(path, reason):
        return RiskError(f"{where} line {_line(lines, '$.' + path)}, field {path}: {reason}")

    try:
        value = _value(_root(text, where), "$", lines, where)
        spec = msgspec.convert(value if prepare is None else prepare(value, refusal), kind)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or error
        raise RiskError(f"{where} line {mark.line + 1 if mark else 1}: {problem}; correct the YAML") from error
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at ")
        at = at.strip("`")
        raise RiskError(f"{where} line {_line(lines, at)}, field {_field(at)}: {message[0].lower()}{message[1:]}") from error
    for path, reason in faults(spec):
        raise refusal(path, reason)
    return spec


def content_hash(spec):
    """sha256 hex of a rule file's content; comments, order of keys and spelling of numbers do not change it."""
    return hashlib.sha256(msgspec.json.encode(spec, order="sorted")).hexdigest()


def _root(text, where):
    # An anchor could make the tree a ring, and a rule file is easier to audit when it says everything in place.
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise RiskError(f"{where} line {event.start_mark.line + 1}: aliases are not allowed; write the value out")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return node if node is not None else yaml.MappingNode("tag:yaml.org,2002:map", [])


def _value(node, path, lines, where):
    """Plain values of a YAML node, noting the line of every path; a key given twice is refused, where YAML would take the last."""
    lines[path] = node.start_mark.line + 1 if node.start_mark else 1
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, f"{path}[{i}]", lines, where) for i, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return yaml.constructor.SafeConstructor().construct_object(node)
    found = {}
    for key, child in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise RiskError(f"{where} line {key.start_mark.line + 1}: a key must be a word")
        if key.value in found:
            raise RiskError(f"{where} line {key.start_mark.line + 1}: {key.value} is given twice; keep one")
        found[key.value] = _value(child, f"{path}.{key.value}", lines, where)
        # A list starts on the line below its name; people look for the name.
        lines[f"{path}.{key.value}"] = key.start_mark.line + 1
    return found


def _line(lines, path):
    while path and path not in lines:
        path = re.sub(r"(\.[^.\[]*|\[[^\]]*\])$", "", path)
    return lines.get(path, 1)


def _field(path):
    return path.removeprefix("$").lstrip(".") or "the file"
