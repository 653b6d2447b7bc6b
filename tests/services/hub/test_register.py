from services.hub.register import Node, Register


def test_a_name_is_owned_by_the_first_live_session() -> None:
    register = Register()
    assert register.add(Node("a", "first", 1))
    assert not register.add(Node("a", "second", 2))
    assert [node.public() for node in register.listed()] == [{"name": "a", "description": "first"}]


def test_the_owner_may_say_again_what_it_is() -> None:
    register = Register()
    register.add(Node("a", "", 1))
    assert register.add(Node("a", "better", 1))
    assert register.knows(Node("a", "better", 1))


def test_only_the_owner_subtracts() -> None:
    register = Register()
    register.add(Node("a", "", 1))
    assert register.subtract("a", 2) is None
    assert register.subtract("a", 1) == Node("a", "", 1)
    assert register.subtract("a", 1) is None


def test_all_of_a_session_goes_with_it() -> None:
    register = Register()
    for name, session in (("b", 1), ("a", 1), ("c", 2)):
        register.add(Node(name, "", session))
    assert [node.name for node in register.drop(1)] == ["a", "b"]
    assert [node.name for node in register.listed()] == ["c"]
