"""What a process and its descendants have used, read from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on (proc(5)): a name may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()


def family(pid: int) -> list[int]:
    """Return `pid` and the processes that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(int(_stat(int(entry))[1]), []).append(int(entry))
            except (OSError, IndexError):
                continue  # it ended meanwhile
    found = [pid]
    for member in found:
        found.extend(children.get(member, []))
    return found


def cpu_seconds(pid: int) -> float:
    """Return the user and system time used so far, reaped children included."""
    ticks = 0
    for member in family(pid):
        try:
            ticks += sum(int(field) for field in _stat(member)[11:15])
        except OSError:
            continue
    return ticks / _TICKS


def resident_kib(pid: int) -> int:
    """Return the resident memory, summed."""
    total = 0
    for member in family(pid):
        try:
            status = Path(f"/proc/{member}/status").read_text("ascii", "replace")
        except OSError:
            continue
        if "VmRSS:" in status:
            total += int(status.split("VmRSS:")[1].split()[0])
    return total


def forget_peak(pid: int) -> None:
    """Have :func:`peak_kib` count from now on (proc(5), clear_refs)."""
    for member in family(pid):
        Path(f"/proc/{member}/clear_refs").write_text("5")


def peak_kib(pid: int) -> int:
    """Return the most resident memory there was, summed."""
    total = 0
    for member in family(pid):
        status = Path(f"/proc/{member}/status").read_text("ascii", "replace")
        if "VmHWM:" in status:
            total += int(status.split("VmHWM:")[1].split()[0])
    return total
