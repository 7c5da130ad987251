import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import house_rules
import pytest

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / house_rules.PACKAGE

Rule = Callable[[Path], list[str]]

SHORT = "def f():\n    pass\n"
LONG = "def g():\n" + "    pass\n" * 20
TOO_LONG = "def g():\n" + "    pass\n" * 40

# Rule, file, text: each must turn its rule red.
DOWN = house_rules.imports_point_down
BAD = [
    (house_rules.only_doors_at_the_top, "grid.py", "x = 1\n"),
    (DOWN, "model/a.py", "from sdexp.engine.train.trainer import Trainer"),
    (DOWN, "model/a.py", "import sdexp.finetune.lora"),
    (DOWN, "model/a.py", "from sdexp import metric"),
    (DOWN, "model/a.py", "from ..metric import fid"),
    (DOWN, "model/a.py", "def f():\n    import sdexp.train"),
    (DOWN, "metric/a.py", "from sdexp.pages.run.page import x"),
    (DOWN, "engine/a.py", "from sdexp.train import main"),
    (DOWN, "engine/a.py", "from sdexp.engine.train import trainer"),
    (DOWN, "engine/evaluate/a.py", "from sdexp.engine.train import trainer"),
    (DOWN, "engine/a.py", "from sdexp.pages.run import page"),
    (DOWN, "launch/a.py", "from sdexp.engine.train import trainer"),
    (DOWN, "train.py", "from sdexp.engine.train import trainer"),
    (DOWN, "train.py", "from sdexp.evaluate import main"),
    (DOWN, "recipes.py", "from sdexp.launch import job"),
    (DOWN, "worker.py", "from sdexp.launch import job"),
    (DOWN, "ground/a.py", "from sdexp.model.base import AbstractModel"),
    (DOWN, "ground/a.py", "from sdexp.stats import paired"),
    (DOWN, "stats/a.py", "from sdexp.ground.run import RunFolder"),
    (DOWN, "pages/run/page.py", "from sdexp.engine.train import trainer"),
    (DOWN, "pages/run/page.py", "from sdexp.report import main"),
    (DOWN, "pages/run/page.py", "from sdexp.pages.sweep import page"),
    (house_rules.no_cycles, "model/a.py", "def f():\n    import sdexp.model.a2"),
    (house_rules.hydra_stays_upstairs, "engine/a.py", "from omegaconf import OmegaConf"),
    (house_rules.hydra_stays_upstairs, "worker.py", "from omegaconf import OmegaConf"),
    (house_rules.hydra_stays_upstairs, "ground/run.py", "def f():\n    import hydra.utils"),
    (house_rules.nothing_refused, "a.py", "import pickle"),
    (house_rules.nothing_refused, "a.py", "from dill import loads"),
    (house_rules.nothing_refused, "a.py", "torch.load(f)"),
    (house_rules.nothing_refused, "a.py", "torch.load(f, weights_only=False)"),
    (house_rules.nothing_refused, "a.py", "from torch import load"),
    (house_rules.nothing_refused, "a.py", "np.load(f, allow_pickle=True)"),
    (house_rules.nothing_refused, "a.py", "f(trust_remote_code=True)"),
    (house_rules.nothing_refused, "a.py", "f(**{'trust_remote_code': True})"),
    (house_rules.nothing_refused, "a.py", "eval('1')"),
    (house_rules.nothing_refused, "a.py", "exec('1')"),
    (house_rules.nothing_refused, "a.py", "subprocess.run('x', shell=True)"),
    (house_rules.nothing_refused, "a.py", "try:\n    f()\nexcept Exception:\n    pass"),
    (house_rules.nothing_refused, "a.py", "try:\n    f()\nexcept (OSError, Exception):\n    pass"),
    (house_rules.nothing_refused, "a.py", "try:\n    f()\nexcept:\n    pass"),
    (house_rules.nothing_refused, "a.py", "hydra.utils.instantiate(cfg)"),
    (house_rules.nothing_refused, "a.py", "from hydra.utils import instantiate"),
    (house_rules.packages_are_empty, "model/__init__.py", "from x import y"),
    (house_rules.files_are_short, "a.py", "x = 1\n" * 301),
    (house_rules.functions_are_short, "a.py", SHORT * 4 + LONG),
    (house_rules.functions_are_short, "a.py", SHORT * 60 + TOO_LONG),
    (house_rules.nothing_is_packed, "a.py", "x, y = 1, 2\n"),
    (house_rules.nothing_is_packed, "a.py", "x = y = 1\n"),
    (house_rules.nothing_is_packed, "a.py", "x = f(1,\n2)  # fmt: skip\n"),
    (house_rules.every_module_has_tests_of_its_name, "a.py", "x = 1\n"),
    (house_rules.every_module_has_tests_of_its_name, "engine/train/a.py", "x = 1\n"),
]

