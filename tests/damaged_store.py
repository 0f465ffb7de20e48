"""How a store is damaged, and what must be known of its albums afterwards."""

from pathlib import Path

from gpen_webui.jobs.service import JobService

DONE = [f"1931/{n}.jpg" for n in range(8)]
COLLECTED = [f"uploaded {n}.jpg" for n in range(5)]
PAGE = 4096


def photos_of(service: JobService) -> dict[str, set[str]]:
    """What the originals of each album hold; undamaged, that is their names."""
    found: dict[str, set[str]] = {}
    for job in service.store.jobs(limit=500):
        originals = [service.store.original(job.id, n) for n in range(job.counts["total"])]
        texts = {path.read_bytes().decode() for path in originals if path.exists()}
        found[job.name] = found.get(job.name, set()) | texts
    return found


def check_no_upload_is_lost(service: JobService) -> None:
    """Every upload is in an album and can be seen, and every album's events have no gap."""
    assert set().union(*photos_of(service).values()) == {*DONE, *COLLECTED}
    for job in service.store.jobs(limit=500):
        seqs = [event["seq"] for event in service.events.replay(job.id)]
        assert seqs == list(range(1, job.seq + 1))
        items = service.store.items(job.id)
        assert [item.n for item in items] == list(range(job.counts["total"]))
        assert sum(job.counts.values()) == 2 * job.counts["total"]


def restored_results(service: JobService) -> int:
    """How many photos have a result that the store knows; each of them is there."""
    results = [
        service.store.result(job.id, item.n)
        for job in service.store.jobs(limit=500)
        for item in service.store.items(job.id)
        if item.result
    ]
    assert all(result.is_file() for result in results)
    return len(results)


def truncate(path: Path, size: int) -> None:
    with open(path, "r+b") as file:
        file.truncate(size)


def flip(path: Path, places: list[int]) -> None:
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 1 << place % 8
    path.write_bytes(data)
