"""Two texts side by side: nothing is lost, what differs is marked, and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from charthouse.foundation.differences import Block, Cells, Change, differences, words_that_differ

WORDS = st.text(alphabet=st.sampled_from("ab .\n,é"), max_size=30)
BLOCKS = st.lists(
    st.builds(Block, st.sampled_from(["prose", "row"]), st.lists(WORDS, min_size=1, max_size=3).map(tuple)),
    max_size=12,
)


def whole(cells: Cells) -> tuple[str, ...]:
    return tuple("".join(run.text for run in cell) for cell in cells)


@given(BLOCKS, BLOCKS)
def test_each_side_is_there_whole_and_in_order(left: list[Block], right: list[Block]) -> None:
    lines = differences(left, right)
    assert [(line.kind, whole(line.left)) for line in lines if line.left is not None] == [
        (block.kind, block.cells) for block in left
    ]
    assert [(line.kind, whole(line.right)) for line in lines if line.right is not None] == [
        (block.kind, block.cells) for block in right
    ]
    for line in lines:
        sides = (line.left is not None, line.right is not None)
        assert sides == {
            Change.SAME: (True, True), Change.CHANGED: (True, True),
            Change.REMOVED: (True, False), Change.ADDED: (False, True),
        }[line.change]  # fmt: skip


@given(BLOCKS)
def test_the_same_does_not_differ(blocks: list[Block]) -> None:
    assert all(line.change is Change.SAME for line in differences(blocks, blocks))


@given(WORDS, WORDS)
def test_what_is_not_marked_is_the_same_on_both_sides(left: str, right: str) -> None:
    one, other = words_that_differ(left, right)
    assert "".join(run.text for run in one) == left and "".join(run.text for run in other) == right
    assert [run.text for run in one if not run.differs] or not left or any(run.differs for run in one)
    assert "".join(run.text for run in one if not run.differs) == "".join(
        run.text for run in other if not run.differs
    )


def test_a_changed_word_is_marked_and_no_more() -> None:
    (line,) = differences(
        [Block("prose", ("Give furosemide 40 mg daily.",))], [Block("prose", ("Give furosemide 80 mg daily.",))]
    )
    assert line.change is Change.CHANGED and line.left is not None and line.right is not None
    assert [run.text for run in line.left[0] if run.differs] == ["40"]
    assert [run.text for run in line.right[0] if run.differs] == ["80"]


def test_a_row_of_a_table_is_compared_with_the_row_of_its_name() -> None:
    left = [Block("row", ("Sodium", "138")), Block("row", ("Potassium", "3.4"))]
    right = [Block("row", ("Potassium", "4.1")), Block("row", ("Sodium", "138"))]
    changes = {(line.change, whole(line.left or line.right or ())) for line in differences(left, right)}
    assert (Change.SAME, ("Sodium", "138")) in changes
    assert len(changes) == 3
    (line,) = differences([Block("row", ("Potassium", "3.4"))], [Block("row", ("Potassium", "4.1"))])
    assert line.change is Change.CHANGED


def test_long_texts_are_compared_in_good_time() -> None:
    import time

    left = [
        Block("prose", (f"Line {number} of a long document about nothing in particular",))
        for number in range(5_000)
    ]
    right = [*left[:2_000], Block("prose", ("inserted",)), *left[2_000:4_000], *left[4_001:]]
    began = time.process_time()
    lines = differences(left, right)
    assert time.process_time() - began < 5
    assert [line.change for line in lines if line.change is not Change.SAME] == [Change.ADDED, Change.REMOVED]
