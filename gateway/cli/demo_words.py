"""What the four job APIs say of the demo's work, side by side, and whether all of it is one truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
#: Cloud 66's status of a job whose last run went well.
SUCCESS = 2


@dataclass(frozen=True, slots=True)
class Said:
    """The same moment in each API's own rows; beside them the result file and what the machines did."""

    forge: Sequence[Row]  # GET /ps/v1/print/jobs, the owner's
    greenarrow: Sequence[Row]  # GET /ga/api/v2/jobs/all, a system administrator's
    school: Sequence[Row]  # the same for the administrator of another organization
    conversio: Sequence[Row]  # GET /api/v1/async-jobs, the app's
    cloud66: Sequence[Row]  # GET /stacks/{id}/jobs
    action: Row  # of the schedule's run
    exported: Sequence[Row]  # rows of the export's CSV
    greeted: Mapping[str, int]  # printer -> how often its machine executed the schedule's line

    def faults(self) -> list[str]:
        """What is wrong; empty when every API tells the same truth."""
        found = [*self._faults_of_prints(), *self._faults_of_export(), *self._faults_of_run()]
        return [fault for fault in found if fault]

    def _faults_of_prints(self) -> list[str]:
        unfinished = [job["job_name"] for job in self.forge if job["status"] != "completed"]
        listed = {row["name"] for row in self.greenarrow if _is_finished(row, "PrintJob")}
        names = {job["job_name"] for job in self.forge}
        return [
            f"by the Forge API {', '.join(unfinished)} did not complete" if unfinished else "",
            f"GreenArrow's finished prints are {sorted(listed)}" if listed != names else "",
        ]

    def _faults_of_export(self) -> list[str]:
        states = [job["status"] for job in self.conversio]
        exported = {row["job_id"]: row["status"] for row in self.exported}
        printed = {job["job_id"]: job["status"] for job in self.forge}
        ours, theirs = {row["id"] for row in self.greenarrow}, {row["id"] for row in self.school}
        homes = {row["organization_id"] for row in self.greenarrow if row["job_type"] == "PrintJob"}
        mixed = [row["name"] for row in self.school if row["organization_id"] in homes]
        return [
            f"the app's exports are {states}" if states != ["done"] else "",
            f"the export has {exported}, the queue {printed}" if exported != printed else "",
            "an administrator of the gateway does not see all" if not theirs < ours else "",
            f"another organization sees {', '.join(mixed)}" if mixed or not theirs else "",
        ]

    def _faults_of_run(self) -> list[str]:
        statuses = [job["status"] for job in self.cloud66]
        many = {name: count for name, count in self.greeted.items() if count != 1}
        message = self.action["finished_message"]
        return [
            f"the schedule's run failed: {message}" if self.action["finished_success"] is not True else "",
            f"the statuses of the stack's jobs are {statuses}" if statuses != [SUCCESS] else "",
            f"by the ledgers the schedule's line was executed {many}" if many or not self.greeted else "",
        ]

    def verdicts(self) -> list[str]:
        """One line for people each."""
        faults = self.faults()
        if faults:
            return [f"FAILED: {fault}" for fault in faults]
        machines = " and ".join(f'"{name}"' for name in self.greeted)
        return [
            f"PROVEN: an app's export: its file has the {len(self.exported)} prints of the queue",
            f"PROVEN: ledgers of {machines}: each executed the schedule's line once",
        ]

    def rows(self) -> list[tuple[str, str, str]]:
        """One line an API."""
        local = sum(job["local_job"] for job in self.forge)
        prints = Counter(job["status"] for job in self.forge)
        works = Counter(f"{row['job_type']} {row['state']}" for row in self.greenarrow)
        exports = Counter(f"{job['kind']} {job['status']}" for job in self.conversio)
        jobs = [f"{job['name']}: status {job['status']}" for job in self.cloud66]
        return [
            ("Forge", "GET /ps/v1/print/jobs", f"{_counted(prints)}, {local} of them local"),
            ("GreenArrow", "GET /ga/api/v2/jobs/all", f"{_counted(works)}"),
            ("Conversio", "GET /api/v1/async-jobs", f"{_counted(exports)}, {len(self.exported)} rows"),
            ("Cloud 66", "GET /stacks/{id}/jobs", f"{', '.join(jobs)}, {self.action['finished_message']}"),
        ]


def _is_finished(row: Row, job_type: str) -> bool:
    return bool(row["job_type"] == job_type and row["state"] == "finished")


def _counted(words: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in words.items())
