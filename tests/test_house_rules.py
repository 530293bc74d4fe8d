"""Rules of the house that no linter knows: what a page may contain, what a tracked file may name."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("vidbatch_site", "jobs", "qc", "providers")
UNSAFE_IN_TEMPLATES = {
    "the safe filter": re.compile(r"\|\s*safe(seq)?\b"),
    "autoescape off": re.compile(r"autoescape\s+off"),
    "an inline handler": re.compile(r"<[^>]*\s(on[a-z]+|hx-on[:\w-]*)\s*="),
    "an inline style": re.compile(r"<[^>]*\sstyle\s*="),
    "a javascript: link": re.compile(r"javascript:", re.I),
}
UNSAFE_NAMES = {"mark_safe", "html_safe", "SafeData"}
UNSAFE_CALLS = {"SafeString", "SafeText"}  # as annotations they are welcome: format_html returns one
# Written so that they do not match themselves.
MACHINE_PATH = re.compile(
    r"/(?:home|Users)/[a-z]\w*/|/root/\.|/work/(?:main|shared|[.]library)|/opt/(?:pypi|wheels)|/tmp/(?:brief|debian)"
)
INDEX_ADDRESS = re.compile(r"--(?:extra-)?index-url|--find-links|file:/|@ https?:|https?://(?!github\.com)")


def tracked_files() -> list[Path]:
    """Tracked, or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:  # a copy without its repository
        hidden = {".git", ".venv", "data", "staticfiles", "node_modules"}
        paths = [path for path in ROOT.rglob("*") if not hidden & set(path.relative_to(ROOT).parts)]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    raw = path.read_bytes()
    return "" if b"\0" in raw[:8192] else raw.decode("utf-8", errors="replace")


def named(path: Path, text: str, at: int) -> str:
    return f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, at) + 1}"


def found(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    texts = [(path, text_of(path)) for path in paths]
    return [named(path, text, match.start()) for path, text in texts for match in pattern.finditer(text)]


def sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in (ROOT / package).rglob("*.py")]


def templates() -> list[Path]:
    roots = [ROOT / "templates", *(ROOT / package for package in PACKAGES)]
    return [path for root in roots for path in root.rglob("*.html")]


@pytest.mark.parametrize("what", UNSAFE_IN_TEMPLATES)
def test_no_template_has(what):
    assert found(UNSAFE_IN_TEMPLATES[what], templates()) == []


def called(node: ast.AST) -> str:
    function = getattr(node, "func", None)
    return getattr(function, "id", None) or getattr(function, "attr", "")


@pytest.mark.slow
def test_no_source_declares_text_to_be_safe_html():
    places = []
    for path in sources(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "id", None) or getattr(node, "attr", None)
            if isinstance(node, ast.alias):
                name = node.name
            if name in UNSAFE_NAMES or called(node) in UNSAFE_CALLS:
                places.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert places == []


@pytest.mark.slow
def test_format_html_gets_its_pattern_from_the_source_not_from_data():
    places = []
    for path in sources(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in {
                "format_html",
                "format_html_join",
            }:
                continue
            patterns = node.args[: 2 if node.func.id == "format_html_join" else 1]
            if not patterns or not all(isinstance(argument, ast.Constant) for argument in patterns):
                places.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert places == []


def test_views_ask_for_rows_by_user_never_for_all():
    assert found(re.compile(r"objects\.(all|get|filter)\("), sources("jobs/views")) == []


def test_no_file_names_a_path_of_somebodys_machine():
    paths = [path for path in tracked_files() if path != Path(__file__).resolve()]
    assert found(MACHINE_PATH, paths) == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_hold_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text()
    pins = re.findall(r"^[a-z0-9][^\s=]*==\S+", text, re.M)
    assert len(pins) > 20
    assert len(re.findall(r"==\S+.*\\\n    --hash=sha256:", text)) == len(pins)
    assert found(INDEX_ADDRESS, [ROOT / lock]) == []


def test_the_development_lock_holds_all_of_the_other():
    def pins(lock: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9][^\s=]*==[^\s;]+", (ROOT / lock).read_text(), re.M))

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_every_variable_has_a_line_in_env_example():
    example = (ROOT / ".env.example").read_text()
    read = set()
    for path in sources("vidbatch_site", "providers"):
        read |= set(re.findall(r"[\"'](VIDBATCH_[A-Z0-9_]+)[\"']", path.read_text()))
        read |= set(re.findall(r"(?:key|secret)_env = [\"']([A-Z0-9_]+)[\"']", path.read_text()))
    assert {name for name in read if not re.search(rf"^#? ?{name}=", example, re.M)} == set()


def test_env_example_names_no_variable_that_is_not_read():
    text = "\n".join(path.read_text() for path in sources(*PACKAGES))
    listed = re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M)
    assert [name for name in listed if name not in text] == []


@pytest.mark.parametrize(("mark", "folders"), [("browser", ("browser",)), ("chaos", ("chaos", "supervisor"))])
def test_marks_stand_where_make_looks_for_them(mark, folders):
    """`make browser` and `make kills` read these folders only."""
    marked = re.compile(rf"pytest\.mark\.{mark}\b")
    files = {path.relative_to(ROOT / "tests") for path in sources("tests") if marked.search(path.read_text())}
    assert {path.parts[0] for path in files} == set(folders)
    recipes = re.findall(rf'-m "{mark} and not live"(.*)', (ROOT / "Makefile").read_text())
    assert [recipe.split() for recipe in recipes] == [[f"tests/{folder}" for folder in folders]] * 2
