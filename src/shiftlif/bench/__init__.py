"""The bench: neurons x data sets x steps x seeds from one YAML file, one JSON record a run, tables and figures.

| file | what |
|---|---|
| `recipe` | the YAML file: its fields, its grid, the key of a run |
| `schedule` | what is missing, in processes of their own, one after the other |
| `worker` | the process of one run |
| `record` | one run, from training to figures |
| `counting` | events and synaptic operations of a float network |
| `store` | the JSONL file |
| `statistics` | means, paired tests, Pareto fronts |
| `rows`, `tables`, `figure` | records as tables and figures |
"""
