"""The order of samples, the learning rate, and what validation decides."""

from hypothesis import given
from hypothesis import strategies as st

from ratoon_training.domain import schedule
from ratoon_training.worker.scores import comparable, standard_error

IDS = [f"{number:064x}" for number in range(300)]
LENGTHS = [10 + (number * 37) % 90 for number in range(300)]


def test_the_order_is_a_function_of_seed_epoch_and_record_id():
    first = schedule.batches(IDS, LENGTHS, seed=1, epoch=0, batch_size=16)
    assert first == schedule.batches(IDS, LENGTHS, seed=1, epoch=0, batch_size=16)
    assert first != schedule.batches(IDS, LENGTHS, seed=1, epoch=1, batch_size=16)
    assert first != schedule.batches(IDS, LENGTHS, seed=2, epoch=0, batch_size=16)


def test_records_come_in_an_order_that_does_not_depend_on_where_they_stand():
    keys = {record: schedule.order_key(1, 0, record) for record in IDS}
    shuffled = list(reversed(IDS))
    assert sorted(shuffled, key=keys.__getitem__) == sorted(IDS, key=keys.__getitem__)


@given(
    lengths=st.lists(st.integers(1, 500), min_size=1, max_size=200),
    batch=st.integers(1, 40),
    seed=st.integers(0, 9),
)
def test_every_sample_is_seen_once_an_epoch(lengths, batch, seed):
    batches = schedule.batches([f"{n:064x}" for n in range(len(lengths))], lengths, seed, 0, batch)
    assert sorted(index for each in batches for index in each) == list(range(len(lengths)))
    assert all(1 <= len(each) <= batch for each in batches)
    assert len(batches) == -(-len(lengths) // batch)


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=300),
    batch=st.integers(1, 20),
    same=st.booleans(),
)
def test_an_epoch_is_what_its_definition_says(lengths, batch, same):
    """The definition in few words, in the memory of all keys. Records of one name come in the order of the part."""
    ids = ["0" if same else str(n) for n in range(len(lengths))]
    keys = [schedule.order_key(7, 2, record) for record in ids]
    order = sorted(range(len(ids)), key=lambda index: (keys[index], index))
    expected: list[list[int]] = []
    for start in range(0, len(order), schedule.WINDOW * batch):
        window = order[start : start + schedule.WINDOW * batch]
        window = sorted(window, key=lambda index: (lengths[index], keys[index]))
        cut = [window[at : at + batch] for at in range(0, len(window), batch)]
        expected += sorted(cut, key=lambda each: keys[each[0]])
    epoch = schedule.Epoch(ids, lengths, 7, 2, batch)
    assert [*epoch] == expected
    assert [epoch[at] for at in reversed(range(len(epoch)))] == expected[::-1]


def test_batches_hold_samples_of_like_length():
    batches = schedule.batches(IDS, LENGTHS, seed=1, epoch=0, batch_size=16)
    padded = sum(len(each) * max(LENGTHS[index] for index in each) for each in batches)
    assert padded < 1.15 * sum(LENGTHS)


def test_the_rate_rises_then_falls_to_nothing():
    rates = [schedule.learning_rate(step, 100, 0.003, 0.05) for step in range(100)]
    assert rates[4] == max(rates) == 0.003
    assert rates[:5] == sorted(rates[:5])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 1e-5


def test_a_worse_epoch_lowers_the_rate_and_epochs_without_gain_stop():
    assert schedule.judge([], [], 2) == schedule.Verdict()
    assert schedule.judge([1.0, 0.8], [0.5, 0.6], 2) == schedule.Verdict(1.0, stop=False, best=1)
    assert schedule.judge([1.0, 1.1], [0.5, 0.5], 2) == schedule.Verdict(0.5, stop=False, best=0)
    assert schedule.judge([1.0, 1.1, 1.2], [0.5, 0.5, 0.5], 2) == schedule.Verdict(0.25, stop=True, best=0)
    assert schedule.judge([1.0, 0.999, 0.998], [0.5, 0.5, 0.5], 2).stop
    assert schedule.judge([0.7, 1.1], [0.6, 0.7], 2).best == 1, "what the gate asks for decides, not the loss"
    assert not schedule.judge([1.0, 0.999, 0.998], [0.5, 0.5, 0.5], 0).stop
    assert not schedule.judge([1.0, 1.1, 1.2], [0.5, 0.5, 0.6], 2).stop, "the score still rises"
    assert schedule.judge([1.0, 1.1, 1.2], [0.5, 0.501, 0.502], 2).stop, "that is no gain"


def test_few_samples_are_shown_often_and_many_a_few_times():
    assert schedule.chosen_epochs(2_400, 30_000) == 12
    assert schedule.chosen_epochs(100, 30_000) == schedule.MAX_EPOCHS
    assert schedule.chosen_epochs(1_000_000, 30_000) == schedule.MIN_EPOCHS


def test_the_last_epoch_is_published_unless_it_is_clearly_worse():
    few, many = (standard_error("macro_f1", 0.86, records) for records in (58, 5_000))
    assert schedule.published_epoch(1, [0.80, 0.86, 0.84], few) == 2, "a record more or less decides nothing"
    assert schedule.published_epoch(1, [0.80, 0.86, 0.70], few) == 1
    assert schedule.published_epoch(1, [0.80, 0.86, 0.84], many) == 1
    assert schedule.published_epoch(0, [1.0, 1.0], standard_error("macro_f1", 1.0, 10)) == 1
    assert schedule.published_epoch(0, [], 0.0) == 0


def test_a_run_ends_after_some_steps_without_a_gain_at_least():
    assert schedule.epochs_without_gain(2, 285) == 2
    assert schedule.epochs_without_gain(2, 30) == 7
    assert schedule.epochs_without_gain(0, 30) == 0


def test_errors_compare_by_their_share():
    errors = [comparable("mae", value) for value in (1.0, 0.9, 0.905)]
    assert schedule.judge([1.0, 0.9, 0.8], errors, 2).best == 1
    assert schedule.published_epoch(1, errors, standard_error("mae", errors[1], 650)) == 2
    assert schedule.published_epoch(1, errors, standard_error("mae", errors[1], 1_000_000)) == 1
    halves = [comparable("mae", value) for value in (10.0, 9.96, 9.92)]
    assert schedule.judge([1.0, 1.1, 1.2], halves, 2).stop, "less than half a percent is no gain"
