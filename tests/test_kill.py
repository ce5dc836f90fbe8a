"""`kill -9` under load, a few times: the fifty are `make bench-kill`."""

import json

import pytest
from serving_world import features_of, published, records

from benchmarks.kill import killed


@pytest.mark.slow
def test_every_answer_given_before_a_kill_is_in_the_ledger(tmp_path, url):
    published(tmp_path)
    body = json.dumps({"customer_id": "C1", "features": features_of(records())}).encode()
    found = killed(tmp_path, url, [body], kills=3, connections=4)
    assert found.whole, found
    assert (found.kills, found.answered > 0, found.retried > 0) == (3, True, True)
