"""A codec of the user's own is found by its name, in whatever process the name is known."""

from __future__ import annotations

CODEC = """
    import json
    from stagecache import DecodeError, EncodeError, register_codec

    class Json:
        name = "json"
        safe = True

        def accepts(self, value):
            return type(value) is dict

        def encode(self, value):
            return [json.dumps(value).encode()]

        def decode(self, sections):
            try:
                return json.loads(bytes(sections[0]))
            except ValueError as error:
                raise DecodeError(str(error)) from error

    register_codec(Json())
"""
JOB = """
    import warnings, sys
    from stagecache import Cache, stage, current
    if sys.argv[1] == "with":
        import jsons

    @stage(codec="json", compression="zstd")
    def table(n: int) -> dict:
        print("ran")
        return {"text": "x" * n, "n": n}

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert table(int(sys.argv[2])) == {"text": "x" * int(sys.argv[2]), "n": int(sys.argv[2])}
    [(entry, _)] = current().entries()
    print(entry.codec)
    for warning in seen:
        print(warning.message)
"""


def lines(project, *arguments):
    return project.python("job.py", *arguments).stdout.splitlines()


def test_a_result_in_an_own_codec_is_read_by_every_process_that_knows_it(project):
    project.write("jsons.py", CODEC)
    project.write("job.py", JOB)
    assert lines(project, "with", "10") == ["ran", "json"]
    assert lines(project, "with", "10") == ["json"]


def test_an_own_codec_is_compressed_like_any_other(project):
    project.write("jsons.py", CODEC)
    project.write("job.py", JOB)
    assert lines(project, "with", "100000") == ["ran", "json+zstd"]
    assert lines(project, "with", "100000") == ["json+zstd"]


def test_where_the_plugin_is_missing_its_result_is_a_miss_with_one_warning(project):
    project.write("jsons.py", CODEC)
    project.write("job.py", JOB)
    lines(project, "with", "10")
    ran, codec, *warned = lines(project, "without", "10")
    assert (ran, codec, len(warned)) == ("ran", "plain", 1), warned
    assert "no codec is called 'json'" in warned[0]
    assert lines(project, "with", "10") == ["plain"]


def test_where_the_plugin_is_missing_results_are_kept_in_another_codec_with_one_warning(project):
    project.write("job.py", JOB)
    ran, codec, *warned = lines(project, "without", "10")
    assert (ran, codec, len(warned)) == ("ran", "plain", 1), warned
    assert "register_codec" in warned[0]
