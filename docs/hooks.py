"""What MkDocs does not do by itself for the site: pages that do not lie in this folder (README,
notebooks, linked source files, API), links that are also valid in the repository, and a check of
every link of the pages that were built.
"""

from __future__ import annotations

import ast
import html.parser
import posixpath
import re
import urllib.parse
from pathlib import Path

import nbconvert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(?<=\]\()[^()\s]+(?=\))")
"""The target of a link or a picture in Markdown."""
SOUND = re.compile(r'<a href="([^"]+\.flac)">([^<]*)</a>')
"""A link to a sound."""
INCLUDED, NOT_IN_NAV = InclusionLevel.INCLUDED, InclusionLevel.NOT_IN_NAV
NOUNS = "nouns"
"""The API page of the modules that lie in no folder."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the API pages to the navigation."""
    config.nav.append({"API": [f"api/{name}.md" for name in api()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that do not lie in this folder."""

    def add(uri: str, content: str | bytes, where: InclusionLevel = INCLUDED) -> None:
        files.append(File.generated(config, uri, content=content, inclusion=where))

    for name, text in api().items():
        add(f"api/{name}.md", text)
    add("README.md", (ROOT / "README.md").read_text())
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text, resources = nbconvert.MarkdownExporter().from_filename(str(path))
        for name, picture in resources["outputs"].items():
            text = text.replace(f"]({name})", f"]({path.stem}_{name})")
            add(f"notebooks/{path.stem}_{name}", picture)
        add(f"notebooks/{path.stem}.md", text)
    pages = [file for file in files if file.src_uri.endswith(".md")]
    for source in sorted({found for file in pages for found in sources(file)}):
        language = "python" if source.endswith(".py") else "text"
        text = (ROOT / source).read_text()
        add(f"source/{source}.md", f"# {source}\n\n````{language}\n{text}\n````\n", NOT_IN_NAV)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links that are valid in the repository into links within the site."""
    own = page.file.src_uri

    def moved(match: re.Match) -> str:
        target, hash, anchor = match[0].partition("#")
        found = in_site(in_repository(own, target)) if target else None
        if found is None:
            return match[0]  # within the page, to another host, or dead, which MkDocs reports
        return posixpath.relpath(found, posixpath.dirname(own) or ".") + hash + anchor

    return LINK.sub(moved, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links to sounds into players."""
    return SOUND.sub(r'<audio controls preload="none" src="\1" title="\2"></audio>', html)


def in_repository(page: str, target: str) -> str:
    """The path in the repository that a link on a page means."""
    if page == "README.md" or page.startswith("notebooks/"):
        folder = posixpath.dirname(page)
    else:
        folder = posixpath.dirname(f"docs/{page}")
    return posixpath.normpath(posixpath.join(folder, urllib.parse.unquote(target)))


def in_site(path: str) -> str | None:
    """The page or file of the site for a file of the repository; None if there is no such file."""
    if path.startswith("..") or not (ROOT / path).is_file():
        return None
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith("notebooks/"):
        return str(Path(path).with_suffix(".md"))
    return path if path == "README.md" else f"source/{path}.md"


def sources(file: File) -> list[str]:
    """The other files of the repository that a page links to."""
    targets = (target.partition("#")[0] for target in LINK.findall(file.content_string))
    paths = [in_repository(file.src_uri, target) for target in targets]
    return [path for path in paths if (in_site(path) or "").startswith("source/")]


def api() -> dict[str, str]:
    """The Markdown of the API pages by name: the public surface, then a page for each chapter.

    The commands are left out: `--help` describes them, in a syntax that is not Markdown.
    """
    package = ROOT / "gan_jax"
    folders = sorted({path.parent.name for path in package.glob("*/__init__.py")} - {"commands"})
    chapters = {NOUNS: sorted(package.glob("*.py"))} | {
        name: sorted((package / name).rglob("*.py")) for name in folders
    }
    pages = {"index": surface(package / "__init__.py")}
    for name, paths in chapters.items():
        modules = [
            ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for path in paths
            if path.stem != "__main__" and ast.get_docstring(ast.parse(path.read_text()))
        ]
        title = "gan_jax" if name == NOUNS else f"gan_jax.{name}"
        parts = "\n".join(f"::: {module}\n" for module in modules if module != "gan_jax")
        pages[name] = f"# {title}\n\n{parts}"
    return pages


def surface(path: Path) -> str:
    """The page of the names that ``import gan_jax`` gives."""
    tree = ast.parse(path.read_text())
    known = next(node for node in tree.body if isinstance(node, ast.If))  # for type checkers
    modules = sorted(
        (node.module, [name.name for name in node.names])
        for node in known.body
        if isinstance(node, ast.ImportFrom) and node.module != "gan_jax"
    )
    rows = [
        f"| `{module}` | {', '.join(f'[`{name}`][{module}.{name}]' for name in names)} |"
        for module, names in modules
    ]
    table = "\n".join(["| module | names |", "| --- | --- |", *rows])
    about, _, example = (ast.get_docstring(tree) or "").partition("\n\n")
    example = re.sub("^>>> ", "", example, flags=re.MULTILINE)
    about = f"{about}\n\n```python\n{example}\n```"
    return f"# Library\n\n{about}\n\nThe public names of `gan_jax`:\n\n{table}\n"


class Links(html.parser.HTMLParser):
    """The anchors and the links of a built page."""

    def __init__(self, text: str):
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self.anchors |= {own.get("id") or "", own.get("name") or ""}
        self.links |= {own.get("href") or "", own.get("src") or ""} - {""}


def on_post_build(config: MkDocsConfig) -> None:
    """Checks every link and picture of the pages, also those that a notebook or a docstring has.

    Raises:
      PluginError: naming the pages with dead links.
    """
    site = Path(config.site_dir)
    pages = {path: Links(path.read_text()) for path in site.rglob("*.html")}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            target, _, anchor = link.partition("#")
            if urllib.parse.urlsplit(link).scheme or target.startswith("/"):
                continue  # another host; the page for missing pages, whose links are absolute
            target = urllib.parse.unquote(target.partition("?")[0])
            found = (path.parent / target).resolve() if target else path
            found = found / "index.html" if found.is_dir() else found
            missing = anchor and found in pages and anchor not in pages[found].anchors
            if missing or not found.exists():
                dead.append(f"{path.relative_to(site)}: {link}")
    if dead:
        raise PluginError("dead links:\n" + "\n".join(sorted(dead)))
