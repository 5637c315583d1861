"""Settings of what a team shares: URLs that are not printed, keys, and profiles."""

import os

import pytest

from stagecache.errors import SettingsError
from stagecache.settings import origins, resolve

SECRET = "s3cr3t"
URL = f"redis://me:{SECRET}@cache:6379/0"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A project and a user's own folder of settings."""
    for name in [name for name in os.environ if name.startswith("STAGECACHE_")]:
        monkeypatch.delenv(name)
    for folder in ("project", "config/stagecache"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def write_project(place, text):
    (place / "project" / "pyproject.toml").write_text(text)


def write_user(place, text):
    (place / "config" / "stagecache" / "config.toml").write_text(text)


def test_nothing_is_shared_unless_somebody_says_so():
    found = resolve()
    assert (found.redis, found.store, found.signing_key, found.profile) == (None, None, (), None)
    assert (found.namespace, found.role, found.allow_pickle) == ("stagecache", "writer", False)


def test_what_a_project_shares_can_be_switched_off(place, monkeypatch):
    write_project(place, "[tool.stagecache]\nredis = 'redis://cache'\nstore = 's3://bucket'\n")
    monkeypatch.setenv("STAGECACHE_STORE", "none")
    found = resolve(redis="none")
    assert (found.redis, found.store) == (None, None)


def test_settings_never_show_a_password():
    found = resolve(redis=URL, store="s3://bucket/team")
    assert found.redis == URL
    assert SECRET not in repr(found)
    assert SECRET not in repr(found._asdict())
    assert "redis://cache:6379/0" in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redis", f"ftp://me:{SECRET}@cache"),
        ("redis", f"me:{SECRET}@cache"),
        ("redis", f"s3://{SECRET}@bucket"),
        ("redis", 7),
        ("redis", ""),
        ("store", f"redis://me:{SECRET}@cache"),
        ("store", "/folder"),
        ("namespace", "a/b"),
        ("namespace", ""),
        ("role", "owner"),
        ("allow_pickle", "perhaps"),
        ("signing_key", ""),
    ],
)
def test_an_unusable_value_is_an_error_that_tells_no_password(name, value):
    with pytest.raises(SettingsError, match=rf"^{name} \(argument {name}=\): ") as caught:
        resolve(**{name: value})
    assert SECRET not in str(caught.value)


def test_a_url_can_be_taken_back_by_a_stronger_source(place, monkeypatch):
    write_project(place, f'[tool.stagecache]\nredis = "{URL}"')
    assert resolve().redis == URL
    monkeypatch.setenv("STAGECACHE_REDIS", "none")
    assert resolve().redis is None


def test_keys_are_one_path_or_several(place, monkeypatch):
    assert resolve(signing_key="/k/one").signing_key == ("/k/one",)
    assert resolve(signing_key=["/k/one", "/k/two"]).signing_key == ("/k/one", "/k/two")
    monkeypatch.setenv("STAGECACHE_SIGNING_KEY", os.pathsep.join(["/k/one", "~/two"]))
    assert resolve().signing_key == ("/k/one", os.path.expanduser("~/two"))


def test_pickles_are_shared_only_under_a_key():
    with pytest.raises(SettingsError, match="signing_key"):
        resolve(allow_pickle=True)
    assert resolve(allow_pickle=True, signing_key="/k/one").allow_pickle


def test_a_project_may_not_bring_the_key_that_it_is_believed_by(place):
    write_project(place, '[tool.stagecache]\nsigning_key = "team.key"')
    with pytest.raises(SettingsError, match="lies in the project"):
        resolve()
    write_project(place, '[tool.stagecache]\nsigning_key = "~/team.key"')
    assert resolve().signing_key == (os.path.expanduser("~/team.key"),)


# --- profiles

PROFILES = f"""
[tool.stagecache]
memory = "1 MiB"
jobs = 1

[tool.stagecache.profiles.base]
namespace = "flights"
jobs = 2
compression = "zstd"

[tool.stagecache.profiles.team]
inherits = "base"
redis = "{URL}"
jobs = 3
"""


