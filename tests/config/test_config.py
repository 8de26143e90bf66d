import difflib
from pathlib import Path

import pytest
from pydantic import BaseModel

from clairo import config
from clairo.errors import ConfigError


def write(folder: Path, text: str) -> str:
    path = folder / "run.toml"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize("name", config.presets())
def test_every_preset_is_a_configuration_that_survives_being_saved(name: str, tmp_path: Path) -> None:
    settings = config.load(name)
    assert config.load(write(tmp_path, config.dump(settings))) == settings


def test_defaults_survive_being_saved(tmp_path: Path) -> None:
    settings = config.parse({}, "nowhere")
    assert config.load(write(tmp_path, config.dump(settings))) == settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[model]\nlayer = 2", ["unknown key 'model.layer'", "'layers'"]),
        ("[modle]\nlayers = 2", ["unknown key 'modle'", "'model'"]),
        ("[embeddings.text]\nencodr = 'tfidf'", ["'embeddings.text.encodr'", "'encoder'"]),
        ("[embeddings.text]\nencoder = 'tfdif'", ["embeddings.text.encoder", "'tfidf'"]),
        ("[model]\nlayers = 'many'", ["model.layers", "'many'", "integer"]),
        ("[model]\nlayers = 0", ["model.layers", "greater than or equal to 1"]),
        ("[model]\ndropout = 1.5", ["model.dropout", "less than or equal to 1"]),
        ("[codes]\nvalues = 100", ["codes", "power of two"]),
        ("[embeddings.text]\nprefix = 'x: '", ["prefix needs encoder", "sentence-transformers"]),
        (
            "[embeddings.text]\nencoder = 'sentence-transformers'\nprefix = 'x'\nprompt_name = 'y'",
            ["embeddings.text", "prefix and prompt_name exclude each other"],
        ),
        ("[embeddings.text]\nencoder = 'offline'\nrevision = 'v1'", ["revision needs encoder"]),
        ("[embeddings.image]\nencoder = 'open-clip'\npooling = 'cls'", ["pooling needs", "timm"]),
        ("[embeddings.image]\nencoder = 'open-clip'\nrevision = 'v1'", ["revision needs", "timm"]),
        (
            "[embeddings.image]\nencoder = 'transformers'\nmodel = 'x'\nweights_file = 'w'",
            ["weights_file needs"],
        ),
        (
            "[embeddings.image]\nencoder = 'timm'\nmodel = 'x'\nweights_file = 'w'\nrevision = 'v1'",
            ["embeddings.image", "weights_file and revision exclude each other"],
        ),
        ("[embeddings.image]\nencoder = 'timm'", ['encoder = "timm" needs model']),
        ("[embeddings.image]\nencoder = 'timm'\nmodel = 'x'\npooling = 'max'", ["pooling", "'mean'"]),
        ("[sequences]\nsplit = 'time'", ["sequences", "validation_from"]),
        ("[model\nlayers = 2", ["not a TOML file", "line 1"]),
        ("seed = -1", ["seed", "greater than or equal to 0"]),
        ("[embeddings.more.audio]\nvectrs = 'a.npy'", ["'embeddings.more.audio.vectrs'", "'vectors'"]),
        ("[embeddings.more.image]\nids = 'a'", ["embeddings", "more.image: this name is taken"]),
        ("[embeddings.more.'a b']\nids = 'a'", ["embeddings.more.a b", "pattern"]),
        ("[fused]\nmode = 'imag'", ["fused.mode: there is no modality 'imag'", "did you mean 'image'"]),
        ("[fused]\nmode = 'smell'", ["fused, separate, both, text, image"]),
        ("[fused]\nwidths = { audio = 3 }", ["fused.widths: there is no modality 'audio'", "text, image"]),
        ("[fused]\nwidths = { text = 0 }", ["fused.widths.text", "greater than or equal to 1"]),
        ("[fused]\nweights = { text = -1 }", ["fused.weights.text", "greater than or equal to 0"]),
        ("[fused]\nmodalities = []", ["fused", "modalities is empty"]),
        ("[fused]\nzeroed = ['text', 'text']", ["fused", "zeroed", "names a modality twice"]),
        ("[fused]\nzeroed = ['text']\nshuffled = ['text']", ["shuffled and zeroed name 'text'"]),
        ("[fused]\nzeroed = ['text']\ntuned = ['image', 'text']", ["tuned and zeroed name 'text'"]),
        ("[fused]\ntuning = { temperature = inf }", ["fused.tuning.temperature", "finite"]),
        ("[fused]\nmodalities = 'text'", ["fused.modalities = 'text'", "should be a list"]),
        ("[fused]\nwidths = 3", ["fused.widths = 3", "should be a table"]),
        ("[codes]\ngroups = { text = 5 }", ["codes.groups.text = 5", "should be a table"]),
        ("[codes.groups.txet]\nbooks = 2", ["codes.groups: there is no group 'txet'", "mean 'text'?"]),
        ("[codes.groups.smell]\nbooks = 2", ["codes.groups", "there are fused, text, image"]),
        ("[codes.groups.text]\nbook = 2", ["'codes.groups.text.book'", "'books'"]),
    ],
)
def test_a_bad_configuration_names_the_option(text: str, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(write(tmp_path, text))
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_name_suggests_the_nearest_preset() -> None:
    with pytest.raises(ConfigError, match="did you mean the preset 'shop'"):
        config.load("shopp")


def test_overrides_are_typed_and_reach_into_tables(tmp_path: Path) -> None:
    path = write(tmp_path, "[model]\nlayers = 2\nheads = 3")
    settings = config.load(
        path, ["model.layers=5", "embeddings.text.encoder=none", "fused.shuffled=['image']"]
    )
    assert (settings.model.layers, settings.model.heads) == (5, 3)
    assert settings.embeddings.text.encoder == "none"
    assert settings.fused.shuffled == ("image",)


@pytest.mark.parametrize("override", ["model.layers", "=3", "seed.x.y=1"])
def test_an_override_that_is_none_is_refused(override: str) -> None:
    with pytest.raises(ConfigError):
        config.load("shop", [override])


def test_paths_start_where_the_user_expects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "[reviews]\nreviews = 'a.json.gz'\n[codes]\nfiles = ['x.json']")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = config.load(path, ["reviews.metadata=m.json.gz"])
    timm = ["embeddings.image.encoder=timm", "embeddings.image.model=test_vit"]
    assert settings.reviews.reviews == tmp_path / "a.json.gz"
    assert settings.codes.files == (tmp_path / "x.json",)
    assert settings.reviews.metadata == elsewhere / "m.json.gz"
    image = config.load(path, ["embeddings.image.weights_file=w.pth", *timm]).embeddings.image
    assert image.weights_file == str(elsewhere / "w.pth")
    assert config.load("gift-cards", data=tmp_path).reviews.reviews == tmp_path / "Gift_Cards_5.json.gz"


