"""The section [data] of a run's configuration."""

import pytest

from core.config import build
from core.errors import ConfigError
from finetune.data.config import DataConfig, SourceConfig


def test_a_section_of_a_file_becomes_a_configuration():
    config = build(
        DataConfig,
        {
            "targets": 256,
            "sources": [
                {"path": "work/xp3x-tokens/", "weight": 15},
                {"name": "translated", "path": "t", "weight": 47.5, "datasets": {"dolly": 0.2}, "by": "uniform"},
            ],
            "spans": {"share": 0.02},
            "validation": {"hold_out": 0.01},
        },
    )
    assert [source.label for source in config.sources] == ["xp3x-tokens", "translated"]
    assert (config.targets, config.rows, config.spans_share(config.sources[0])) == (256, 256, 0.02)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"input": 5}, r"unknown configuration key input; did you mean inputs\?"),
        ({"sources": [{"path": "a", "weigth": 1}]}, r"sources\[0\]\.weigth; did you mean sources\[0\]\.weight"),
        ({"sources": [{"name": "a"}]}, r"data\.sources 'a': no path"),
        ({"sources": [{"path": "a"}, {"path": "b/a"}]}, "'a' stands there twice"),
        ({"sources": [{"path": "a", "weight": 0}]}, "expected more than 0"),
        ({"sources": [{"path": "a", "datasets": {"x": 0.7, "y": 0.7}}]}, "add up to 1.4: expected 1 at most"),
        ({"sources": [{"path": "a", "datasets": {"x": 15}}]}, r"datasets\.x is 15(\.0)?: expected a share"),
        ({"sources": [{"path": "a", "alpha": 3.3}]}, "mT5's is 0.3"),
        ({"sources": [{"path": "a", "by": "weight"}]}, "size"),
        ({"sources": [{"path": "a", "spans_share": 2}]}, "spans_share is 2"),
        ({"inputs": 1}, r"data\.inputs is 1: expected 2 or more"),
        ({"rows": 0}, r"data\.rows is 0"),
        ({"spans": {"density": 1.5}}, r"data\.spans\.density is 1\.5"),
        ({"spans": {"mean_length": 0}}, r"data\.spans\.mean_length is 0"),
        ({"validation": {"hold_out": 1}}, r"data\.validation\.hold_out is 1"),
    ],
)
def test_what_cannot_be_is_told(values, message):
    with pytest.raises(ConfigError, match=message):
        build(DataConfig, values)


def test_a_source_is_called_by_its_folder_unless_it_has_a_name():
    assert SourceConfig(path="s3://bucket/tokens/").label == "tokens"
