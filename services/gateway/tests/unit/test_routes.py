"""Which engine a request goes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_gateway.domain.errors import BadRequest, ModelNotFound
from ratoon_gateway.domain.routes import ModelName, Route, RouteTable, Target, arm_of, choose, find_route


def target(engine, version="v1.0", weight=1, endpoint="unix:///e.sock"):
    name = f"projects/p/models/mail/versions/{version}"
    return Target(engine, name, endpoint, "s", weight, "served")


def route(*targets, project="p", deployment="mail"):
    return Route(f"projects/{project}/deployments/{deployment}", targets)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mail", ModelName("mail")),
        ("mail@v1.1", ModelName("mail", "v1.1")),
        ("p/mail@v1.1", ModelName("mail", "v1.1", "p")),
        ("projects/p/deployments/mail", ModelName("mail", "", "p")),
    ],
)
def test_how_a_model_is_named(text, name):
    assert ModelName.parse(text) == name


@pytest.mark.parametrize("text", ["", "@v1", "a/b/c", "projects/p/models/mail"])
def test_how_it_is_not(text):
    with pytest.raises(BadRequest):
        ModelName.parse(text)


def test_a_caller_finds_its_own_projects_deployments_alone():
    table = RouteTable.of(1, [route(), route(project="q"), route(project="q", deployment="only")])
    assert find_route(table, ModelName("mail"), "p").project == "p"
    assert find_route(table, ModelName("only"), "-").project == "q"
    assert find_route(table, ModelName("mail", project="q"), "-").project == "q"
    for name, project in (
        (ModelName("only"), "p"),
        (ModelName("mail", project="q"), "p"),
        (ModelName("mail"), "-"),
    ):
        with pytest.raises(ModelNotFound):
            find_route(table, name, project)


@pytest.mark.parametrize("name", ["mail@v1.0@q", "q/mail@v1.0", "projects/q/deployments/mail"])
def test_the_name_of_another_projects_adapter_leads_nowhere(name):
    shared = [
        route(
            Target(
                "e", f"projects/{p}/models/mail/versions/v1.0", "unix:///e.sock", "s", 1, f"mail@v1.0@{p}"
            ),
            project=p,
        )
        for p in "pq"
    ]
    table, parsed = RouteTable.of(1, shared), ModelName.parse(name)
    with pytest.raises(ModelNotFound):
        choose(find_route(table, parsed, "p"), parsed.version, (), 0.5)


@given(weights=st.lists(st.integers(0, 5), min_size=1, max_size=6), draw=st.floats(0, 1, exclude_max=True))
def test_the_choice_never_falls_on_an_engine_without_weight(weights, draw):
    targets = [target(f"e{place}", weight=weight) for place, weight in enumerate(weights)]
    chosen = choose(route(*targets), "", (), draw)
    assert (chosen is None) == (not any(weights))
    if chosen:
        assert chosen.weight > 0


def test_weights_are_shares():
    table = route(target("a", weight=1), target("b", weight=3))
    chosen = [choose(table, "", (), place / 100).engine for place in range(100)]
    assert (chosen.count("a"), chosen.count("b")) == (25, 75)


def test_a_pin_ignores_weight_and_avoids_other_versions():
    table = route(target("a"), target("b", "v1.1", weight=0))
    assert choose(table, "v1.1", (), 0.9).engine == "b"
    assert choose(table, "v1.1", {("b", "unix:///e.sock")}, 0.9) is None
    with pytest.raises(ModelNotFound):
        choose(table, "v2.0", (), 0.0)
    assert choose(route(), "v2.0", (), 0.0) is None


def test_a_label_is_short():
    assert (target("a").label, target("a").version_id) == ("mail@v1.0", "v1.0")


def split(*weights):
    return route(*(target(f"e{place}", f"v1.{place}", weight) for place, weight in enumerate(weights)))


def test_a_process_that_failed_leaves_the_engines_others_to_go_to():
    table = route(target("a", endpoint="http://10.0.0.1:8000"), target("a", endpoint="http://10.0.0.2:8000"))
    first = choose(table, "", (), 0.0)
    other = choose(table, "", {first.process}, 0.0)
    assert {first.endpoint, other.endpoint} == {target.endpoint for target in table.targets}


@given(user=st.text(min_size=1), draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=5))
def test_a_user_stays_with_one_version(user, draws):
    table = split(1, 3)
    assert len({choose(table, "", (), draw, user).version for draw in draws}) == 1
    one = choose(table, "", (), 0.0, user)
    assert one.version == arm_of(table, user)
    assert choose(table, "", {one.process}, 0.0, user).engine != one.engine


def test_users_are_spread_by_weight_and_few_move_when_it_changes():
    users = [f"user-{place}" for place in range(4000)]
    before, after = split(90, 10), split(50, 50)
    share = sum(arm_of(before, user).endswith("v1.1") for user in users) / len(users)
    assert 0.08 < share < 0.12
    back = [u for u in users if arm_of(before, u).endswith("v1.1") and arm_of(after, u).endswith("v1.0")]
    assert not back
    other = Route("projects/p/deployments/other", before.targets)
    both = sum(arm_of(before, u) == arm_of(other, u) == arm_of(after, u) for u in users) / len(users)
    assert both < 0.6


def test_engines_of_one_version_share_its_users():
    table = route(target("a"), target("b"), target("c", "v1.1", weight=0))
    assert {choose(table, "", (), draw / 10, "anna").engine for draw in range(10)} == {"a", "b"}
    assert arm_of(route(), "anna") == ""
