"""What is wrong with the secrets and certificates that a site brings; no sentence quotes a secret."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_LEAST = 16
# Those of tunnels are named after hosts.
_COMPUTED = "tunnel_"
_SETS: tuple[set[str], ...] = (set(), {"ca.crt", "ca.key"}, {"ca.crt", "router.crt", "router.key"})


def secret_problems(provided: Any, roles_dir: str) -> list[str]:
    """What is wrong with `secrets_provided`.

    Parameters
    ----------
    provided
        The mapping, as the inventory gives it, decrypted.
    roles_dir
        Folder of the roles, which declare what secrets there are.
    """
    if not isinstance(provided, Mapping):
        return ["secrets_provided is no mapping; write each secret as NAME: value below it."]
    known = sorted(set(_declared(Path(roles_dir))))
    problems = []
    for name, value in provided.items():
        if name not in known and not str(name).startswith(_COMPUTED):
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
            problems.append(f"secrets_provided: no program has a secret {str(name)!r}; {hint}")
        elif not isinstance(value, str) or len(value) < _LEAST or value != value.strip() or not value.isprintable():
            problems.append(
                f"secrets_provided: {name} must be a text of {_LEAST} printable characters at least, without blanks at "
                "its ends; such as 'openssl rand -hex 24' makes."
            )
    return problems


def _declared(roles: Path) -> Iterator[str]:
    """Names of the secrets in defaults and tasks; those that a role computes are not among them."""
    for path in sorted([roles / "secrets/defaults/main.yml", *roles.glob("*/tasks/*.yml")]):
        documents = yaml_load(path.read_text(encoding="utf-8")) or []
        for each in [documents] if isinstance(documents, Mapping) else documents:
            declared = each.get("vars", each).get("secrets_declared", [])
            yield from (secret["name"] for secret in declared if isinstance(secret, Mapping))


def certificate_problems(provided: Any) -> list[str]:
    """What is wrong with `tls_provided`: file name -> PEM, as the inventory gives it, decrypted."""
    if not isinstance(provided, Mapping) or not all(isinstance(text, str) for text in provided.values()):
        return ["tls_provided is no mapping of file names to PEM; write each as NAME: | below it."]
    if set(provided) not in _SETS:
        return [
            f"tls_provided has {', '.join(sorted(map(str, provided)))}; give ca.crt and ca.key, by which the router's "
            "certificate is signed here, or router.crt and router.key, with the ca.crt of who signed it."
        ]
    read: dict[str, Any] = {}
    problems = []
    for name, text in provided.items():
        try:
            pem = text.encode()
            read[name] = (
                load_pem_private_key(pem, None) if name.endswith(".key") else x509.load_pem_x509_certificate(pem)
            )
        except (ValueError, TypeError):
            problems.append(
                f"tls_provided: {name} is no PEM that could be read, or needs a passphrase; export it without."
            )
    return problems or list(_mismatches(read))


def _mismatches(read: Mapping[str, Any]) -> Iterator[str]:
    for name in ("ca", "router"):
        key, certificate = read.get(f"{name}.key"), read.get(f"{name}.crt")
        if key and certificate and _public(key.public_key()) != _public(certificate.public_key()):
            yield f"tls_provided: {name}.key is not the key of {name}.crt; give both of one pair."
        if certificate and certificate.not_valid_after_utc < datetime.now(UTC):
            yield f"tls_provided: {name}.crt ended on {certificate.not_valid_after_utc:%Y-%m-%d}; bring a new one."
    if "router.crt" in read:
        try:
            read["router.crt"].verify_directly_issued_by(read["ca.crt"])
        except (InvalidSignature, ValueError, TypeError):
            yield "tls_provided: router.crt was not signed by ca.crt; give the certificate of who signed it."


def _public(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters."""
        return {"secret_problems": secret_problems, "certificate_problems": certificate_problems}
