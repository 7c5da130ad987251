"""Write the general prompts of the embedded model: `python scripts/build_prompts.py`.

Scenes that neither it nor any embedded data set was drawn from, each in a look that its caption
names: what a model that learns one look without its name can forget.
"""

from sdexp.dataset.scenes import LOOKS, captions, make_scene, name_look
from sdexp.ground.assets import ASSETS

FIRST_SEED = 500_000
COUNT = 100


def main() -> None:
    lines: list[str] = []
    seed = FIRST_SEED
    while len(lines) < COUNT:
        look = LOOKS[len(lines) % len(LOOKS)]
        line = name_look(captions(make_scene(seed))[0], look, prefix=len(lines) % 2 == 0)
        seed += 1
        if line not in lines:
            lines.append(line)
    (ASSETS / "prompts" / "pocket.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
