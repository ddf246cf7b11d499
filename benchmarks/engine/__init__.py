"""The engine beside ONNX Runtime, PyTorch and SpikingJelly, on trained networks: time, accuracy, density.

    make bench-engine                                        # everything, into results/engine.{json,md}
    python -m benchmarks.engine --quick                      # a minute, into runs/engine, to see that it works
    python -m benchmarks.engine --only 'digits dense'        # one shape; the others keep their records
    python -m benchmarks.engine --resume                     # the shapes that have no records yet
    python -m benchmarks.engine --render                     # only the tables

The networks are those of benchmarks/trained.py. A process for every shape and number of threads, pinned to as many
cores, measures all contenders in turn, in an order that is shuffled every round, so that a disturbance of the machine
meets them all, and every ratio is of times from one process.
"""