def test_content_leaves_out_where_files_lie_and_what_only_changes_speed() -> None:
    one = config.load("gift-cards", ["vocabulary.threads=1"], data=Path("/here"))
    two = config.load("gift-cards", ["vocabulary.threads=2"], data=Path("/there"))
    assert one != two
    assert config.content(one.reviews) == config.content(two.reviews)
    assert config.content(one.vocabulary) == config.content(two.vocabulary)
    assert config.content(one.reviews)["shop"]["items"] == one.reviews.shop.items


def test_further_modalities_are_known_by_name_and_their_files_lie_beside_the_configuration(
    tmp_path: Path,
) -> None:
    more = "[embeddings.more.video]\n[embeddings.more.audio]\nvectors = 'a.npy'\nids = 'a.txt'\n"
    path = write(tmp_path, more + "[fused]\nmode = 'audio'\nwidths = { audio = 3, text = 5 }\n")
    settings = config.load(path, ["fused.widths.audio=4"])
    assert settings.embeddings.modalities == ("text", "image", "audio", "video")
    assert settings.embeddings.more["audio"].vectors == tmp_path / "a.npy"
    assert settings.fused.widths == {"audio": 4, "text": 5}
    (tmp_path / "saved").mkdir()
    assert config.load(write(tmp_path / "saved", config.dump(settings))) == settings
    elsewhere = config.load(path, ["embeddings.more.audio.vectors=/there/b.npy", "fused.widths.audio=4"])
    assert config.content(elsewhere.embeddings) == config.content(settings.embeddings)
    assert config.content(settings.embeddings)["more"] == {
        "audio": {"encoder": "file"},
        "video": {"encoder": "file", "vectors": None, "ids": None},
    }


def models(model: type[BaseModel], name: str = "") -> list[tuple[str, type[BaseModel]]]:
    found = [(name, model)]
    for field, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found += models(info.annotation, f"{name}.{field}")
    return found


def test_every_option_is_documented() -> None:
    for name, model in models(config.Config):
        for field, info in model.model_fields.items():
            nested = isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
            assert info.description or (nested and name == ""), f"{name}.{field} has no words"


def test_suggestions_come_from_the_section_itself() -> None:
    assert difflib.get_close_matches("lern_rate", list(config.ModelConfig.model_fields))
    with pytest.raises(ConfigError, match="did you mean 'learning_rate'"):
        config.parse({"model": {"lern_rate": 0.1}}, "x")


def test_how_pictures_are_downloaded_is_no_part_of_what_a_section_says() -> None:
    def said(**options: object) -> object:
        image = {"download": {"enabled": True, **options}}
        return config.content(config.parse({"embeddings": {"image": image}}, "here").embeddings)

    assert said() == said(concurrency=1, private_networks=["10.0.0.0/8"], max_bytes=1)
    assert said() == config.content(config.Config().embeddings)
