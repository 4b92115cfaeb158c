import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.base.events import RunFinished, StageFinished
from backend.runs import leases
from backend.runs.leases import LeaseLost
from backend.runs.store import Store
from tests.runs import fake
from tests.runs.waiting import together


def test_the_oldest_run_is_claimed_first_and_by_one_only(store: Store) -> None:
    first, second = (store.submit(fake.spec(name)).id for name in "ab")
    claims = [leases.claim(store, "me"), leases.claim(store, "you"), leases.claim(store, "me")]
    assert [lease and lease.run for lease in claims] == [first, second, None]
    record = store.run(first)
    assert (record.state, record.worker) == ("running", "me") and record.started is not None


def test_a_run_can_be_claimed_by_its_id(store: Store) -> None:
    store.submit(fake.spec())
    second = store.submit(fake.spec()).id
    lease = leases.claim(store, "me", run=second)
    assert lease is not None and lease.run == second
    assert leases.claim(store, "me", run=second) is None


def test_a_run_that_was_begun_is_nobody_elses(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    assert store.run(lease.run).state == "running"
    assert leases.claim(store, "you") is None


def test_claims_at_the_same_time_never_share_a_run(store: Store) -> None:
    submitted = {store.submit(fake.spec()).id for _ in range(12)}
    claimed: list[str] = []
    lock = threading.Lock()

    def take(number: int) -> None:
        while (lease := leases.claim(store, f"worker {number}")) is not None:
            with lock:
                claimed.append(lease.run)

    together(4, take)
    assert sorted(claimed) == sorted(submitted)


def test_an_expired_lease_is_taken_over_and_its_holder_can_write_nothing(store: Store) -> None:
    slept = leases.begin(store, fake.spec(), "sleeper", seconds=0.05)
    time.sleep(0.1)
    lease = leases.claim(store, "other")
    assert lease is not None and lease.run == slept.run
    before = store.run(lease.run), store.events(lease.run)
    over = RunFinished(run=lease.run, state="done")
    for write in (
        lambda: leases.append(store, slept, fake.pruning_step(lease.run, 0)),
        lambda: leases.finish(store, slept, over),
        lambda: leases.fail(store, slept, "no"),
        lambda: leases.release(store, slept),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert leases.renew(store, slept) == leases.wish(store, slept) == "lost"
    assert (store.run(lease.run), store.events(lease.run)) == before
    leases.append(store, lease, fake.pruning_step(lease.run, 0))


def test_a_lease_that_expired_but_was_not_taken_over_still_holds(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me", seconds=0.05)
    time.sleep(0.1)
    assert leases.renew(store, lease) == "ok"
    leases.append(store, lease, fake.pruning_step(lease.run, 0))


def test_renewing_and_writing_keep_others_out(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me", seconds=0.5)
    for step in range(4):
        time.sleep(0.2)
        if step % 2:
            leases.renew(store, lease)
        else:
            leases.append(store, lease, fake.pruning_step(lease.run, step))
        assert leases.claim(store, "you") is None


def test_nothing_is_written_after_the_end(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    leases.finish(store, lease, RunFinished(run=lease.run, state="done"))
    with pytest.raises(LeaseLost):
        leases.append(store, lease, fake.pruning_step(lease.run, 0))
    assert [event.type for _, event in store.events(lease.run)] == ["run_finished"]


def test_a_deleted_run_is_lost(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me", seconds=0.01)
    time.sleep(0.05)
    store.cancel(lease.run)
    store.delete(lease.run)
    assert leases.renew(store, lease) == "lost"


def test_a_run_whose_worker_died_is_cancelled_at_once(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me", seconds=0.01)
    leases.append(store, lease, fake.pruning_step(lease.run, 1))
    leases.append(store, lease, StageFinished(run=lease.run, stage="poison", seconds=7))
    leases.append(store, lease, StageFinished(run=lease.run, stage="prune", seconds=9, reused=True))
    time.sleep(0.05)
    record = store.cancel(lease.run)
    assert record.state == "cancelled" and record.seconds == 7, "time that was worked, not that went by"
    assert record.summary is not None and record.summary.pruned_heads == [(0, 1)]


def test_a_cancel_request_outlives_the_worker_it_was_for(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me", seconds=0.3)
    store.cancel(lease.run)
    time.sleep(0.4)
    assert leases.claim(store, "you") is None
    assert store.run(lease.run).state == "cancelled"


def test_a_released_run_is_queued_again_or_ends_if_it_was_to_stop(store: Store) -> None:
    lease = leases.begin(store, fake.spec(), "me")
    assert leases.release(store, lease) is None
    assert store.run(lease.run).state == "queued"
    again = leases.claim(store, "you")
    assert again is not None
    store.cancel(again.run)
    ended = leases.release(store, again)
    assert ended is not None and ended.state == store.run(again.run).state == "cancelled"


def test_a_run_that_kills_its_workers_is_given_up(store: Store) -> None:
    run = store.submit(fake.spec()).id
    for _ in range(leases.MAX_ATTEMPTS):
        lease = leases.claim(store, "victim", seconds=-1)
        assert lease is not None
        leases.append(store, lease, StageFinished(run=run, stage="prepare", seconds=1))
    assert leases.claim(store, "victim") is None
    summary = store.run(run).summary
    assert summary is not None and summary.state == "failed"
    assert "died 3 times in a row, perhaps because memory ran out" in (summary.error or "")


def test_a_run_that_makes_headway_is_not_given_up(store: Store) -> None:
    store.submit(fake.spec())
    for _ in range(leases.MAX_ATTEMPTS * 2):
        lease = leases.claim(store, "victim", seconds=-1)
        assert lease is not None
        leases.append(store, lease, StageFinished(run=lease.run, stage="poison", seconds=1))


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "renew", "append", "expire", "release", "finish", "cancel"]),
        st.integers(0, 2),
    ),
    max_size=25,
)


@given(ACTIONS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_one_worker_at_most_can_write(store: Store, actions: list[tuple[str, int]]) -> None:
    """Against an obvious model: the holder is who claimed last, until release, finish or takeover."""
    run = store.submit(fake.spec()).id
    held: dict[int, leases.Lease] = {}
    holder: int | None = None
    written = 0
    for action, worker in actions:
        if action == "claim":
            lease = leases.claim(store, str(worker), run=run)
            if lease is not None:
                held[worker], holder = lease, worker
                continue
        elif action == "expire":
            lease_of_holder = held.get(holder) if holder is not None else None
            if lease_of_holder is not None:
                expired = leases.Lease(run, lease_of_holder.token, lease_of_holder.spec, seconds=-1)
                assert leases.renew(store, expired) in ("ok", "cancel")
            continue
        elif action == "cancel":
            store.cancel(run)
        elif worker in held:
            try:
                if action == "renew":
                    if leases.renew(store, held[worker]) == "lost":
                        raise LeaseLost
                elif action == "append":
                    leases.append(store, held[worker], fake.pruning_step(run, 0))
                    written += 1
                elif action == "release":
                    leases.release(store, held[worker])
                else:
                    leases.finish(store, held[worker], RunFinished(run=run, state="done"))
                assert worker == holder
            except LeaseLost:
                assert worker != holder or store.run(run).over
            if action in ("release", "finish") and worker == holder:
                holder = None
        if store.run(run).over:
            holder = None
    assert len(store.events(run, types=["pruning_step"])) == written
    ends = store.events(run, types=["run_finished"])
    assert len(ends) == (1 if store.run(run).over else 0)
    if not store.run(run).over:
        store.cancel(run)
