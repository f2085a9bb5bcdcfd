"""The race: argrad's layers and those of its peers on the same programs, in one run.

`python crates/argrad-python/benches/peers --help` says how; `make bench-peers` installs the peers
first. Each library runs in a process of its own, so that none disturbs another by its threads, its
memory or its end, and all are measured in turns. Every solution and gradient is compared with an
exact reference (`peers.reference`) which uses none of their code for derivatives.
"""
