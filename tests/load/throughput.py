"""The same jobs by two workers with one thread each and by one worker with two threads."""
import statistics

from service import running, seconds_between

TWO_WORKERS, TWO_THREADS = "2 workers, 1 thread each", "1 worker, 2 threads"
CONFIGURATIONS = {TWO_WORKERS: {"workers": 2, "threads": 1}, TWO_THREADS: {"workers": 1, "threads": 2}}


def run_jobs(program, configuration, jobs, size, iterations):
    """Evaluations per second of all jobs together, from the first one's acceptance to the last one's end."""
    with running(program, **CONFIGURATIONS[configuration]) as service:
        for job in [service.submit(size=size, iterations=1) for _ in range(2)]:
            service.wait_for(job, "succeeded")  # weights and memory have been touched once
        submitted = [service.submit(size=size, iterations=iterations) for _ in range(jobs)]
        finished = [service.wait_for(job, "succeeded") for job in submitted]
    first, last = min(job["created_at"] for job in finished), max(job["finished_at"] for job in finished)
    return jobs * iterations / seconds_between(first, last)


def summarize(rounds):
    """Medians, and the median of what each round's two workers did by what its two threads did."""
    ratios = [one[TWO_WORKERS] / one[TWO_THREADS] for one in rounds]
    medians = {name: statistics.median(one[name] for one in rounds) for name in CONFIGURATIONS}
    return {"evaluations_per_second": medians, "ratios": ratios, "ratio": statistics.median(ratios)}


def measure(program, rounds, jobs, size, iterations):
    results = []
    for number in range(rounds):
        order = [TWO_WORKERS, TWO_THREADS] if number % 2 == 0 else [TWO_THREADS, TWO_WORKERS]
        results.append({name: run_jobs(program, name, jobs, size, iterations) for name in order})
    return {"jobs": jobs, "size": size, "iterations": iterations, "rounds": results, **summarize(results)}
