"""Tests of the source hash of code that is named as `module:OBJECT`."""

from __future__ import annotations

import importlib
import json
import py_compile
import sys
import types
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.core.config import DATASETS, VARIANTS, config_for
from bench.core.errors import UserError
from bench.core.source_hash import source_hash

RESOLVED = {"dataset": "digits", "precision": "fp32", "memory_format": "channels_last", "device": "cpu"}
FINGERPRINTS = Path(__file__).with_name("fingerprints.json")
CODE = '''"""A variant."""
import math
from helper_of_mine import scale

def loss(x):
    """The loss."""
    return scale(x) + math.pi

OBJECT = 1
'''
HELPER = "def scale(x):\n    return 2 * x\n"
VARIANT = """
from dataclasses import replace
from bench.core.config import VARIANTS
from variants.gan import AdversarialObjective
class Mine(AdversarialObjective):
    def generator_loss(self, networks, batch, step):
        terms = super().generator_loss(networks, batch, step)
        return replace(terms, loss=1.0 * terms.loss)
VARIANT = replace(VARIANTS.get("label-smoothed"), name="mine", objective=Mine, version=1)
"""
Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Yield a function that writes modules into a folder of the search path. Each call first unloads the modules of the previous one."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def forget() -> None:
        for name in set(sys.modules) - before:
            if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None) or getattr(sys.modules[name], "__path__", "")):
                del sys.modules[name]

    def write_modules(**sources: str) -> None:
        forget()
        for name, source in sources.items():
            path = tmp_path / (name.replace("__in__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        sys.path_importer_cache.clear()

    yield write_modules
    forget()


def hash_of(name: str) -> str | None:
    importlib.import_module(name.partition(":")[0])
    return source_hash(name)


def test_fingerprints_of_registered_variants_are_what_they_were() -> None:
    """A refactoring changes no fingerprint. A change of results increases the version and records the new fingerprints in the file."""
    recorded = json.loads(FINGERPRINTS.read_text())
    digest = DATASETS.get("digits").digest()
    assert len(recorded) > 40
    assert {name: config_for(name, RESOLVED).fingerprint(data_digest=digest) for name in recorded} == recorded


@pytest.mark.parametrize(
    ("code", "helper"),
    [
        (CODE.replace("    return", "    # why\n    return").replace("scale(x) + math", "(scale( x )\n        + math").replace(".pi", ".pi)"), HELPER),
        (CODE.replace("A variant.", "Another text.").replace("The loss.", "The loss of it."), HELPER),
        (CODE.replace("import math\nfrom helper_of_mine import scale", "from helper_of_mine import scale\nimport math\nimport json"), HELPER),
        (CODE, '"""Helps."""\n# much\n' + HELPER),
    ],
    ids=["comments and formatting", "docstrings", "order of imports, an unused one", "a comment of an imported module"],
)  # fmt: skip
def test_what_changes_no_result_keeps_the_hash(write: Write, code: str, helper: str) -> None:
    write(code_of_mine=CODE, helper_of_mine=HELPER)
    before = hash_of("code_of_mine:OBJECT")
    write(code_of_mine=code, helper_of_mine=helper)
    assert before is not None
    assert hash_of("code_of_mine:OBJECT") == before


@pytest.mark.parametrize(
    ("code", "helper"),
    [
        (CODE.replace("+ math", "- math"), HELPER),
        (CODE.replace("from helper_of_mine import scale", "from helper_of_mine import other as scale"), HELPER),
        (CODE, HELPER.replace("2 * x", "-2 * x")),
        (CODE.replace("+ math.pi", "+ 1"), HELPER),
        (CODE.replace("+ math.pi", "+ 1.0"), HELPER),
    ],
    ids=["a sign", "another function under the same name", "a sign in an imported module", "a number", "a number's type"],
)
def test_what_may_change_a_result_changes_the_hash(write: Write, code: str, helper: str) -> None:
    identities = []
    for now in ((CODE, HELPER), (CODE.replace("+ math.pi", "+ 2"), HELPER), (code, helper + "other = scale\n" * ("other" in code))):
        write(code_of_mine=now[0], helper_of_mine=now[1])
        identities.append(hash_of("code_of_mine:OBJECT"))
    assert len(set(identities)) == 3


PACKAGE = {
    "mine__in____init__": "", "mine__in__variant": "def build():\n    from . import nets\n    return nets\nOBJECT = 1\n",
    "mine__in__nets__in____init__": "from mine.nets.deep import NET", "mine__in__nets__in__deep": "from ..sizes import WIDTH\nNET = WIDTH\n",
    "mine__in__sizes": "import torch\nWIDTH = 1\n", "mine__in__other": "UNUSED = 1\n",
}  # fmt: skip


@pytest.mark.parametrize(
    ("module", "same"),
    [("mine__in__nets__in__deep", False), ("mine__in__sizes", False), ("mine__in____init__", False), ("mine__in__other", True)],
)
def test_a_package_is_followed_through_its_own_imports(write: Write, module: str, same: bool) -> None:
    write(**PACKAGE)
    before = hash_of("mine.variant:OBJECT")
    write(**{**PACKAGE, module: PACKAGE[module] + "\nMORE = 1\n"})
    assert before is not None
    assert (hash_of("mine.variant:OBJECT") == before) is same


def test_packages_of_ours_in_the_same_folder_are_not_followed(write: Write) -> None:
    """The hash ignores ganbench's own packages, which a clone of this repository has beside the user's module."""
    code = "import variants.gan\nOBJECT = variants.gan\n"
    write(code_of_mine=code)
    before = hash_of("code_of_mine:OBJECT")
    write(code_of_mine=code, variants__in__gan="CHANGED = 1\n", variants__in____init__="")
    assert hash_of("code_of_mine:OBJECT") == before


def test_source_in_a_zip_file_is_read(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("zipped_of_mine.py", CODE)
        archive.writestr("helper_of_mine.py", HELPER)
    monkeypatch.syspath_prepend(tmp_path / "packed.zip")
    zipped = hash_of("zipped_of_mine:OBJECT")
    (tmp_path / "packed.zip").rename(tmp_path / "moved.zip")
    write(zipped_of_mine=CODE, helper_of_mine=HELPER)
    assert zipped == hash_of("zipped_of_mine:OBJECT")


def fingerprint(name: str, **settings: object) -> str:
    return config_for(name, {**RESOLVED, **settings}).fingerprint(data_digest="d")


def test_a_changed_sign_in_a_variant_of_the_users_changes_its_fingerprint_and_lineage(write: Write) -> None:
    write(variant_of_mine=VARIANT)
    before = config_for("variant_of_mine:VARIANT", RESOLVED)
    identities = before.fingerprint(data_digest="d"), before.lineage(data_digest="d"), before.source()
    write(variant_of_mine=VARIANT.replace("1.0 *", "-1.0 *"))
    after = config_for("variant_of_mine:VARIANT", RESOLVED)
    now = after.fingerprint(data_digest="d"), after.lineage(data_digest="d"), after.source()
    assert all(one != two for one, two in zip(identities, now, strict=True))
    assert VARIANTS.source("label-smoothed") == ""


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (
            "networks",
            "from variants.networks.dcgan import *\nfrom bench.core.config import NETWORKS\nOBJECT = NETWORKS.get('dcgan')\nFACTOR = 1.0\n",
        ),
        ("recipe.loss", "from variants.losses import LOSSES\nOBJECT = LOSSES.get('hinge')\nFACTOR = 1.0\n"),
    ],
)
def test_networks_and_losses_of_the_users_are_in_the_fingerprint(write: Write, path: str, code: str) -> None:
    write(part_of_mine=code)
    before = fingerprint("dcgan", **{path: "part_of_mine:OBJECT"})
    write(part_of_mine=code.replace("1.0", "-1.0"))
    assert fingerprint("dcgan", **{path: "part_of_mine:OBJECT"}) != before


def compiled(folder: Path, code: str) -> None:
    (folder / "variant_of_mine.py").write_text(code)
    py_compile.compile(str(folder / "variant_of_mine.py"), cfile=str(folder / "variant_of_mine.pyc"))
    (folder / "variant_of_mine.py").unlink()


def typed_into_a_shell(folder: Path, code: str) -> None:
    sys.modules["variant_of_mine"] = types.ModuleType("variant_of_mine")
    exec(code, vars(sys.modules["variant_of_mine"]))


@pytest.mark.parametrize("make", [compiled, typed_into_a_shell])
def test_code_without_source_needs_a_version(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path, str], None]
) -> None:
    write()
    monkeypatch.delitem(sys.modules, "variant_of_mine", raising=False)
    make(tmp_path, VARIANT)
    with pytest.raises(UserError, match=r"'variant_of_mine:VARIANT'.*source.*version"):
        fingerprint("variant_of_mine:VARIANT")
    module = importlib.import_module("variant_of_mine")
    monkeypatch.setattr(module, "VARIANT", replace(module.VARIANT, version=2))
    second = fingerprint("variant_of_mine:VARIANT")
    monkeypatch.setattr(module, "VARIANT", replace(module.VARIANT, version=3))
    assert fingerprint("variant_of_mine:VARIANT") != second
    monkeypatch.delitem(sys.modules, "variant_of_mine")


def test_a_module_that_cannot_be_parsed_is_named(write: Write) -> None:
    write(code_of_mine="def f():\n    import broken_of_mine\nOBJECT = f\n", broken_of_mine="def (:\n")
    with pytest.raises(UserError, match="'broken_of_mine'"):
        hash_of("code_of_mine:OBJECT")
