"""How fast training is: neurons, whole steps and memory against eager torch, torch.compile, SpikingJelly and snnTorch.

    make bench-kernels                                   # everything, into results/training_kernels.{json,md}
    python -m benchmarks.training_kernels --quick        # a few minutes, into runs/, to see that it works
    python -m benchmarks.training_kernels --sections gpu # one section; the others keep their records
    python -m benchmarks.training_kernels --render       # only the tables

Every section runs in processes of its own, one per setting that a process cannot change (threads, allocator), so that
a contender that fails loses only what it was measuring. Contenders are measured in turn, in an order that is shuffled
every round, together with the copies that give the memory floor of the same minutes.
"""
