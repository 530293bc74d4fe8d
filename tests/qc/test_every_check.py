from __future__ import annotations

import ast
import inspect
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path

import pytest

from qc import checks, types
from qc.checks import all_checks
from qc.judging import checks_of, judge_all
from qc.types import KINDS, Check, Expectations, Limits, Result, Status, check

ROOT = Path(__file__).resolve().parents[2]
FACTS = {
    "script": types.ScriptFacts,
    "image": types.ImageFacts,
    "clip": types.ClipFacts,
    "voiceover": types.VoiceFacts,
    "render": types.RenderFacts,
    "moderation": types.ModerationFacts,
}
MODULES = sorted(path.stem for path in Path(checks.__file__).parent.glob("*.py") if path.stem != "__init__")
every_check = pytest.mark.parametrize("one", all_checks().values(), ids=lambda one: one.name)
every_module = pytest.mark.parametrize("module", MODULES)


def module_of(one: Check) -> str:
    return one.judge.__module__.rpartition(".")[2]


@every_check
def test_file_function_and_name_are_one(one):
    assert module_of(one) == one.judge.__name__ == one.name.replace(".", "_")


@every_module
def test_every_file_holds_exactly_one_check(module):
    assert [module_of(one) for one in all_checks().values()].count(module) == 1


@every_module
def test_every_check_has_a_test_file_and_a_sentence_about_itself(module):
    assert (ROOT / "tests" / "qc" / f"test_{module}.py").exists()
    assert (import_module(f"qc.checks.{module}").__doc__ or "").strip().endswith(".")


@every_module
def test_a_judgement_knows_nothing_but_the_types(module):
    tree = ast.parse((ROOT / "qc" / "checks" / f"{module}.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {"." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else "?" for node in imports}
    assert named == {"__future__", "..types"}


@every_check
def test_every_check_stands_in_the_documentation(one):
    assert f"`{one.name}`" in (ROOT / "docs" / "checks.md").read_text()


@pytest.mark.parametrize("limit", fields(Limits), ids=lambda limit: limit.name)
def test_every_limit_stands_there_with_its_default(limit):
    assert f"`{limit.name}` = {limit.default}" in (ROOT / "docs" / "checks.md").read_text()


@every_check
def test_a_result_says_all_a_reviewer_needs(one):
    asked = Expectations(width=10, height=10, seconds=5, sum_s=5, scenes=1, references=("ab",))
    result = one.judge(FACTS[one.kind](), asked, Limits())
    assert isinstance(result, Result) and result.name == one.name
    assert result.sentence
    if result.status is Status.SKIPPED:
        assert result.sentence.startswith("not run: ")
    else:
        assert result.measured and result.threshold and result.sentence.endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_one_check_that_says_whether_the_file_could_be_read(kind):
    assert [one.reads for one in checks_of(kind)] == [True] + [False] * (len(checks_of(kind)) - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_of_an_unreadable_file_one_check_fails_and_the_others_are_visibly_not_run(kind):
    facts = FACTS[kind](error="It is broken.")
    first, *others = judge_all(facts, kind=kind, expected=Expectations(), limits=Limits())
    assert (first.status, first.sentence) == (Status.FAILED, "It is broken.")
    assert {(other.status, other.sentence) for other in others} <= {
        (Status.SKIPPED, "not run: the file could not be read")
    }


@pytest.mark.parametrize("limit", [each.name for each in fields(Limits)])
def test_every_limit_is_used_by_a_check_of_its_kind(limit):
    kind = limit.partition("_")[0]
    sources = [inspect.getsource(import_module(one.judge.__module__)) for one in checks_of(kind)]
    assert any(f"limits.{limit}" in source for source in sources)


def test_every_limit_has_a_default_in_code():
    assert all(each.default is not MISSING for each in fields(Limits))


def test_a_second_check_of_the_same_name_is_refused():
    with pytest.raises(ValueError, match="two checks"):
        check("image.decodes", kind="image")(lambda facts, expected, limits: None)


@pytest.mark.parametrize(("name", "kind"), [("film.decodes", "film"), ("image.decodes", "clip")])
def test_a_check_is_named_after_its_kind(name, kind):
    with pytest.raises(ValueError, match="must be named after"):
        check(name, kind=kind)
