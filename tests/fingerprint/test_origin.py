import importlib
import subprocess
import sys
import textwrap

import pytest

from stagecache.fingerprint.origin import distribution_of, is_user_module


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path into which a test installs packages by hand."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


def install(site, distribution, version, files, direct_url=None):
    for name in files:
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("X = 1\n")
    info = site / f"{distribution}-{version}.dist-info"
    info.mkdir()
    lines = [f"{name},sha256=abc,6" for name in files]
    lines.append(f"{info.name}/RECORD,,")
    if direct_url is not None:
        (info / "direct_url.json").write_text(direct_url)
    (info / "RECORD").write_text("\n".join(lines) + "\n")
    importlib.invalidate_caches()
    return info


@pytest.mark.parametrize("name", ["json", "json.decoder", "builtins", "_io", "os.path"])
def test_the_standard_library_is_nobodys(name):
    assert not is_user_module(name)
    assert distribution_of(name) is None


@pytest.mark.parametrize("name", ["stagecache", "stagecache.file", "stagecache.fingerprint.code"])
def test_stagecache_itself_is_not_the_users(name):
    assert not is_user_module(name)


@pytest.mark.parametrize("name", [None, "__main__", "__mp_main__", "never_imported", ""])
def test_scripts_notebooks_and_unknown_modules_are_the_users(name):
    assert is_user_module(name)


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("pandas", "pandas"),
        ("pandas.core.frame", "pandas"),
        ("numpy", "numpy"),
        ("dateutil.tz", "python-dateutil"),
        ("pyarrow.lib", "pyarrow"),
        ("_pytest", "pytest"),
    ],
)
def test_an_installed_module_is_known_by_distribution_and_version(module, distribution):
    from importlib.metadata import version

    importlib.import_module(module)
    assert not is_user_module(module)
    assert distribution_of(module) == (distribution, version(distribution))


def test_a_module_that_one_distribution_brings_under_another_name(site):
    install(site, "nice_words", "1.2", ["zqx/__init__.py", "zqx/deep.py"])
    import zqx.deep

    assert zqx.deep.X
    assert distribution_of("zqx.deep") == ("nice-words", "1.2")


def test_a_single_file_module_has_a_distribution(site):
    install(site, "oneliner", "0.1", ["zq_oneliner.py"])
    importlib.import_module("zq_oneliner")
    assert distribution_of("zq_oneliner") == ("oneliner", "0.1")


def test_two_distributions_may_share_a_namespace_package(site):
    install(site, "zqns_a", "1", ["zqns/a/__init__.py"])
    install(site, "zqns_b", "2", ["zqns/b.py"])
    importlib.import_module("zqns.a")
    importlib.import_module("zqns.b")
    assert distribution_of("zqns.a") == ("zqns-a", "1")
    assert distribution_of("zqns.b") == ("zqns-b", "2")


def test_a_namespace_package_may_hold_the_users_modules_too(site, tmp_path, monkeypatch):
    install(site, "zqmix_a", "1", ["zqmix/a.py"])
    (tmp_path / "zqmix").mkdir()
    (tmp_path / "zqmix" / "mine.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("zqmix.a")
    importlib.import_module("zqmix.mine")
    assert not is_user_module("zqmix.a")
    assert is_user_module("zqmix.mine")


def test_a_package_installed_after_the_first_question_is_found(site):
    install(site, "zq_early", "1", ["zq_early.py"])
    importlib.import_module("zq_early")
    assert distribution_of("zq_early") == ("zq-early", "1")
    install(site, "zq_late", "1", ["zq_late.py"])
    importlib.import_module("zq_late")
    assert distribution_of("zq_late") == ("zq-late", "1")


def test_an_editable_install_is_the_users(site, tmp_path):
    source = tmp_path / "checkout"
    source.mkdir()
    (source / "zq_editable.py").write_text("")
    (source / "zq_editable.egg-info").mkdir()
    (source / "zq_editable.egg-info" / "top_level.txt").write_text("zq_editable\n")
    install(site, "zq_editable", "1", [], direct_url='{"dir_info": {"editable": true}}')
    sys.path.insert(0, str(source))
    try:
        importlib.import_module("zq_editable")
    finally:
        sys.path.remove(str(source))
    assert is_user_module("zq_editable")


def test_a_file_dropped_among_installed_packages_is_the_users(site):
    (site / "zq_dropped.py").write_text("")
    importlib.import_module("zq_dropped")
    assert is_user_module("zq_dropped")


def test_an_old_style_install_is_found_by_its_egg_info(site):
    (site / "zq_egg.py").write_text("")
    info = site / "zq_egg-1.4-py3.11.egg-info"
    info.mkdir()
    (info / "top_level.txt").write_text("zq_egg\n")
    importlib.import_module("zq_egg")
    assert distribution_of("zq_egg") == ("zq-egg", "1.4")


def test_the_contents_count_of_what_was_installed_from_a_directory(site):
    info = install(site, "zqlocal", "1", ["zqlocal.py"], direct_url='{"url": "file:///x"}')
    importlib.import_module("zqlocal")
    name, version = distribution_of("zqlocal")
    assert name == "zqlocal"
    assert version.startswith("1+record.")

    from stagecache.fingerprint import origin

    def reread():
        origin._distribution.pop("zqlocal")
        return distribution_of("zqlocal")[1]

    record = info / "RECORD"
    record.write_text(record.read_text() + "../../bin/zq,sha256=x,1\nzqlocal-1.dist-info/q,sha2=\n")
    assert reread() == version
    record.write_text(record.read_text().replace("abc", "abd"))
    assert reread() != version


def test_a_users_module_may_be_called_like_one_of_the_standard_library(tmp_path):
    (tmp_path / "calendar.py").write_text("")
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent(
            """
            import calendar
            from stagecache.fingerprint.origin import is_user_module
            print(is_user_module("calendar"), is_user_module("json"))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
        cwd=tmp_path,
    )
    assert done.stdout.split() == ["True", "False"]


def test_what_is_said_to_lie_below_a_namespace_that_is_not_imported_is_the_users(
    site, tmp_path, monkeypatch
):
    (tmp_path / "zq_space" / "below").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    assert is_user_module("zq_space.below.module")
