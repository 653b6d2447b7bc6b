"""How the bridge asks data servers, with a clock and answers in the test's hand."""

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from services.bridge.conduct import Busy
from services.bridge.servers import ALL_TIME, LISTED_SECONDS, PATIENCE, Servers
from services.bridge.sharing import REMEMBERED_SECONDS
from sisock.errors import NodeFailed, NodeLate, NodeUnknown, RouterAbsent

FIELDS = (
    {"a": {"description": None, "timeline": "t", "type": "number", "units": None}},
    {"t": {"interval": 1.0, "field": ["a"]}},
)


class Consumer:
    """Hands out Deferreds and keeps them."""

    def __init__(self):
        self.asked = []
        self.online = ["n"]

    def is_attached(self):
        return True

    def nodes(self, deadline=10.0):
        return succeed([{"name": name, "description": ""} for name in self.online])

    def get_fields(self, node, start, end, deadline=10.0):
        self.asked.append(Deferred())
        return self.asked[-1]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def consumer():
    return Consumer()


@pytest.fixture
def servers(consumer, clock):
    return Servers(consumer, clock, lambda: 1.7e9 + clock.seconds(), most_waiting=3)


def start(coroutine):
    results = []
    work = Deferred.fromCoroutine(coroutine)
    work.addBoth(results.append)
    return work, results


def test_panels_that_ask_for_the_same_range_share_one_call(servers, consumer, clock):
    waiting = [start(servers.fields("n", 1, 2, 10.0))[1] for _ in range(3)]
    assert len(consumer.asked) == 1
    consumer.asked[0].callback(FIELDS)
    assert waiting == [[FIELDS]] * 3
    clock.advance(REMEMBERED_SECONDS - 0.1)
    assert start(servers.fields("n", 1, 2, 10.0))[1] == [FIELDS]
    start(servers.fields("n", 1, 3, 10.0))
    assert len(consumer.asked) == 2, "another range is another question"
    clock.advance(0.2)
    start(servers.fields("n", 1, 2, 10.0))
    assert len(consumer.asked) == 3, "an old answer serves nobody"


def test_one_who_stops_waiting_does_not_stop_the_others(servers, consumer):
    impatient, _ = start(servers.fields("n", 1, 2, 10.0))
    _, patient = start(servers.fields("n", 1, 2, 10.0))
    impatient.cancel()
    consumer.asked[0].callback(FIELDS)
    assert patient == [FIELDS]


def test_a_failure_is_not_remembered(servers, consumer):
    _, first = start(servers.fields("n", 1, 2, 10.0))
    consumer.asked[0].errback(NodeFailed("n", "no"))
    assert first[0].check(NodeFailed)
    start(servers.fields("n", 1, 2, 10.0))
    assert len(consumer.asked) == 2


def test_a_server_that_was_late_gets_one_request_at_a_time_until_it_answers(servers, consumer, clock):
    async def ask():
        async with servers.waiting_for("n"):
            await servers.fields("n", clock.seconds(), 2, 10.0)

    running = [start(ask()) for _ in range(4)]
    assert running[3][1][0].check(Busy)
    consumer.asked[0].errback(NodeLate("n", 10.0))
    assert servers.conduct("n").late
    assert servers.conduct("n").waiting == 0
    one, another = start(ask()), start(ask())
    assert one[1] == []
    assert another[1][0].check(Busy)
    consumer.asked[-1].callback(FIELDS)
    clock.advance(1)
    assert [bool(start(ask())[1]) for _ in range(3)] == [False] * 3


@pytest.mark.parametrize("error", [NodeUnknown("n"), RouterAbsent()])
def test_a_name_that_was_never_served_leaves_no_memory(servers, consumer, error):
    async def ask():
        async with servers.waiting_for("n"):
            await servers.fields("n", 1, 2, 10.0)

    start(ask())
    consumer.asked[0].errback(error)
    assert servers._conducts._of == {}
    assert servers._sharing._remembered == {}


def test_a_server_that_goes_stays_listed_with_its_fields(servers, consumer, clock):
    _, names = start(servers.listing(3.0))
    consumer.asked[0].callback(FIELDS)
    assert names == [{"n::a"}]
    clock.advance(10)
    consumer.online = []
    assert start(servers.listing(3.0))[1] == [{"n::a"}]
    consumer.nodes = lambda **_: fail(NodeUnknown("hub"))
    clock.advance(10)
    assert start(servers.listing(3.0))[1] == [{"n::a"}]


def test_the_list_of_all_time_forgets_fields_that_are_no_more(servers, consumer, clock):
    start(servers.listing(3.0))
    consumer.asked[0].callback(FIELDS)
    other = ({"b": {**FIELDS[0]["a"]}}, {"t": {"interval": 1.0, "field": ["b"]}})
    start(servers.fields("n", 5, 6, 3.0))
    consumer.asked[1].callback(other)
    assert servers.catalogue.names() == {"n::a", "n::b"}
    clock.advance(10)
    start(servers.listing(3.0))
    consumer.asked[2].callback(other)
    assert servers.catalogue.names() == {"n::b"}
    assert ALL_TIME == (1, 0)


