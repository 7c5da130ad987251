"""Metrics and the backbones under them."""

import pytest

from sdexp.ground.errors import ConfigError
from sdexp.launch.compose import compose
from sdexp.recipes import build_recipes

FAULTS = {
    "metric.lpips_gt.backbone=clip": "metric.lpips_gt.backbone=clip: gives no pairs; choose",
    "metric.clip_score.backbone=dinov2": "backbone=dinov2: gives no texts; choose a backbone",
    "metric.fd.backbone=clip_vit_b32": "metric.fd.smallest_effect: none is known over "
    "clip_vit_b32; say which difference would matter by +metric.fd.smallest_effect.clip_vit_b32=",
}


@pytest.mark.parametrize("override", FAULTS)
def test_a_metric_and_its_backbone_fit(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_recipes(compose("train", [override]).config)
    assert FAULTS[override] in str(caught.value) and "\n" not in str(caught.value)


def test_a_frechet_distance_is_called_fid_over_its_own_network_only() -> None:
    words = ["metric=[fid]", "metric.fid.backbone=efficientnet_lite0"]
    with pytest.raises(ConfigError, match="not the network that fid is defined by"):
        build_recipes(compose("train", words).config)
    build_recipes(compose("train", words[:1]).config)
