"""What puts the manifests together: ``kustomization.yaml``, and ArgoCD's Application."""

from collections.abc import Iterable, Sequence

from bongsu.stack.files import to_yaml
from bongsu.stack.kubernetes.objects import PART_OF, Object, object_of, unshared
from bongsu.stack.model import Stack

KUSTOMIZATION = "kustomization.yaml"
APPLICATION = "argocd/application.yaml"


def kustomization(resources: Iterable[str], **generators: Sequence[Object]) -> str:
    """It lies above all it names, as kustomize reads nothing from outside its folder."""
    document: Object = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(resources),
    }
    document |= {name: list(entries) for name, entries in generators.items() if entries}
    return to_yaml(unshared(document))


def application(stack: Stack) -> dict[str, str]:
    """ArgoCD's Application, where the catalog says in which repository the manifests lie."""
    place = stack.catalog.kubernetes
    if not place.repository:
        return {}
    spec = {
        "project": "default",
        "source": {"repoURL": place.repository, "path": place.path, "targetRevision": place.revision},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": place.namespace},
        "syncPolicy": {
            "automated": {"prune": True, "selfHeal": True},
            # Dashboards and rules are larger than the annotation in which a client-side apply keeps them.
            "syncOptions": ["CreateNamespace=true", "ServerSideApply=true", "PruneLast=true"],
            "retry": {"limit": 5, "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m"}},
        },
    }
    return {
        APPLICATION: to_yaml(
            object_of(
                "Application",
                f"{stack.catalog.name.lower()}-monitoring".replace("_", "-").replace(".", "-"),
                place.argocd,
                api="argoproj.io/v1alpha1",
                labelled=PART_OF,
                spec=spec,
            )
        )
    }
