"""One AWS machine behind WireGuard that runs the Compose stack."""

from bongsu.stack.terraform.manifests import render

__all__ = ["render"]
