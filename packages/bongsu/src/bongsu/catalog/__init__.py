"""The catalog: what a user declares, loaded and checked."""

from bongsu.catalog.errors import CatalogError, Place, Problem
from bongsu.catalog.loader import load, loads
from bongsu.catalog.models import Catalog
from bongsu.catalog.resolve import ResolvedService, fleet_queries, resolve

__all__ = [
    "Catalog",
    "CatalogError",
    "Place",
    "Problem",
    "ResolvedService",
    "fleet_queries",
    "load",
    "loads",
    "resolve",
]
