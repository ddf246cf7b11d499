"""What the benchmarks measured, time after time: results/history.jsonl, and the page results/history.md made of it.

    python -m benchmarks.history              # write the page
    python -m benchmarks.history --from-git   # add what the committed versions of results/*.json say and it lacks

A benchmark adds a line as soon as a shape or section is measured in full (never in a quick run), so that one that is
stopped loses nothing. A line holds the date, the commit that was measured, the machine and the headline figures, a flat
mapping from name to number; `kinds.py` names the function of each benchmark that takes them from its document.
"""
