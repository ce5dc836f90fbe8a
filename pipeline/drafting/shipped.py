"""The sources that come with the project."""

from pipeline.params import read_yaml
from pipeline.source_file import SourceFile
from pipeline.use import SHIPPED

SIMULATED = "a simulated B2B portfolio, made by the program itself; it reads no files"


def shipped_lines():
    """One line a shipped source, its name and what it holds; those marked * read files that `--data` names."""
    sources = {"simulated": ("", SIMULATED)}
    sources |= {folder.name: ("*", read_yaml(folder / "source.yaml", SourceFile).description) for folder in sorted(SHIPPED.iterdir())
                if (folder / "source.yaml").exists()}
    width = max(map(len, sources)) + 1
    yield from (f"{name + mark:<{width}}  {description}" for name, (mark, description) in sources.items())
    yield "* reads files that are not part of the project: risk use NAME --data PATH"
