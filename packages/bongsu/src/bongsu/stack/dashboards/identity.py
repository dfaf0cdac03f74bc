"""Names of dashboards that never change: links in alerts and bookmarks lead to them."""

import hashlib
import re


def uid(catalog: str, service: str = "") -> str:
    """The uid of a service's dashboard, or of the catalog's overview; at most 40 characters."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{catalog}-{service}").strip("-")[:24].strip("-")
    digest = hashlib.sha256("\0".join((catalog, service)).encode()).hexdigest()
    return f"bongsu-{name}-{digest[:8]}"


def topic_uid(catalog: str, topic: str, service: str = "") -> str:
    """The uid of a topic's dashboard (``http``, ``jvm`` of a service); no service can have the same."""
    return uid(catalog, f"/{topic}/{service}")


def folder(catalog: str) -> str:
    """The folder of the catalog's dashboards and alert rules: ``aegis`` is ``Aegis``."""
    words = [word for word in re.split(r"[\s_.-]+", catalog) if word]
    return " ".join(word[:1].upper() + word[1:] for word in words) or catalog