def test_an_error_that_nobody_foresaw_in_one_list_leaves_the_others_listed_and_is_the_servers_problem(
    servers, consumer
):
    consumer.online = ["bad", "n"]
    _, names = start(servers.listing(3.0))
    consumer.asked[0].errback(TypeError("unhashable type: 'list'"))
    consumer.asked[1].callback(FIELDS)
    assert names == [{"n::a"}]
    assert "could not be used" in servers.conduct("bad").problem


def test_the_last_answer_is_told_in_unix_seconds_whatever_the_reactors_clock(servers, consumer, clock):
    clock.advance(5)
    start(servers.fields("n", 1, 2, 10.0))
    consumer.asked[0].callback(FIELDS)
    assert servers.conduct("n").answered == 1.7e9 + 5


def test_a_list_of_fields_is_recalled_for_half_a_minute_and_for_the_names_in_it(servers, consumer, clock):
    assert servers.recall("n", ["a"]) is None
    start(servers.fields("n", 1, 2, 10.0))
    consumer.asked[0].callback(FIELDS)
    clock.advance(29)
    assert servers.recall("n", ["a"]) == FIELDS
    assert servers.recall("n", ["a", "b"]) is None
    assert servers.recall("other", ["a"]) is None
    clock.advance(1)
    assert servers.recall("n", ["a"]) is None


def test_a_server_that_is_slow_to_list_is_listed_when_it_has_answered_and_holds_up_only_the_first(
    servers, consumer, clock
):
    _, first = start(servers.listing(3.0))
    assert first == []
    clock.advance(3.1)
    assert first == [frozenset()]
    clock.advance(4)
    _, second = start(servers.listing(3.0))
    clock.advance(0)
    assert second == [frozenset()], "it was asked long ago, nobody waits again"
    assert len(consumer.asked) == 1
    consumer.asked[0].callback(FIELDS)
    clock.advance(4)
    _, later = start(servers.listing(3.0))
    consumer.asked[1].callback(FIELDS)
    assert later == [{"n::a"}]


def listed(servers):
    return start(servers.listing(3.0))[1]


def test_nobody_waits_for_a_list_that_is_asked_for_now_and_then_and_it_is_renewed_meanwhile(servers, consumer, clock):
    listed(servers)
    consumer.asked[0].callback(FIELDS)
    names = listed(servers)[0]
    for _ in range(4):
        clock.advance(LISTED_SECONDS / 5)
        assert listed(servers)[0] is names
    assert len(consumer.asked) == 2, "one to renew it, which has not answered"
    other = ({"b": {**FIELDS[0]["a"]}}, {"t": {"interval": 1.0, "field": ["b"]}})
    consumer.asked[1].callback(other)
    assert listed(servers) == [{"n::b"}]


def test_a_list_that_nobody_asked_for_in_a_while_is_made_anew(servers, consumer, clock):
    listed(servers)
    consumer.asked[0].callback(FIELDS)
    clock.advance(LISTED_SECONDS + 1)
    waiting = listed(servers)
    assert waiting == []
    consumer.asked[1].callback(FIELDS)
    assert waiting == [{"n::a"}]


def test_who_asks_for_an_old_list_waits_a_second_for_a_new_one_and_no_longer(servers, consumer, clock):
    listed(servers)
    consumer.asked[0].callback(FIELDS)
    clock.advance(LISTED_SECONDS + 1)
    waiting = listed(servers)
    clock.advance(PATIENCE - 0.1)
    assert waiting == []
    clock.advance(0.2)
    assert waiting == [{"n::a"}]
    assert len(consumer.asked) == 2, "the question goes on"


def test_after_news_of_the_hub_the_list_is_made_anew_without_being_asked_for(servers, consumer):
    listed(servers)
    consumer.asked[0].callback(FIELDS)
    consumer.online = ["n", "new"]
    consumer.on_nodes_changed()
    assert len(consumer.asked) == 2, "the new one is asked, the other has answered just now"
    waiting = listed(servers)
    consumer.asked[1].callback(FIELDS)
    assert waiting == [{"n::a", "new::a"}]


def test_news_while_the_list_is_made_make_it_anew(servers, consumer):
    waiting = listed(servers)
    consumer.online = ["n", "new"]
    consumer.on_nodes_changed()
    late = listed(servers)
    consumer.asked[0].callback(FIELDS)
    assert (waiting, late) == ([{"n::a"}], [])
    consumer.asked[1].callback(FIELDS)
    assert late == [{"n::a", "new::a"}]


def test_a_hub_that_cannot_be_asked_leaves_the_list_as_it_was_and_is_asked_again(servers, consumer, clock):
    consumer.nodes = lambda **_: fail(RouterAbsent())
    assert listed(servers)[0].check(RouterAbsent), "nothing is known yet"
    del consumer.nodes
    listed(servers)
    consumer.asked[0].callback(FIELDS)
    consumer.nodes = lambda **_: fail(RouterAbsent())
    consumer.on_nodes_changed()
    assert listed(servers) == [{"n::a"}]
    del consumer.nodes
    clock.advance(REMEMBERED_SECONDS + 0.1)
    again = listed(servers)
    consumer.asked[1].callback(FIELDS)
    assert again == [{"n::a"}]
