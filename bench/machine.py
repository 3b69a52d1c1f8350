"""What the numbers depend on: the machine, and what else it did meanwhile."""
import datetime
import os
import platform
import resource
import time

FLAGS = ("fma", "avx2", "avx512f", "asimd")
WORKING = (0, 1, 2, 5, 6, 7)  # columns of /proc/stat that are not idling: user, nice, system, irq, softirq, steal


def cpu_facts(cpuinfo):
    """The first value of every key in the text of /proc/cpuinfo."""
    facts = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    return facts


def describe():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        facts = cpu_facts(file.read())
    flags = facts.get("flags", facts.get("Features", "")).split()
    return {"cpu": facts.get("model name", platform.machine()), "cores": os.cpu_count(),
            "flags": [flag for flag in FLAGS if flag in flags], "system": platform.platform(),
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")}


def busy_seconds(stat):
    """The processor time that everybody took since the start, from the text of /proc/stat."""
    columns = [int(value) for value in stat.splitlines()[0].split()[1:]]
    return sum(columns[i] for i in WORKING) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    """What this process and the children it waited for took."""
    return sum(usage.ru_utime + usage.ru_stime for usage in
               (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


class Watch:
    """From its making on: which share of the machine's processor time went to others."""

    def __init__(self):
        self.start, self.busy, self.own = time.monotonic(), self.read_busy(), own_seconds()

    @staticmethod
    def read_busy():
        with open("/proc/stat", encoding="ascii") as file:
            return busy_seconds(file.read())

    def taken_by_others(self):
        there = (time.monotonic() - self.start) * os.cpu_count()
        others = (self.read_busy() - self.busy) - (own_seconds() - self.own)
        return min(1.0, max(0.0, others / there))
