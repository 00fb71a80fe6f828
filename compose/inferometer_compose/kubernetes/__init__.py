"""Manifests of a fleet in Kubernetes, as Kustomize bases and components."""
