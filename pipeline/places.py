"""Where an installation keeps what under `var/`."""

from pathlib import Path

VAR = Path("var")
POLICY = Path("policy.yaml")


def pointer_path(source, use_case):
    """The champion pointer of a source and use case; it holds nothing but the bundle's hash."""
    return VAR / "champion" / f"{source}-{use_case}.json"


def training_path(source, use_case):
    """The file with the training cutoff of a source and use case."""
    return VAR / "training" / f"{source}-{use_case}.yaml"


def watermark_path(source):
    """What DVC cannot see of a source (databases, files elsewhere): `pipeline.watermarks` writes it, stage ingest depends on it."""
    return VAR / "watermarks" / f"{source}.json"


def pages_path(source, use_case):
    """The report pages as published, by the decisions in force; there only while something but the policy decides."""
    return VAR / "reports" / f"{source}-{use_case}"


def bundle_path(bundle):
    """The folder of a bundle that was promoted once."""
    return VAR / "bundles" / bundle


def dossier_path(bundle):
    """Where the dossier of a bundle that was in production once is kept."""
    return VAR / "dossiers" / bundle
