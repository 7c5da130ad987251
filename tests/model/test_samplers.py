import pytest

from sdexp.ground.errors import ConfigError
from sdexp.ground.sampling import Sampler
from sdexp.model.samplers import new_sampler

SETTINGS = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_end": 0.012}


@pytest.mark.parametrize("name", list(Sampler))
def test_a_sampler_takes_the_settings_of_the_checkpoint(name: str) -> None:
    sampler = new_sampler(name, SETTINGS)
    assert sampler.config.beta_schedule == "scaled_linear" and sampler.config.beta_end == 0.012
    sampler.set_timesteps(3)
    assert len(sampler.timesteps) in (3, 4)
    assert new_sampler(name, SETTINGS) is not sampler


@pytest.mark.parametrize("name", list(Sampler))
def test_only_one_cannot_begin_from_noise_alone(name: str) -> None:
    settings = SETTINGS | {
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
        "prediction_type": "v_prediction",
    }
    if name == "pndm":
        with pytest.raises(ConfigError, match="evaluation.sampler=pndm: cannot begin from noise"):
            new_sampler(name, settings)
    else:
        sampler = new_sampler(name, settings)
        sampler.set_timesteps(4)
        assert int(sampler.timesteps[0]) == 999
