"""What Terraform would refuse of the configuration, and what would open the host or lose its secrets."""

import json
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_interface
from typing import Any

from bongsu.stack.check.model import Finding
from bongsu.stack.check.shapes import words

FOLDER = "terraform/"
_USER_DATA = 16_384
"""Bytes that EC2 takes."""
_BLOCKS = words("terraform provider variable locals data resource output module moved import removed check")
_EXPRESSION = re.compile(r"\$\{((?:[^{}\"]|\"(?:[^\"\\]|\\.)*\"|\{[^{}]*\})*)\}")
_REFERENCE = re.compile(r"(?<![\w.\"])(data\.\w+\.\w+|var\.\w+|local\.\w+|[a-z]+_\w+\.\w+)")
_SECRET = re.compile(r"(?i)(password|token|secret|api_key|private_key)")
_OPEN = "aws_vpc_security_group_ingress_rule"


def check(files: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about ``terraform/`` among these files; none where there is none."""
    documents: dict[str, dict[str, Any]] = {}
    for path, text in sorted(files.items()):
        if path.startswith(FOLDER) and path.endswith(".tf.json"):
            try:
                found = json.loads(text)
            except ValueError as error:
                yield Finding(path, "", f"this is not JSON: {error}")
                continue
            if not isinstance(found, dict):
                yield Finding(path, "", "one mapping is expected")
                continue
            documents[path] = found
    if not documents:
        return
    yield from _blocks(documents)
    yield from _references(documents, _declared(documents))
    yield from _paths(documents, files)
    yield from _provider(documents)
    yield from _variables(documents)
    yield from _resources(documents, files)
    yield from _tunnel(files)


def _blocks(documents: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    seen: dict[tuple[str, ...], str] = {}
    for path, document in documents.items():
        for block in document:
            if block not in _BLOCKS:
                yield Finding(path, block, f"there is no block {block!r}")
        for key in _names(document):
            if key in seen:
                yield Finding(path, ".".join(key), f"this is declared in {seen[key]} too")
            seen[key] = path


def _names(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for block in ("variable", "output", "locals"):
        yield from ((block, name) for name in document.get(block) or {})
    for block in ("resource", "data"):
        for kind, named in (document.get(block) or {}).items():
            yield from ((block, kind, name) for name in named)


def _declared(documents: Mapping[str, dict[str, Any]]) -> set[str]:
    titles = {"variable": "var.", "locals": "local.", "resource": "", "data": "data."}
    return {
        titles[key[0]] + ".".join(key[1:])
        for document in documents.values()
        for key in _names(document)
        if key[0] in titles
    }


def _strings(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield where, value
        case dict():
            for key, part in value.items():
                yield from _strings(part, f"{where}.{key}" if where else str(key))
        case list():
            for index, part in enumerate(value):
                yield from _strings(part, f"{where}[{index}]")


def _references(documents: Mapping[str, dict[str, Any]], declared: set[str]) -> Iterator[Finding]:
    for path, document in documents.items():
        for where, text in _strings(document):
            found = [name for inner in _EXPRESSION.findall(text) for name in _REFERENCE.findall(inner)]
            if re.search(r"\.depends_on\[\d+\]$", where):
                found = [text]
            for name in dict.fromkeys(found):
                if name not in declared:
                    yield Finding(path, where, f"nothing declares {name}")


def _paths(documents: Mapping[str, dict[str, Any]], files: Mapping[str, str]) -> Iterator[Finding]:
    for path, document in documents.items():
        for where, text in _strings(document):
            for name in re.findall(r'file\("\$\{path\.module\}/([^"$]+)"\)', text):
                if f"{FOLDER}{name}" not in files:
                    yield Finding(path, where, f"there is no file {FOLDER}{name}")


def _provider(documents: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    required: dict[str, Any] = {}
    for document in documents.values():
        required |= (document.get("terraform") or {}).get("required_providers") or {}
    for path, document in documents.items():
        for name in document.get("provider") or {}:
            version = (required.get(name) or {}).get("version", "")
            if not re.fullmatch(r"(=|~>)? ?\d+\.\d+(\.\d+)?", version):
                message = f"the provider {name} is not pinned, and its next major version may break this"
                yield Finding(path, f"provider.{name}", message, 'write version = "~> 5.100"')


def _variables(documents: Mapping[str, dict[str, Any]]) -> Iterator[Finding]:
    for path, document in documents.items():
        for name, variable in (document.get("variable") or {}).items():
            if _SECRET.search(name) and not variable.get("ephemeral"):
                message = "the value of a secret would come into the state"
                yield Finding(path, f"variable.{name}", message, "keep it in the Parameter Store")
        kinds = document.get("resource") or {}
        for kind in ("aws_ssm_parameter", "aws_secretsmanager_secret_version"):
            for name in kinds.get(kind) or {}:
                message = "the value of a secret would come into the state"
                yield Finding(path, f"resource.{kind}.{name}", message, "store it with aws ssm put-parameter")


def _resources(documents: Mapping[str, dict[str, Any]], files: Mapping[str, str]) -> Iterator[Finding]:
    for path, document in documents.items():
        kinds = document.get("resource") or {}
        for name, rule in (kinds.get(_OPEN) or {}).items():
            yield from _rule(path, f"resource.{_OPEN}.{name}", rule)
        for name, group in (kinds.get("aws_security_group") or {}).items():
            if group.get("ingress"):
                message = "rules within the group are not checked, and replace those beside it"
                yield Finding(path, f"resource.aws_security_group.{name}.ingress", message, f"use {_OPEN}")
        for name, host in (kinds.get("aws_instance") or {}).items():
            yield from _instance(path, f"resource.aws_instance.{name}", host, files)
        for name, volume in (kinds.get("aws_ebs_volume") or {}).items():
            if volume.get("encrypted") is not True:
                yield Finding(path, f"resource.aws_ebs_volume.{name}", "the volume is not encrypted")
        guarded = {
            str(b.get("bucket")) for b in (kinds.get("aws_s3_bucket_public_access_block") or {}).values()
        }
        for name in kinds.get("aws_s3_bucket") or {}:
            if f"${{aws_s3_bucket.{name}.id}}" not in guarded:
                where = f"resource.aws_s3_bucket.{name}"
                yield Finding(
                    path, where, "the bucket may be opened to everybody", "add a public access block"
                )


def _rule(path: str, where: str, rule: Mapping[str, Any]) -> Iterator[Finding]:
    wireguard = rule.get("ip_protocol") == "udp" and rule.get("from_port") == rule.get("to_port") == 51820
    if not wireguard:
        message = "something other than WireGuard is let in from the internet"
        yield Finding(path, where, message, "people reach the host through the tunnel; remove the rule")


def _instance(path: str, where: str, host: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[Finding]:
    if (host.get("metadata_options") or {}).get("http_tokens") != "required":
        message = "a forged request could read the role's credentials"
        yield Finding(path, f"{where}.metadata_options", message, 'write http_tokens = "required"')
    if (host.get("root_block_device") or {}).get("encrypted") is not True:
        yield Finding(path, f"{where}.root_block_device", "the disk is not encrypted")
    user_data = str(host.get("user_data", ""))
    size = len(user_data.encode())
    for name in re.findall(r'file\("\$\{path\.module\}/([^"$]+)"\)', user_data):
        size += len(files.get(f"{FOLDER}{name}", "").encode())
    if size > _USER_DATA:
        message = f"{size} bytes of user data are more than EC2 takes ({_USER_DATA})"
        yield Finding(path, f"{where}.user_data", message)


def _tunnel(files: Mapping[str, str]) -> Iterator[Finding]:
    path = f"{FOLDER}host/wg0.conf"
    text = files.get(path, "")
    if re.search(r"^\s*PrivateKey\s*=", text, re.MULTILINE):
        yield Finding(path, "Interface", "a private key is written here", "it is made on the host")
    own = re.search(r"^Address = (\S+)$", text, re.MULTILINE)
    if own is None:
        return
    host = ip_interface(own[1])
    seen = {str(host.ip)}
    for address in re.findall(r"^AllowedIPs = ([\d.]+)/32$", text, re.MULTILINE):
        if ip_address(address) not in host.network:
            yield Finding(path, "Peer", f"{address} is not within the tunnel's network {host.network}")
        if address in seen:
            yield Finding(path, "Peer", f"{address} is given twice", "each peer has an address of its own")
        seen.add(address)
