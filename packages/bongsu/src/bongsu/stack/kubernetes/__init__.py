"""The stack on Kubernetes: plain manifests, put together by kustomize."""

from bongsu.stack.kubernetes.manifests import render

__all__ = ["render"]
