"""The steps of gpu.py: each measures one thing on the GPU, in a process of its own."""
