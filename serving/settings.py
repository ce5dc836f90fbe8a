"""Where the service reads and writes: arguments first, then the environment, then what is published."""

import os
from dataclasses import dataclass
from pathlib import Path

from features.errors import RiskError
from serving.published import published_cases


@dataclass(frozen=True)
class Settings:
    """The var folder, the source and use cases whose pointers are followed, and the database (a URL or a SQLite file's path)."""

    source: str
    use_cases: tuple
    var: Path
    database: str | Path

    @classmethod
    def from_environment(cls, *, var=None, source=None, use_cases=None, database=None, env=os.environ):
        """Settings from arguments or CUSTOMER_RISK_VAR, _SOURCE, _USE_CASES (comma-separated) and _DATABASE_URL.

        Without them: the folder `var`, the one published source, its published use cases, and `risk.db` in the folder. Raises RiskError when nothing is
        published, or several sources are and none is named.
        """
        var = Path(var or env.get("CUSTOMER_RISK_VAR") or "var")
        cases = published_cases(var)
        source = source or env.get("CUSTOMER_RISK_SOURCE") or _only_source(var, cases)
        asked = use_cases or [name for name in env.get("CUSTOMER_RISK_USE_CASES", "").split(",") if name]
        served = tuple(asked or [use_case for name, use_case in cases if name == source])
        if not served:
            raise RiskError(f"Nothing is published for source {source} under {var / 'published'}; run `risk publish`.")
        return cls(source, served, var, database or env.get("CUSTOMER_RISK_DATABASE_URL") or var / "risk.db")

    def to_environment(self):
        """The variables from which `from_environment` gives these settings again, for another process."""
        return {
            "CUSTOMER_RISK_VAR": str(self.var),
            "CUSTOMER_RISK_SOURCE": self.source,
            "CUSTOMER_RISK_USE_CASES": ",".join(self.use_cases),
            "CUSTOMER_RISK_DATABASE_URL": str(self.database),
        }


def _only_source(var, cases):
    sources = sorted({source for source, _ in cases})
    if not sources:
        raise RiskError(f"Nothing is published under {var / 'published'}; run `risk publish`.")
    if len(sources) > 1:
        raise RiskError(f"Several sources are published ({', '.join(sources)}); name one in CUSTOMER_RISK_SOURCE.")
    return sources[0]
