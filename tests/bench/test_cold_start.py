"""What is declared of the cold starts is said of functions that there are."""

from bench.cold_requests import WITHOUT_CLIENT, functions


def test_only_functions_are_declared_to_need_no_client() -> None:
    assert set(functions()) >= WITHOUT_CLIENT