GOOD = {
    "train.py": "import hydra\nfrom sdexp.launch import compose\n",
    "report.py": "import omegaconf\nfrom sdexp.pages.run.page import x\n",
    "worker.py": "def f():\n    from sdexp.engine.train.trainer import Trainer\n",
    "recipes.py": "from sdexp.model.base import AbstractModel\n",
    "launch/compose.py": "import hydra\nfrom sdexp import recipes\n",
    "pages/run/page.py": "from sdexp.ground.run import RunFolder\n",
    "pages/sweep/page.py": "from sdexp.pages.run.page import x\n",
    "ground/config.py": "from omegaconf import MISSING\n",
    "ground/run.py": "import os\n",
    "engine/train/trainer.py": "from sdexp.model.base import AbstractModel\nmodel.eval()\n",
    "model/__init__.py": "",
    "model/a2.py": "def f():\n    import sdexp.model.a\n",
    "model/base.py": "torch.load(f, weights_only=True)\ntry:\n    f()\nexcept OSError:\n    pass\n",
    "finetune/whole.py": "from sdexp.model.base import LoadedModel\n",
    "metric/fid.py": "from sdexp.stats import distribution\n" + SHORT * 9 + LONG,
    "stats/distribution.py": "import numpy\n",
}


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def house(folder: Path) -> Path:
    """A good package, with a test file for each of its modules."""
    exempt = {*house_rules.UNTESTED, "model/__init__.py"}
    modules = [Path(name) for name in GOOD if name not in exempt]
    tests = {str(path.parent / f"test_{path.name}"): "" for path in modules}
    plant(folder / "tests", tests)
    return plant(folder / house_rules.PACKAGE, GOOD)


@pytest.mark.parametrize("rule", house_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    assert rule(PACKAGE) == []


def test_the_scripts_refuse_the_same() -> None:
    assert house_rules.nothing_refused(CHECKOUT / "scripts") == []


@pytest.mark.parametrize(("rule", "name", "text"), BAD)
def test_a_bad_file_turns_its_rule_red(tmp_path: Path, rule: Rule, name: str, text: str) -> None:
    rooms = (*house_rules.PARTS, "engine", "engine/train", "engine/evaluate", "launch", "pages")
    files = {f"{room}/__init__.py": "" for room in rooms}
    (fault, *_) = rule(plant(house(tmp_path), {**files, name: text}))
    assert fault.startswith(name)


@pytest.mark.parametrize("rule", house_rules.RULES, ids=lambda rule: rule.__name__)
def test_a_good_house_keeps_every_rule(tmp_path: Path, rule: Rule) -> None:
    assert rule(house(tmp_path)) == []


def test_every_exempt_module_is_there_and_has_no_tests(tmp_path: Path) -> None:
    assert all((PACKAGE / name).is_file() for name in house_rules.UNTESTED)
    root = house(tmp_path)
    plant(tmp_path / "tests" / "model", {"test_base.py": ""})
    (fault,) = house_rules.every_module_has_tests_of_its_name(root)
    assert fault == "model/base.py: has tests and stands in UNTESTED"


# All but Hydra: the wheel must show its configuration where nothing else is installed.
HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "numpy",
    "PIL",
    "jinja2",
    "matplotlib",
    "pyarrow",
    "safetensors",
)


def heavy_imports(module: str, folder: Path) -> list[str]:
    """Which of the heavy libraries `import module` loads, in a process of its own."""
    code = f"import sys, {module}; print(*(name for name in {HEAVY} if name in sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("door", house_rules.DOORS)
def test_a_door_opens_without_heavy_libraries(door: str) -> None:
    assert heavy_imports(f"{house_rules.PACKAGE}.{door}", CHECKOUT) == []


def test_a_heavy_door_is_noticed(tmp_path: Path) -> None:
    plant(tmp_path, {"heavy_door.py": "import numpy\n"})
    assert heavy_imports("heavy_door", tmp_path) == ["numpy"]