def test_a_profile_is_nothing_until_it_is_chosen(place):
    write_project(place, PROFILES)
    found = resolve()
    assert (found.redis, found.jobs, found.namespace) == (None, 1, "stagecache")


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_profile_and_what_it_inherits_go_before_the_plain_table(place, monkeypatch, by):
    write_project(place, PROFILES)
    if by == "environment":
        monkeypatch.setenv("STAGECACHE_PROFILE", "team")
    found = resolve(profile="team" if by == "argument" else None)
    assert found.profile == "team"
    assert found.redis == URL
    assert (found.jobs, found.namespace, found.compression) == (3, "flights", "zstd")
    assert found.memory == 1 << 20


def test_arguments_and_environment_go_before_a_profile(place, monkeypatch):
    write_project(place, PROFILES)
    monkeypatch.setenv("STAGECACHE_JOBS", "5")
    found = resolve(profile="team", namespace="mine")
    assert (found.jobs, found.namespace) == (5, "mine")


def test_a_user_may_have_profiles_that_the_project_goes_before(place):
    write_project(place, PROFILES)
    write_user(place, "[profiles.team]\njobs = 7\nexecutor = 'threads'\nmemory = 7")
    found = resolve(profile="team")
    assert (found.jobs, found.executor, found.memory) == (3, "threads", 1 << 20)
    write_user(place, "[profiles.mine]\nexecutor = 'threads'")
    assert resolve(profile="mine").executor == "threads"


def test_the_origin_names_profile_and_file(place):
    write_project(place, PROFILES)
    found = origins(profile="team")
    assert found["redis"] == f"[tool.stagecache.profiles.team] of {place}/project/pyproject.toml"
    assert found["namespace"].startswith("[tool.stagecache.profiles.base] of ")
    assert found["profile"] == "argument profile="
    write_user(place, "[profiles.team]\nexecutor = 'threads'")
    assert origins(profile="team")["executor"].startswith("[profiles.team] of ")


def test_a_profile_that_is_not_there_is_an_error_that_names_file_and_nearest(place):
    write_project(place, PROFILES)
    with pytest.raises(
        SettingsError, match=r"no profile 'taem' .argument profile=. in .*pyproject.*'team'\?"
    ):
        resolve(profile="taem")
    write_project(place, "")
    with pytest.raises(SettingsError, match=r"no profile 'team'.*in any file; there are none"):
        resolve(profile="team")


def test_a_profile_may_not_inherit_itself_nor_what_is_not_there(place):
    write_project(
        place,
        "[tool.stagecache.profiles]\na = {inherits = 'b'}\nb = {inherits = 'c'}\n"
        "c = {inherits = 'a'}\nd = {inherits = 'aa'}\ne = {inherits = 7}",
    )
    with pytest.raises(
        SettingsError, match=r"'a' of .*pyproject.toml inherits itself: a -> b -> c -> a"
    ):
        resolve(profile="a")
    with pytest.raises(SettingsError, match=r"'d' of .*pyproject.toml inherits 'aa'.*'a'\?"):
        resolve(profile="d")
    with pytest.raises(SettingsError, match="inherits 7"):
        resolve(profile="e")


@pytest.mark.parametrize(
    "text",
    ["profiles = 7", "profiles.team = 7", "profile = 'team'"],
)
def test_profiles_that_make_no_sense_are_named(place, text):
    write_project(place, f"[tool.stagecache]\n{text}")
    with pytest.raises(SettingsError, match=r"pyproject\.toml"):
        resolve(profile="team")
    with pytest.raises(SettingsError, match=r"pyproject\.toml"):
        resolve()


def test_an_unknown_setting_of_a_profile_is_an_error_that_says_where(place):
    write_project(place, "[tool.stagecache.profiles.team]\nredsi = 'x'")
    with pytest.raises(SettingsError, match=r"'redsi' .*profiles\.team.*did you mean 'redis'"):
        resolve(profile="team")
